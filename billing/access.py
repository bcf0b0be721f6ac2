"""Which permissions of the operator's staff open what."""

MAY_LOOK = "billing.view_invoice"  # who owes what
MAY_RECORD = "billing.add_banktransfer"  # what came to our bank
MAY_CREDIT = "billing.add_creditnote"
MAY_WRITE_OFF = "billing.add_writeoff"
MAY_RELEASE = "billing.change_parkedmonth"
