"""A month on paper: lines rounded to cents once, then never touched."""

import pgtrigger
from django.db import models

from accounts.ids import PublicIdField
from accounts.models import Organization
from billing.models.ledger import APPEND_ONLY


class InvoiceCounter(models.Model):
    """The last number given out. Its row is locked until the invoice is committed, so numbers have no gaps."""

    series = models.CharField(max_length=10, primary_key=True)
    last = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.series} {self.last}"


class Invoice(models.Model):
    """One organization's usage in one UTC month, `period_start` to `period_end` (excluded). Paid from the wallet."""

    public_id = PublicIdField(prefix="iv")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="invoices")
    number = models.CharField(max_length=20, unique=True)
    period_start = models.DateField()
    period_end = models.DateField()
    issued_at = models.DateTimeField()
    total_cents = models.BigIntegerField()

    class Meta:
        ordering = ["-period_start", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "period_start"], name="invoice_once_per_period"),
            models.CheckConstraint(
                condition=models.Q(period_end__gt=models.F("period_start")), name="invoice_period_runs_forward"
            ),
        ]
        triggers = [pgtrigger.Protect(name="invoice_is_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return self.number


class LineKind(models.TextChoices):
    """What a line is for."""

    USAGE = "usage", "use"
    FEE = "fee", "fee for agreed time that was handed back"
    CREDIT = "credit", "credit for handed-back time that others used"
    ADJUST = "adjust", "adjustment"
    PROMISE = "promise", "credit for promises not kept"


class InvoiceLine(models.Model):
    """
    One lease in the month at one price: `seconds` × `nodes` - `outage_node_seconds`, exact in micro-dollars and rounded
    once to cents. Less than nothing where an outage of an earlier month became known only in this one. Fees and credits
    are lines of their own, without seconds.
    """

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="lines")
    lease = models.ForeignKey("leasing.Lease", on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8, choices=LineKind, default=LineKind.USAGE)
    description = models.CharField(max_length=200)
    seconds = models.BigIntegerField()
    nodes = models.PositiveIntegerField()
    outage_node_seconds = models.BigIntegerField(default=0)
    micros_per_node_hour = models.BigIntegerField()
    micros = models.BigIntegerField()
    cents = models.BigIntegerField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["invoice", "lease", "kind", "micros_per_node_hour"], name="invoice_line_once_per_price"
            )
        ]
        triggers = [pgtrigger.Protect(name="invoice_line_is_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return self.description
