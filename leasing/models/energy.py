"""What leases used, by month: written by whoever counts sites' energy, read by whoever bills."""

from collections.abc import Iterable

from django.db import models

from leasing.models.lease import Lease
from marketplace.models import Site

SUMMED = (
    "measured_hours", "estimated_hours", "missing_hours", "energy_wh", "renewable_wh", "location_ug", "market_ug",
)  # fmt: skip


class EnergySum(models.Model):
    """What hours of a lease come to, at the site's meter, and how many of them are known in which way."""

    measured_hours = models.PositiveIntegerField(default=0, help_text="By counters of the GPUs.")
    estimated_hours = models.PositiveIntegerField(default=0, help_text="By the draw of the node's type.")
    missing_hours = models.PositiveIntegerField(default=0, help_text="Nobody knows; counted as nothing.")
    energy_wh = models.BigIntegerField(default=0, help_text="With cooling and losses.")
    renewable_wh = models.BigIntegerField(default=0, help_text="Of those.")
    location_ug = models.BigIntegerField(default=0, help_text="Micrograms of CO2-equivalent, by the grid's mix.")
    market_ug = models.BigIntegerField(default=0, help_text="The same by contracts for green power: instead, not too.")

    class Meta:
        abstract = True

    @property
    def hours(self) -> int:
        """All that were counted."""
        return self.measured_hours + self.estimated_hours + self.missing_hours

    @property
    def renewable_percent(self) -> float | None:
        """None without energy."""
        return 100 * self.renewable_wh / self.energy_wh if self.energy_wh else None


class LeaseEnergy(EnergySum):
    """A lease's hours in a UTC month as far as they are counted. `month` is its first day."""

    lease = models.ForeignKey(Lease, on_delete=models.PROTECT, related_name="energy_months")
    month = models.DateField()

    class Meta:
        ordering = ["lease", "month"]
        constraints = [models.UniqueConstraint(fields=["month", "lease"], name="lease_energy_once_a_month")]

    def __str__(self) -> str:
        return f"{self.lease_id} in {self.month:%B %Y}: {self.energy_wh} Wh"


class EnergyCounted(models.Model):
    """How far the energy of a site is counted. A site without a row counts none."""

    site = models.OneToOneField(Site, on_delete=models.PROTECT, related_name="+")
    until = models.DateTimeField()

    class Meta:
        verbose_name_plural = "energy counted"

    def __str__(self) -> str:
        return f"{self.site_id} until {self.until:%Y-%m-%d %H:%M} UTC"


def summed(rows: Iterable[EnergySum]) -> LeaseEnergy:
    """All of them together, as a row of no lease that is not saved."""
    known = list(rows)
    return LeaseEnergy(**{name: sum(getattr(row, name) for row in known) for name in SUMMED})
