"""How much power a site has for machines, over time: a fact that energy writes down."""

from typing import Any

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models

from marketplace.models.place import Site


class PowerWindow(models.Model):
    """
    The power that a site has for nodes in a half-open time, in watts of the nodes' own draw: cooling and the house are
    taken off. Leases on all plans but surplus ones may together have `firm_watts` and no more. Without a window a site
    is not limited.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="power_windows")
    period = DateTimeRangeField()
    firm_watts = models.PositiveBigIntegerField(help_text="There even without the largest supply.")
    likely_watts = models.PositiveBigIntegerField(help_text="Beyond that: there while no supply fails.")
    surplus_watts = models.PositiveBigIntegerField(help_text="Beyond both: there with the usual sun and wind.")
    derivation: Any = models.JSONField(help_text="How firm_watts come about: a list of {what, watts}.")
    counted_at = models.DateTimeField()

    class Meta:
        ordering = ["site", "period"]
        constraints = [
            ExclusionConstraint(
                name="power_window_no_overlap",
                expressions=[("site", RangeOperators.EQUAL), ("period", RangeOperators.OVERLAPS)],
            )
        ]

    def __str__(self) -> str:
        return f"{self.firm_watts} W at {self.site_id} for {self.period}"
