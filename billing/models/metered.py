"""What is billed by the month through the card processor: its meter, our rows of what it was told, its invoices."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from accounts.ids import PublicIdField
from accounts.models import Organization


class MeteredPrice(models.Model):
    """The one meter and its one price at the processor, by the name of the meter's events. Empty until it is known."""

    event_name = models.CharField(max_length=40, primary_key=True)
    meter_reference = models.CharField(max_length=255, blank=True)
    price_reference = models.CharField(max_length=255, blank=True)

    def __str__(self) -> str:
        return self.event_name


class MeteredSubscription(models.Model):
    """
    An organization's subscription at the processor, and how far its ledger has been told there: up to the link with
    `exported_number`. `carry_micros`, never more than nothing, is what is still to be taken off: corrections and money
    that it had, for which nothing was owed yet. A meter is never told less than nothing.
    """

    organization = models.OneToOneField(
        Organization, primary_key=True, on_delete=models.PROTECT, related_name="metered_subscription"
    )
    reference = models.CharField(max_length=255, null=True, blank=True, unique=True)
    started_at = models.DateTimeField(null=True, blank=True, help_text="Nothing before it is counted.")
    ends_at = models.DateTimeField(null=True, blank=True, help_text="It was told to end then.")
    begun_number = models.BigIntegerField(default=0, help_text="The link before the first that is told.")
    exported_number = models.BigIntegerField(default=0)
    carry_micros = models.BigIntegerField(default=0)
    card_reference = models.CharField(max_length=255, blank=True, help_text="The card that months are charged to.")
    taxed = models.BooleanField(default=False, help_text="The processor works out tax on its invoices.")
    looked_at = models.DateTimeField(null=True, blank=True, help_text="When its invoices were last asked for.")
    closed_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was last seen to be over, with none of its invoices a draft."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(carry_micros__lte=0), name="metered_carry_is_never_owed"),
            models.CheckConstraint(
                condition=Q(reference=None, started_at=None) | Q(reference__isnull=False, started_at__isnull=False),
                name="metered_subscription_has_started",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization}: {self.reference or 'not made yet'}"


class ExportWay(models.TextChoices):
    """How the processor is told."""

    EVENT = "event", "event of the meter"
    ITEM = "item", "item of the next invoice"  # its hour is in a month that may be final, or its event was refused
    NOTHING = "nothing", "nothing to tell"  # not more than was to be taken off
    MISSED = "missed", "item for what came too late for its invoice"  # counted, but after the month was final


class ExportState(models.TextChoices):
    """Whether the processor has it."""

    PENDING = "pending", "being sent"
    COUNTED = "counted", "counted"
    FAILED = "failed", "not counted"  # a row behind it has the same money


class Export(models.Model):
    """
    What one lease (or none) was charged for one hour, as the processor is told it, once: the hour of its use, else of
    the postings (`billing.queries.told`). `micros` is the postings' sum, `value_micros` what is told, `carry_micros`
    what was still to be taken off behind it. Later postings of the same hour make another row with the next `revision`.
    """

    identifier = models.CharField(max_length=80, unique=True, help_text="lease:hour:revision, at the processor too.")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="exports")
    lease = models.ForeignKey("leasing.Lease", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    hour = models.DateTimeField(help_text="Its first moment, UTC.")
    revision = models.PositiveIntegerField()
    micros = models.BigIntegerField()
    carry_micros = models.BigIntegerField()
    value_micros = models.BigIntegerField()
    at = models.DateTimeField(help_text="The moment that the processor is told.")
    way = models.CharField(max_length=8, choices=ExportWay)
    state = models.CharField(max_length=8, choices=ExportState)
    written_at = models.DateTimeField()
    doubted_at = models.DateTimeField(null=True, blank=True, help_text="The meter reported that it may not count it.")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["organization", "at"], name="export_by_time"),
            models.Index(fields=["doubted_at"], name="export_doubted", condition=Q(doubted_at__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "lease", "hour", "revision"], nulls_distinct=False, name="export_once"
            ),
            models.CheckConstraint(condition=Q(value_micros__gte=0), name="export_is_never_negative"),
            models.CheckConstraint(
                condition=Q(way="nothing", value_micros=0) | ~Q(way="nothing") & Q(value_micros__gt=0),
                name="export_tells_something",
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="export_is_kept", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="export_facts_stay",
                fields=[
                    "identifier",
                    "organization",
                    "lease",
                    "hour",
                    "micros",
                    "carry_micros",
                    "value_micros",
                    "at",
                    "way",
                ],
            ),
        ]

    def __str__(self) -> str:
        return self.identifier


