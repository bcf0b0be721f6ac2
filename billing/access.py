"""Which permissions of the operator's staff open what."""

MAY_SEE_DISPUTES = "billing.view_dispute"  # payments that are disputed
MAY_SEE_ADJUSTMENTS = "billing.view_adjustment"
MAY_ADJUST = "billing.add_adjustment"  # ask for one; a small one is posted at once
MAY_DECIDE = "billing.approve_adjustment"  # be the second person of another's
MAY_SUSPEND = "billing.change_billingaccount"  # suspend an organization, and let it order again
