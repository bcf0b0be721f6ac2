"""A month on paper: lines rounded to cents once, then never touched."""

import pgtrigger
from django.db import models

from accounts.ids import PublicIdField
from accounts.models import Organization
from billing.models.account import BillingMode
from billing.models.ledger import APPEND_ONLY
from leasing.models import EnergySum


class InvoiceCounter(models.Model):
    """
    The last number given out in a series, and when. Its row is locked until the paper is committed, so numbers have no
    gaps; a clock that says less than `at` is wrong.
    """

    series = models.CharField(max_length=10, primary_key=True)
    last = models.PositiveIntegerField(default=0)
    at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.series} {self.last}"


class Invoice(models.Model):
    """
    One organization's usage in one UTC month, `period_start` to `period_end` (excluded), as it was issued: who sold and
    who bought, how it is paid, and the tax. `total_cents` is the gross amount. Only who pays by transfer has a due
    date; others have paid from the wallet, or are charged by card. `sha256` freezes all of it with its lines; see
    `billing.queries.frozen`.
    """

    public_id = PublicIdField(prefix="iv")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="invoices")
    number = models.CharField(max_length=20, unique=True)
    period_start = models.DateField()
    period_end = models.DateField()
    issued_at = models.DateTimeField()
    total_cents = models.BigIntegerField()
    tax_cents = models.BigIntegerField(default=0)
    tax_rate_ppm = models.PositiveIntegerField(default=0, help_text="Millionths of the net amount.")
    tax_note = models.CharField(max_length=300, blank=True, help_text="Such as that the buyer owes the tax.")
    mode = models.CharField(max_length=10, choices=BillingMode, default=BillingMode.PREPAID)
    due_on = models.DateField(null=True, blank=True, help_text="The last day on which a transfer is in time, UTC.")
    purchase_order = models.CharField(max_length=60, blank=True)
    seller = models.TextField(blank=True)
    seller_tax_id = models.CharField(max_length=40, blank=True)
    buyer = models.TextField(blank=True)
    buyer_tax_id = models.CharField(max_length=40, blank=True)
    sha256 = models.CharField(max_length=64, blank=True, help_text="Empty: issued before invoices had one.")

    class Meta:
        ordering = ["-period_start", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "period_start"], name="invoice_once_per_period"),
            models.CheckConstraint(
                condition=models.Q(period_end__gt=models.F("period_start")), name="invoice_period_runs_forward"
            ),
            models.CheckConstraint(
                condition=models.Q(mode="invoiced", due_on__isnull=False)
                | models.Q(due_on__isnull=True) & ~models.Q(mode="invoiced"),
                name="invoice_is_due_if_by_transfer",
            ),
        ]
        triggers = [pgtrigger.Protect(name="invoice_is_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return self.number

    @property
    def net_cents(self) -> int:
        """The sum of its lines."""
        return self.total_cents - self.tax_cents

    @property
    def tax_percent(self) -> str:
        """The rate as people write it: "8.875"."""
        return f"{self.tax_rate_ppm / 10_000:.4f}".rstrip("0").rstrip(".")

    @property
    def tax_words(self) -> str:
        """What the tax is called: "Tax, 19 %". Where the card processor worked it out, the note has the rates."""
        return "Tax" if hasattr(self, "tax_calculation") else f"Tax, {self.tax_percent} %"


class LineKind(models.TextChoices):
    """What a line is for, in the order in which a lease's lines are shown."""

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


class InvoiceEnergy(EnergySum):
    """
    What a lease used in the invoice's month as it was counted when it was issued; or, of an earlier `month`, what was
    counted only behind that month's own invoice. Frozen with the lines.
    """

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="energy")
    lease = models.ForeignKey("leasing.Lease", on_delete=models.PROTECT, related_name="+")
    month = models.DateField()
    complete = models.BooleanField(help_text="Whether all of the month was counted. Else the rest is to follow.")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["lease", "month", "invoice"], name="invoice_energy_once")]
        triggers = [pgtrigger.Protect(name="invoice_energy_is_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.lease_id} in {self.month:%B %Y}"

    @property
    def is_late(self) -> bool:
        """Whether it is of a month that had its invoice before."""
        return self.month < self.invoice.period_start


class ParkedMonth(models.Model):
    """
    A month of an organization that was not closed, for it looks wrong: staff look, and release it with a reason. What
    is released is closed as it stands.
    """

    public_id = PublicIdField(prefix="mp")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="parked_months")
    period_start = models.DateField()
    reason = models.CharField(max_length=300)
    lacks_tax = models.BooleanField(
        default=False, help_text="It waits for the card processor's tax: released, it is closed without, if need be."
    )
    parked_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.CharField(max_length=64, blank=True)
    release_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-parked_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "period_start"], name="parked_once_per_period"),
            models.CheckConstraint(
                condition=models.Q(released_at=None, released_by="", release_reason="")
                | models.Q(released_at__isnull=False) & ~models.Q(released_by="") & ~models.Q(release_reason=""),
                name="parked_is_released_with_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization} in {self.period_start:%B %Y}"
