"""Where machines stand, and what their electricity is made of."""

from django.db import models


class Region(models.TextChoices):
    NORTH_AMERICA = "north_america", "North America"
    MIDDLE_EAST = "middle_east", "Middle East"
    SOUTH_AMERICA = "south_america", "South America"
    EAST_AFRICA = "east_africa", "East Africa"


class GridZone(models.Model):
    """A part of a power grid with one yearly average mix (location-based)."""

    code = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=80)
    gco2_per_kwh = models.PositiveIntegerField(help_text="Grams of CO2-equivalent per kilowatt-hour, yearly average.")
    renewable_percent = models.PositiveSmallIntegerField(
        help_text="Share of wind, sun, water, biomass and geothermal, 0-100 %."
    )
    source = models.CharField(max_length=200, help_text="Publisher and year of the two figures.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(renewable_percent__lte=100), name="grid_zone_renewable_is_a_percentage"
            )
        ]

    def __str__(self) -> str:
        return self.code


class Site(models.Model):
    """A place with power and nodes. Named after where it is, never after a company."""

    class Kind(models.TextChoices):
        HUB = "hub", "hub"
        EDGE = "edge", "edge site"

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    place = models.CharField(max_length=80, help_text="Town and state or province.")
    country = models.CharField(max_length=2, help_text="ISO 3166-1 alpha-2.")
    region = models.CharField(max_length=20, choices=Region)
    kind = models.CharField(max_length=8, choices=Kind)
    latitude = models.FloatField(help_text="Degrees north.")
    longitude = models.FloatField(help_text="Degrees east.")
    time_zone = models.CharField(max_length=40, help_text="IANA name.")
    grid_zone = models.ForeignKey(GridZone, on_delete=models.PROTECT, related_name="sites")
    blind_since = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its nodes were last looked at, while nobody looks."
    )
    power_kw = models.PositiveIntegerField(help_text="Power that the site can draw, kilowatts.")

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name

    @property
    def queue(self) -> str:
        """The Celery queue that workers inside this site serve."""
        return f"site.{self.slug}"
