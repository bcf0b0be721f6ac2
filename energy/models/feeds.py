"""Figures that come from outside, over time: prices, hash price, carbon, sun, wind, what meters show."""

from datetime import datetime, timedelta
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from accounts.ids import PublicIdField
from marketplace.models import GridZone, Site


class FeedKind(models.TextChoices):
    """What a feed tells, each in one unit. Values are whole numbers."""

    PRICE = "price", "energy price, micro-dollars per MWh"
    HASH_PRICE = "hash_price", "hash price, micro-dollars per PH/s and day"
    CARBON = "carbon", "carbon of the grid, milligrams of CO2e per kWh"
    RENEWABLE = "renewable", "renewable share of the grid, thousandths"
    GRID = "grid", "drawn from the grid, watts"
    GRID_AVAILABLE = "grid_available", "could be drawn from the grid, watts"
    SOLAR = "solar", "solar power, watts"
    WIND = "wind", "wind power, watts"
    CHARGING = "charging", "into the battery, watts"
    DISCHARGING = "discharging", "out of the battery, watts"
    CHARGE = "charge", "charge of the battery, thousandths of what it can hold"
    EXPORTED = "exported", "sold to the grid, watts"
    MINING = "mining", "drawn by miners, watts"
    SOCKET = "socket", "drawn by one miner at its plug, watts"


BY_METERS = "meters"  # the source of a reading of miners of which each has a meter
BY_SILENCE = "silence"  # and of one of miners that nobody has read lately, which count in full: no news


class Feed(models.Model):
    """One figure, of a site, of a grid zone or of the whole world, and where it is had from."""

    class Source(models.TextChoices):
        MANUAL = "manual", "typed in or loaded from a file by staff"
        HTTP = "http", "asked for over HTTP"
        MINERS = "miners", "read from the site's miners"
        BATTERY = "battery", "read from the site's battery"

    class Form(models.TextChoices):
        JSON = "json", "JSON"
        CSV = "csv", "CSV with a line of column names"

    public_id = PublicIdField(prefix="fd")
    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=16, choices=FeedKind)
    site = models.ForeignKey(
        Site, null=True, blank=True, on_delete=models.PROTECT, related_name="feeds", help_text="Empty: of no one site."
    )
    grid_zone = models.ForeignKey(
        GridZone, null=True, blank=True, on_delete=models.PROTECT, related_name="feeds", help_text="For carbon, mostly."
    )
    forecast = models.BooleanField(default=False, help_text="What is expected, not what was: shown apart.")
    step_seconds = models.PositiveIntegerField(
        default=3600, validators=[MinValueValidator(1)], help_text="How long a value holds where its end is not told."
    )
    age_limit_seconds = models.PositiveIntegerField(
        default=7200, help_text="The last value is stale when its time has been over for longer."
    )
    source = models.CharField(max_length=8, choices=Source, default=Source.MANUAL)
    url = models.URLField(max_length=500, blank=True, help_text="For HTTP: https, or http within the house.")
    form = models.CharField(max_length=4, choices=Form, default=Form.JSON, help_text="What the address answers with.")
    mapping: Any = models.JSONField(
        default=dict,
        blank=True,
        help_text='Where things are in the answer, such as {"rows": "data.prices", "at": "time", "value": "lmp", '
        '"scale": "1000000"}: `until` is optional, `scale` makes a value whole units.',
    )
    private_addresses = models.BooleanField(
        default=False, help_text="Whether its address may lead into the operator's own network, such as to a meter."
    )
    every_seconds = models.PositiveIntegerField(
        default=300,
        validators=[MinValueValidator(10), MaxValueValidator(86_400)],
        help_text="How often it is asked for.",
    )
    next_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When it is asked for next.")
    tried_at = models.DateTimeField(null=True, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="In a row.")
    error = models.CharField(max_length=300, blank=True, editable=False, help_text="Why the last try failed.")

    class Meta:
        ordering = ["slug"]
        indexes = [models.Index(fields=["next_at"], name="feed_due", condition=models.Q(source="http"))]
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=FeedKind.values), name="feed_kind_is_known"),
            models.CheckConstraint(
                condition=~models.Q(source="http") | ~models.Q(url=""), name="feed_over_http_has_an_address"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def what(self) -> str:
        """What it tells, without the unit that its values are kept in."""
        return str(self.get_kind_display()).rpartition(",")[0].capitalize()

    @property
    def step(self) -> timedelta:
        """How long a value holds where its end is not told."""
        return timedelta(seconds=self.step_seconds)

    @property
    def is_read(self) -> bool:
        """Whether it is read from the site's own machines, and nobody tells it anything."""
        return self.source in {self.Source.MINERS, self.Source.BATTERY}

    def is_stale(self, reading: "Reading", now: datetime) -> bool:
        """Whether the time of its last value has been over for longer than its age limit, or it is no news."""
        return reading.source == BY_SILENCE or now - reading.ends_at > timedelta(seconds=self.age_limit_seconds)


class Reading(models.Model):
    """A feed's value in a half-open time. Told again it is written over: feeds correct themselves."""

    feed = models.ForeignKey(Feed, on_delete=models.PROTECT, related_name="readings")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    value = models.BigIntegerField(help_text="In the unit of the feed's kind.")
    source = models.CharField(max_length=60, help_text="Who told it, such as http, or user:us_….")
    fetched_at = models.DateTimeField()

    class Meta:
        ordering = ["feed", "-starts_at"]
        constraints = [
            models.UniqueConstraint(fields=["feed", "starts_at"], name="reading_once"),
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")), name="reading_takes_some_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.feed_id}: {self.value} from {self.starts_at:%Y-%m-%d %H:%M} UTC"
