"""Which permissions of the operator's staff open what."""

MAY_RECONCILE = "billing.view_discrepancy"  # our ledger beside the card processor's account
MAY_EXPLAIN = "billing.change_discrepancy"  # close a difference with a reason
MAY_SEE_DISPUTES = "billing.view_dispute"  # payments that are disputed
MAY_SEE_ADJUSTMENTS = "billing.view_adjustment"
MAY_ADJUST = "billing.add_adjustment"  # ask for one; a small one is posted at once
MAY_APPROVE = "billing.approve_adjustment"  # be the second person of another's
MAY_LOOK = "billing.view_invoice"  # who owes what
MAY_RECORD = "billing.add_banktransfer"  # what came to our bank
MAY_CREDIT = "billing.add_creditnote"
MAY_WRITE_OFF = "billing.add_writeoff"
MAY_RELEASE = "billing.change_parkedmonth"
MAY_SEE = "billing.view_tieout"  # who pays by the month, and what does not tie out
MAY_DECIDE = "billing.change_billingaccount"  # how it pays, how far it is trusted, whether it may order
MAY_GIVE = "billing.add_creditgrant"
MAY_NAME_CUSTOMERS = (MAY_SEE, MAY_DECIDE, MAY_ADJUST, MAY_GIVE, MAY_RECORD)  # one is enough: their forms ask for them
