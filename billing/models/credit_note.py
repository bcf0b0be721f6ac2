"""Credit notes: what we take back of an invoice's lines, on papers of their own."""

import pgtrigger
from django.db import models

from accounts.ids import PublicIdField
from accounts.models import Organization
from billing.models.invoice import Invoice, InvoiceLine
from billing.models.ledger import APPEND_ONLY

# Whoever issues one holds the organization's wallet, so two notes that do not fit together cannot both pass.
NEVER_MORE_THAN_THE_LINE = """
    IF NEW.cents + (SELECT coalesce(sum(cents), 0) FROM billing_creditnoteline WHERE line_id = NEW.line_id)
       > (SELECT cents FROM billing_invoiceline WHERE id = NEW.line_id) THEN
        RAISE EXCEPTION 'line % would be credited for more than it was charged', NEW.line_id
              USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
"""


class CreditNote(models.Model):
    """
    Lowers an invoice that stays as it was issued. `total_cents` is the gross amount, its tax at the invoice's rate:
    notes over all of an invoice take back exactly its tax.
    """

    public_id = PublicIdField(prefix="cn")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="credit_notes")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_notes")
    number = models.CharField(max_length=20, unique=True)
    issued_at = models.DateTimeField()
    issued_by = models.CharField(max_length=64)
    reason = models.CharField(max_length=200)
    total_cents = models.BigIntegerField()
    tax_cents = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["-issued_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(total_cents__gt=0), name="credit_note_gives"),
            models.CheckConstraint(condition=~models.Q(reason=""), name="credit_note_has_a_reason"),
        ]
        triggers = [pgtrigger.Protect(name="credit_note_is_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return self.number

    @property
    def net_cents(self) -> int:
        """The sum of its lines."""
        return self.total_cents - self.tax_cents


class CreditNoteLine(models.Model):
    """What is taken back of one line: net cents, never more than the line."""

    credit_note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, related_name="lines")
    line = models.ForeignKey(InvoiceLine, on_delete=models.PROTECT, related_name="credited")
    cents = models.BigIntegerField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["credit_note", "line"], name="credit_note_line_once"),
            models.CheckConstraint(condition=models.Q(cents__gt=0), name="credit_note_line_gives"),
        ]
        triggers = [
            pgtrigger.Protect(name="credit_note_line_is_append_only", operation=APPEND_ONLY),
            pgtrigger.Trigger(
                name="never_more_than_the_line",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func=NEVER_MORE_THAN_THE_LINE,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cents} of {self.line}"
