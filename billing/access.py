"""Which permissions of the operator's staff open what."""

MAY_RECONCILE = "billing.view_discrepancy"  # our ledger beside the card processor's account
MAY_EXPLAIN = "billing.change_discrepancy"  # close a difference with a reason
