"""Which permissions of the operator's staff open what."""

MAY_RECONCILE = "billing.view_discrepancy"  # our ledger beside the card processor's account
MAY_EXPLAIN = "billing.change_discrepancy"  # close a difference with a reason
MAY_SEE_DISPUTES = "billing.view_dispute"  # payments that are disputed
MAY_SEE_ADJUSTMENTS = "billing.view_adjustment"
MAY_ADJUST = "billing.add_adjustment"  # ask for one; a small one is posted at once
MAY_DECIDE = "billing.approve_adjustment"  # be the second person of another's
MAY_SUSPEND = "billing.change_billingaccount"  # suspend an organization, and let it order again
