"""What a lease has used, at which prices, and what it may still use."""

import pgtrigger
from django.db import models

from billing.models.ledger import APPEND_ONLY

# See billing.models.ledger.MONTH_IS_OPEN.
MONTH_IS_OPEN = """
    IF EXISTS (SELECT FROM billing_invoice AS invoice
                 JOIN leasing_lease AS lease ON lease.organization_id = invoice.organization_id
                WHERE lease.id = NEW.lease_id
                  AND invoice.period_start = date_trunc('month', NEW.from_at AT TIME ZONE 'UTC')::date) THEN
        RAISE EXCEPTION 'usage of lease % would be dated %, in a month that is invoiced', NEW.lease_id, NEW.from_at
              USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
"""


class Meter(models.Model):
    """One lease's running account: its price when ordered, wallet money kept aside for it, how far it is charged.

    `seconds`, `outage_node_seconds` and `charged_micros` are the sums of its usage rows up to `metered_until`. Closed
    when the lease is over; until then the wallet owes the lease whatever its hold has left. What becomes known of an
    outage after that is settled by further rows, up to the outage recorded at `corrected_for`.
    """

    lease = models.OneToOneField("leasing.Lease", on_delete=models.PROTECT, related_name="meter")
    micros_per_node_hour = models.BigIntegerField(
        help_text="At which it was ordered. What was agreed later is in `prices`; billing.queries.prices reads both."
    )
    nodes = models.PositiveIntegerField()
    hold_micros = models.BigIntegerField()
    seconds = models.BigIntegerField(default=0)
    outage_node_seconds = models.BigIntegerField(default=0)
    charged_micros = models.BigIntegerField(default=0)
    metered_until = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    corrected_for = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["lease"], name="meter_open", condition=models.Q(closed_at=None))]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(hold_micros__gte=0, seconds__gte=0, charged_micros__gte=0),
                name="meter_is_not_negative",
            )
        ]

    def __str__(self) -> str:
        return f"meter of {self.lease}"


class MeterPrice(models.Model):
    """
    A price that was agreed after the order, by an extension or a move: it holds from `from_at` on, instead of all that
    was agreed before for then. Never edited.
    """

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="prices")
    from_at = models.DateTimeField()
    micros_per_node_hour = models.BigIntegerField()
    agreed_at = models.DateTimeField()

    class Meta:
        ordering = ["meter", "id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(micros_per_node_hour__gte=0), name="meter_price_is_not_negative")
        ]
        triggers = [pgtrigger.Protect(name="meter_price_is_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.micros_per_node_hour} from {self.from_at:%Y-%m-%d %H:%M:%S} UTC"


class UsageKind(models.TextChoices):
    """What a row of usage says."""

    USE = "use", "use"
    CORRECTION = "correction", "correction"  # of a row before it, by what became known after that was charged


class Usage(models.Model):
    """
    Use of a lease between two moments, at its rate: `seconds` × `nodes` - `outage_node_seconds` are charged.

    A correction has the moment at which it was made, points at the row of use that it corrects, and is signed: row and
    corrections together are what that time costs by all that is known.
    """

    lease = models.ForeignKey("leasing.Lease", on_delete=models.PROTECT, related_name="usage")
    kind = models.CharField(max_length=10, choices=UsageKind, default=UsageKind.USE)
    corrects = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="corrections")
    from_at = models.DateTimeField()
    until_at = models.DateTimeField()
    seconds = models.BigIntegerField()
    outage_node_seconds = models.BigIntegerField(default=0, help_text="Node-seconds in which nodes did not serve.")
    micros_per_node_hour = models.BigIntegerField()
    nodes = models.PositiveIntegerField()
    micros = models.BigIntegerField()

    class Meta:
        ordering = ["lease", "from_at"]
        indexes = [models.Index(fields=["from_at"], name="usage_by_time")]
        constraints = [
            models.UniqueConstraint(
                fields=["lease", "from_at"], condition=models.Q(kind=UsageKind.USE), name="usage_once"
            ),
            models.UniqueConstraint(
                fields=["corrects", "from_at"], condition=models.Q(kind=UsageKind.CORRECTION), name="correction_once"
            ),
            models.CheckConstraint(
                condition=models.Q(kind=UsageKind.USE, corrects=None)
                | models.Q(kind=UsageKind.CORRECTION, corrects__isnull=False, until_at=models.F("from_at")),
                name="usage_correction_points_at_use",
            ),
            models.CheckConstraint(condition=models.Q(until_at__gte=models.F("from_at")), name="usage_runs_forward"),
        ]
        triggers = [
            pgtrigger.Protect(name="usage_is_append_only", operation=APPEND_ONLY),
            pgtrigger.Trigger(
                name="usage_is_of_an_open_month",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func=MONTH_IS_OPEN,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.seconds} s of {self.lease} from {self.from_at:%Y-%m-%d %H:%M:%S} UTC"
