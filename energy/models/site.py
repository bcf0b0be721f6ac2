"""
What a site's electricity is: what it may draw and at which price, what it makes and stores, what it needs itself.

Power is in watts at the meter, energy in watt-hours, prices in micro-dollars for each megawatt-hour.
"""

from typing import Any

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from energy.models.feeds import Feed
from energy.models.versions import SiteVersion

HOURS = 24


class PowerContract(SiteVersion):
    """
    What a site may draw, over how many ways, and how sure that is; and what it uses beside machines.

    What is left with its largest supply out is what it can promise (N-1). Power usage effectiveness is what is drawn at
    the meter for each watt of machines, in thousandths: 1250 is 1.25.
    """

    interconnect_watts = models.PositiveBigIntegerField(help_text="The most that it may draw from the grid, watts.")
    largest_supply_watts = models.PositiveBigIntegerField(
        help_text="What is lost with its largest transformer or line, watts: not sold as firm."
    )
    grid_percent = models.PositiveSmallIntegerField(
        default=100,
        validators=[MaxValueValidator(100)],
        help_text="Share of the interconnect that is there at the confidence below; 40 where load is shed to 40 %. "
        "Measured availability goes before it.",
    )
    confidence_permille = models.PositiveSmallIntegerField(
        default=999, help_text="How sure firm power is, in thousandths of the hours: 999 is 99.9 %."
    )
    house_watts = models.PositiveBigIntegerField(help_text="Offices, lights, network: drawn always, watts.")
    gpu_pue_permille = models.PositiveIntegerField(
        default=1250, validators=[MinValueValidator(1000)], help_text="Of GPU halls; 1250 is 1.25."
    )
    mining_pue_permille = models.PositiveIntegerField(
        default=1040, validators=[MinValueValidator(1000)], help_text="Of mining halls; 1040 is 1.04."
    )
    controllable = models.BooleanField(default=True, help_text="Whether the operator may switch the miners there.")
    market_mg_per_kwh = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Milligrams of CO2-equivalent for each kWh by contracts for green power (market-based); empty: none.",
    )

    class Meta(SiteVersion.Meta):
        constraints = [
            models.UniqueConstraint(fields=["site", "starts_at"], name="power_contract_once_per_moment"),
            models.CheckConstraint(
                condition=models.Q(largest_supply_watts__lte=models.F("interconnect_watts"))
                & models.Q(grid_percent__lte=100, confidence_permille__gt=0, confidence_permille__lt=1000),
                name="power_contract_adds_up",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.site.slug} from {self.starts_at:%Y-%m-%d}"


class Block(models.Model):
    """Energy that a contract makes the site pay for whether it is used or not (take or pay)."""

    contract = models.ForeignKey(PowerContract, on_delete=models.PROTECT, related_name="blocks")
    watts = models.PositiveBigIntegerField(help_text="All the time, watts.")
    micros_per_mwh = models.BigIntegerField(help_text="Micro-dollars for each MWh.")
    resale = models.BooleanField(
        default=False, help_text="What is not used is sold or credited at the tariff's price, less its fee."
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(watts__gt=0), name="block_has_power")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.watts / 1e6:g} MW"


