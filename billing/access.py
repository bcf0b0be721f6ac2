"""What staff may do with money, by permission."""

MAY_SEE = "billing.view_tieout"
MAY_DECIDE = "billing.change_billingaccount"
