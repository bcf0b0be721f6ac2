"""Who used which energy, hour by hour: written once each hour is over, and never changed."""

import pgtrigger
from django.db import models

from leasing.models import Lease
from marketplace.models import Site


class Quality(models.TextChoices):
    """How an hour's energy is known."""

    MEASURED = "measured", "measured"  # by the counters of the GPUs, the rest of the node by its type
    ESTIMATED = "estimated", "estimated"  # by the draw of the node's type
    MISSING = "missing", "missing"  # nobody knows; counted as nothing


class SiteHour(models.Model):
    """A site's hour as a whole, and what its battery holds at the end of it. See energy/allocation.py for the rule."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="+")
    starts_at = models.DateTimeField()
    grid_wh = models.BigIntegerField()
    generated_wh = models.BigIntegerField(help_text="By its own sun and wind.")
    charged_wh = models.BigIntegerField(default=0)
    discharged_wh = models.BigIntegerField(default=0, help_text="By how much the battery holds less for what it gave.")
    exported_wh = models.BigIntegerField(default=0)
    mining_wh = models.BigIntegerField(default=0, help_text="At the meter.")
    mining_quality = models.CharField(
        max_length=10, choices=Quality, default=Quality.MISSING, help_text="By meters, or as miners say themselves."
    )
    house_wh = models.BigIntegerField(default=0)
    leases_wh = models.BigIntegerField(default=0, help_text="At the meter, cooling included.")
    grid_mg_per_kwh = models.PositiveIntegerField(help_text="Of the hour's grid, by location.")
    grid_renewable_permille = models.PositiveSmallIntegerField()
    metered = models.BooleanField(help_text="The grid's meter told; else it is what was used and not generated.")
    factor = models.CharField(max_length=100, help_text="Where the grid's mix is from.")
    battery_wh = models.BigIntegerField(default=0)
    battery_renewable_wh = models.BigIntegerField(default=0)
    battery_location_ug = models.BigIntegerField(default=0)
    battery_market_ug = models.BigIntegerField(default=0)
    counted_at = models.DateTimeField()

    class Meta:
        ordering = ["site", "-starts_at"]
        constraints = [models.UniqueConstraint(fields=["site", "starts_at"], name="site_hour_once")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.site_id} at {self.starts_at:%Y-%m-%d %H:%M} UTC"


class LeaseHour(models.Model):
    """What a lease used in an hour, at the meter: its nodes, their cooling, and its part of what was lost."""

    lease = models.ForeignKey(Lease, on_delete=models.PROTECT, related_name="energy_hours")
    starts_at = models.DateTimeField()
    node_wh = models.BigIntegerField(help_text="By the nodes themselves.")
    energy_wh = models.BigIntegerField(help_text="At the site's meter.")
    renewable_wh = models.BigIntegerField(help_text="Of those.")
    location_ug = models.BigIntegerField(help_text="Micrograms of CO2-equivalent, by the grid's mix.")
    market_ug = models.BigIntegerField(help_text="The same by the site's contracts for green power: instead, not too.")
    quality = models.CharField(max_length=10, choices=Quality)

    class Meta:
        ordering = ["lease", "starts_at"]
        constraints = [models.UniqueConstraint(fields=["lease", "starts_at"], name="lease_hour_once")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.lease_id} at {self.starts_at:%Y-%m-%d %H:%M} UTC: {self.energy_wh} Wh"
