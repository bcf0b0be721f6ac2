"""What customers who pay by transfer still owe: what came in, what paid it, and what is no longer expected."""

import pgtrigger
from django.db import models

from accounts.ids import PublicIdField
from accounts.models import Organization
from billing.models.invoice import Invoice
from billing.models.ledger import APPEND_ONLY

LONGEST_REFERENCE = 100


class BankTransfer(models.Model):
    """
    Money that came to our bank, as staff found it there. `reference` is the bank's own and names it once, whoever sent
    it. What pays no invoice stays in the wallet, and is set off against the next one.
    """

    public_id = PublicIdField(prefix="bt")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="bank_transfers")
    reference = models.CharField(max_length=LONGEST_REFERENCE, unique=True)
    amount_cents = models.BigIntegerField()
    received_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    recorded_by = models.CharField(max_length=64)

    class Meta:
        ordering = ["-received_at", "-id"]
        constraints = [models.CheckConstraint(condition=models.Q(amount_cents__gt=0), name="transfer_brings_money")]
        triggers = [pgtrigger.Protect(name="transfer_is_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return self.reference


class Applied(models.Model):
    """The part of a transfer that paid an invoice."""

    transfer = models.ForeignKey(BankTransfer, on_delete=models.PROTECT, related_name="applied")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="applied")
    cents = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["transfer", "invoice"], name="transfer_applied_once"),
            models.CheckConstraint(condition=models.Q(cents__gt=0), name="transfer_applies_money"),
        ]
        triggers = [pgtrigger.Protect(name="applied_is_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.transfer} to {self.invoice}"


class SetOff(models.Model):
    """
    What the wallet paid of an invoice, with money or credit that was free in it; no money moves, for the ledger has it
    there. Less than nothing where it was taken back: that money has gone, to a card or a bank. See
    `billing.queries.owed`.
    """

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="set_offs")
    cents = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [models.CheckConstraint(condition=~models.Q(cents=0), name="set_off_is_of_money")]
        triggers = [pgtrigger.Protect(name="set_off_is_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.cents} of {self.invoice}"


class Outstanding(models.Model):
    """
    That something of an invoice by transfer is open. It follows from what settled it, and is kept so that whoever looks
    for open ones reads no others: `operations.set_off` writes it, and an invariant compares.
    """

    invoice = models.OneToOneField(Invoice, primary_key=True, on_delete=models.PROTECT, related_name="outstanding")

    def __str__(self) -> str:
        return f"{self.invoice} is open"


class WriteOff(models.Model):
    """What of an invoice staff no longer expect, and why. The invoice stands as it is."""

    invoice = models.OneToOneField(Invoice, primary_key=True, on_delete=models.PROTECT, related_name="write_off")
    cents = models.BigIntegerField()
    reason = models.CharField(max_length=200)
    at = models.DateTimeField()
    actor = models.CharField(max_length=64)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(cents__gt=0), name="write_off_is_of_money")]
        triggers = [pgtrigger.Protect(name="write_off_is_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"Write-off of {self.invoice}"


class Reminder(models.Model):
    """That a customer was told of an invoice's due date: so many days before it (negative), or behind it."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="reminders")
    days = models.SmallIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["invoice", "days"], name="reminded_once")]

    def __str__(self) -> str:
        return f"{self.days} days to {self.invoice}"