class CardInvoiceStatus(models.TextChoices):
    """The processor's words, once the invoice is final."""

    OPEN = "open", "to be paid"
    PAID = "paid", "paid"
    UNCOLLECTIBLE = "uncollectible", "given up"
    VOID = "void", "void"


class CardInvoice(models.Model):
    """
    The processor's invoice of a month, as it was when we last asked. What was paid on it raised the wallet once, by a
    posting that is keyed by this row. Less than the processor charges at least is owed with the next one.
    """

    public_id = PublicIdField(prefix="ci")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="card_invoices")
    reference = models.CharField(max_length=255, unique=True)
    charge_reference = models.CharField(
        max_length=255, blank=True, help_text="What paid it, as the processor calls it."
    )
    number = models.CharField(max_length=80)
    status = models.CharField(max_length=15, choices=CardInvoiceStatus)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    subtotal_cents = models.BigIntegerField(help_text="Net.")
    tax_cents = models.BigIntegerField(default=0, help_text="As the processor worked it out.")
    tax_note = models.CharField(max_length=300, blank=True, help_text="Such as that the buyer owes the tax.")
    total_cents = models.BigIntegerField(help_text="With tax.")
    due_cents = models.BigIntegerField(help_text="Of it and of the balance before it, when it became final.")
    paid_cents = models.BigIntegerField(default=0)
    page_url = models.CharField(max_length=2000, blank=True)
    pdf_url = models.CharField(max_length=2000, blank=True)
    finalized_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    failed_at = models.DateTimeField(null=True, blank=True, help_text="Since when its card has been failing.")
    next_attempt_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-period_end", "-id"]
        indexes = [models.Index(fields=["failed_at"], name="card_invoice_failing", condition=Q(status="open"))]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=CardInvoiceStatus.values), name="card_invoice_status_known"),
            models.CheckConstraint(
                condition=~Q(status="paid") | Q(paid_at__isnull=False), name="card_invoice_paid_has_a_time"
            ),
        ]

    def __str__(self) -> str:
        return self.number


class TieOut(models.Model):
    """
    One organization's day or month by three books: our ledger's postings, what we told the processor, and what the
    processor says. Micro-dollars; of a month `counted_micros` is what its invoice bills. Open while they differ.
    """

    class Span(models.TextChoices):
        """What is compared."""

        DAY = "day", "day, with the meter"
        MONTH = "month", "month, with the invoice"

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="tie_outs")
    span = models.CharField(max_length=5, choices=Span)
    day = models.DateField(help_text="UTC; of a month the one on which its invoice begins.")
    posted_micros = models.BigIntegerField(help_text="By the ledger.")
    exported_micros = models.BigIntegerField(help_text="By our rows of those postings.")
    told_micros = models.BigIntegerField(help_text="By our rows that the processor has.")
    counted_micros = models.BigIntegerField(help_text="By the processor.")
    allowed_micros = models.BigIntegerField(default=0, help_text="A cent for each line that was rounded.")
    checked_at = models.DateTimeField()
    differs_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-day", "organization"]
        indexes = [
            models.Index(fields=["differs_since"], name="tie_out_open", condition=Q(differs_since__isnull=False))
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization", "span", "day"], name="tie_out_once"),
            models.CheckConstraint(
                condition=Q(differs_since__isnull=False)
                | Q(
                    posted_micros=F("exported_micros"),
                    counted_micros__gte=F("told_micros") - F("allowed_micros"),
                    counted_micros__lte=F("told_micros") + F("allowed_micros"),
                ),
                name="tie_out_matches_or_is_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization}, {self.get_span_display()}: {self.day}"
