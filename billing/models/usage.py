"""What a lease has used, at which prices, and what it may still use."""

from typing import Any

import pgtrigger
from django.db import models

from accounts.models import Organization
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
# Whoever writes usage, its month has it in the same statement. In order, so that two writers never deadlock.
ADD_TO_THE_MONTH = """
    INSERT INTO billing_monthuse AS month (lease_id, organization_id, month, micros)
    SELECT written.lease_id, lease.organization_id, date_trunc('month', from_at AT TIME ZONE 'UTC')::date, sum(micros)
      FROM written JOIN leasing_lease AS lease ON lease.id = written.lease_id
     GROUP BY 1, 2, 3 ORDER BY 1, 3
        ON CONFLICT (lease_id, month) DO UPDATE SET micros = month.micros + excluded.micros;
    RETURN NULL;
"""


class Meter(models.Model):
    """One lease's running account: its price when ordered, wallet money kept aside for it, how far it is charged.

    `seconds`, `outage_node_seconds` and `charged_micros` are the sums of its usage rows up to `metered_until`. Closed
    when the lease is over; until then the wallet owes the lease whatever its hold has left. What becomes known of an
    outage after that is settled by further rows, up to the outage recorded at `corrected_for`.
    """

    lease = models.OneToOneField("leasing.Lease", on_delete=models.PROTECT, related_name="meter")
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="+", db_index=False, editable=False,
        help_text="The lease's, so that what is open is found without all that is over.",
    )  # fmt: skip
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
    promises_seen_at = models.DateTimeField(null=True, blank=True, help_text="What was known by then is credited.")
    promises_due_at = models.DateTimeField(
        null=True, blank=True, help_text="When credits that met their cap are looked at again."
    )

    class Meta:
        indexes = [
            models.Index(fields=["lease"], name="meter_open", condition=models.Q(closed_at=None)),
            models.Index(
                fields=["organization"],
                name="meter_open_of_organization",
                condition=models.Q(closed_at=None),
                include=["lease", "hold_micros"],  # the wallet asks for no more of leases that have not begun
            ),
            models.Index(fields=["organization", "closed_at"], name="meter_of_organization"),
            models.Index(fields=["lease"], name="meter_unpromised", condition=models.Q(promises_seen_at=None)),
            models.Index(
                fields=["promises_due_at"],
                name="meter_promises_due",
                condition=models.Q(promises_due_at__isnull=False),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(hold_micros__gte=0, seconds__gte=0, charged_micros__gte=0),
                name="meter_is_not_negative",
            )
        ]

    def __str__(self) -> str:
        return f"meter of {self.lease}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Whose it is follows from its lease."""
        if self._state.adding:
            self.organization_id = self.lease.organization_id
        super().save(*args, **kwargs)


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
            pgtrigger.Trigger(
                name="usage_is_added_to_its_month",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="written"),  # type: ignore[no-untyped-call]
                func=ADD_TO_THE_MONTH,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.seconds} s of {self.lease} from {self.from_at:%Y-%m-%d %H:%M:%S} UTC"


class MonthUse(models.Model):
    """
    What a lease was charged for a UTC month: the sum of its usage that is dated in it, corrections included, kept by
    the database. So what a month has come to is read from a row for each lease, not for each hour.
    """

    lease = models.ForeignKey("leasing.Lease", on_delete=models.PROTECT, related_name="+", db_index=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+", db_index=False)
    month = models.DateField(help_text="Its first day.")
    micros = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["organization", "month"], name="month_use_of_organization")]
        constraints = [models.UniqueConstraint(fields=["lease", "month"], name="month_use_once")]

    def __str__(self) -> str:
        return f"{self.micros} for {self.lease} in {self.month:%B %Y}"
