"""What a site's battery is told through: where it answers, what is wanted of it and what was last read."""

from datetime import datetime

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from energy.models.miner import Outcome
from marketplace.models import Site


class BatteryDialect(models.TextChoices):
    """How a battery is spoken to: the driver."""

    SUNSPEC = "sunspec", "SunSpec (models 701 to 713) over Modbus TCP"
    FAKE = "fake", "fake (tests)"


class Inverter(models.Model):
    """
    The one inverter or plant controller that speaks for a site's battery; what the battery can is in `Battery`.

    What is wanted (`wanted_watts` until `wanted_until`, `epoch`) is written before it is told; what was read, after. A
    wish raises the epoch, and what is read counts only for the epoch it was read in. Without a wish the battery goes by
    its own control. Power is in watts at the meter: above 0 it gives, below 0 it is charged. What it holds and gives is
    in feeds, over time.
    """

    site = models.OneToOneField(Site, on_delete=models.PROTECT, related_name="inverter")
    dialect = models.CharField(max_length=10, choices=BatteryDialect, default=BatteryDialect.SUNSPEC)
    address = models.GenericIPAddressField(help_text="In the site's own network (BATTERY_NETWORKS).")
    port = models.PositiveIntegerField(default=502, validators=[MinValueValidator(1), MaxValueValidator(65_535)])
    unit = models.PositiveSmallIntegerField(
        default=1, validators=[MaxValueValidator(255)], help_text="Which device behind that address (Modbus unit)."
    )
    controlled = models.BooleanField(
        default=True, help_text="Whether it may be told anything; if not, it is only read, and goes by its own control."
    )

    wanted_watts = models.BigIntegerField(null=True, blank=True, help_text="Empty: its own control.")
    wanted_since = models.DateTimeField(null=True, blank=True, help_text="When that was last said.")
    wanted_until = models.DateTimeField(null=True, blank=True, help_text="Then it is released.")
    epoch = models.PositiveIntegerField(default=0, help_text="Counts its commands.")

    outcome = models.CharField(max_length=12, choices=Outcome, blank=True, help_text="Empty: never read.")
    most_given = models.PositiveBigIntegerField(null=True, blank=True, help_text="What it says that it can, watts.")
    most_taken = models.PositiveBigIntegerField(null=True, blank=True, help_text="The same of charging, watts.")
    read_at = models.DateTimeField(null=True, blank=True, help_text="When it last answered.")
    detail = models.CharField(max_length=300, blank=True, help_text="Why it is not as wanted, for staff.")

    class Meta:
        ordering = ["site"]
        verbose_name = "battery driver"
        constraints = [
            models.CheckConstraint(
                condition=Q(dialect__in=BatteryDialect.values) & Q(outcome__in=["", *Outcome.values]),
                name="inverter_words_are_known",
            ),
            models.CheckConstraint(
                condition=Q(wanted_watts=None, wanted_until=None)
                | Q(wanted_watts__isnull=False, wanted_until__isnull=False),
                name="inverter_wish_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.site}: battery at {self.address}"

    def wish(self, now: datetime) -> int | None:
        """The watts that are wanted of it at a moment; None: its own control."""
        return self.wanted_watts if self.wanted_until is not None and now < self.wanted_until else None