class Tariff(SiteVersion):
    """At which price the site draws what its blocks do not cover, and sells what it does not use."""

    class Kind(models.TextChoices):
        FIXED = "fixed", "fixed price"
        DAY_AHEAD = "day_ahead", "day-ahead price"
        REAL_TIME = "real_time", "real-time price"

    pricing = models.CharField(max_length=10, choices=Kind)
    micros_per_mwh = models.BigIntegerField(
        help_text="Micro-dollars for each MWh: the price if it is fixed, else what comes on top of the feed's."
    )
    feed = models.ForeignKey(
        Feed, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="Empty for a fixed price."
    )
    sale_fee_micros_per_mwh = models.BigIntegerField(
        null=True, blank=True, help_text="Taken off the feed's price for what is sold; empty: nothing can be sold."
    )
    demand_micros_per_kw = models.BigIntegerField(
        default=0, help_text="Charged for the highest draw of a billing period, micro-dollars for each kW."
    )
    demand_minutes = models.PositiveSmallIntegerField(default=15, help_text="Over how long that draw is averaged.")
    billing_day = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(28)],
        help_text="Day of the month, at the site, on which its billing period begins.",
    )

    class Meta(SiteVersion.Meta):
        constraints = [
            models.UniqueConstraint(fields=["site", "starts_at"], name="tariff_once_per_moment"),
            models.CheckConstraint(
                condition=models.Q(pricing="fixed", feed=None)
                | ~models.Q(pricing="fixed") & models.Q(feed__isnull=False),
                name="tariff_that_moves_has_a_feed",
            ),
            models.CheckConstraint(
                condition=models.Q(billing_day__gte=1, billing_day__lte=28, demand_minutes__in=[15, 30, 60]),
                name="tariff_periods_exist",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.site.slug}, {self.get_pricing_display()}"


def flat(permille: int = 0) -> list[int]:
    """A profile that is the same in every hour."""
    return [permille] * HOURS


class Generation(SiteVersion):
    """Solar or wind power of the site's own. A row with 0 watts says that there is none any more."""

    class Kind(models.TextChoices):
        SOLAR = "solar", "solar"
        WIND = "wind", "wind"

    kind = models.CharField(max_length=8, choices=Kind)
    rated_watts = models.PositiveBigIntegerField()
    usual_permille: Any = ArrayField(
        models.PositiveSmallIntegerField(validators=[MaxValueValidator(1000)]),
        size=HOURS,
        help_text="What it makes in each hour of the site's day on average, thousandths of what it is rated at.",
    )
    least_permille: Any = ArrayField(
        models.PositiveSmallIntegerField(validators=[MaxValueValidator(1000)]),
        size=HOURS,
        default=flat,
        help_text="What it makes at least in the best 99 % of the days: all that is firm of it.",
    )

    class Meta(SiteVersion.Meta):
        constraints = [
            models.UniqueConstraint(fields=["site", "kind", "starts_at"], name="generation_once_per_moment"),
            models.CheckConstraint(
                condition=models.Q(usual_permille__len=HOURS, least_permille__len=HOURS), name="generation_has_24_hours"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.site.slug}, {self.kind}, {self.rated_watts / 1e6:g} MW"


class Battery(SiteVersion):
    """A battery at the site. A row with 0 watts says that there is none any more."""

    watts = models.PositiveBigIntegerField(help_text="In and out.")
    watt_hours = models.PositiveBigIntegerField(help_text="What can be used of what it holds.")
    efficiency_permille = models.PositiveSmallIntegerField(
        default=940, help_text="One way, thousandths: 940 each way is 88 % for there and back."
    )
    wear_micros_per_mwh = models.BigIntegerField(
        default=8_000_000, help_text="What each MWh that comes out costs it, micro-dollars."
    )
    hold_minutes = models.PositiveSmallIntegerField(
        default=60,
        help_text="For so long it must carry what is sold on it as firm: until supply is back or load moved.",
    )
    reserve_percent = models.PositiveSmallIntegerField(
        default=10,
        validators=[MaxValueValidator(100)],
        help_text="Of what it can hold: this much is never told to come out, by plans, grid events or people.",
    )

    class Meta(SiteVersion.Meta):
        verbose_name_plural = "batteries"
        constraints = [
            models.UniqueConstraint(fields=["site", "starts_at"], name="battery_once_per_moment"),
            models.CheckConstraint(
                condition=models.Q(efficiency_permille__gte=1, efficiency_permille__lte=1000, hold_minutes__gte=1),
                name="battery_is_possible",
            ),
            models.CheckConstraint(condition=models.Q(reserve_percent__lte=100), name="battery_reserve_is_a_share"),
        ]

    def __str__(self) -> str:
        return f"{self.site.slug}, {self.watts / 1e6:g} MW, {self.watt_hours / 1e6:g} MWh"
