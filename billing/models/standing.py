"""How long an organization's money lasts, as last told to it."""

from django.db import models

from accounts.models import Organization


class Level(models.TextChoices):
    """Rungs of the ladder, in falling order. Each rung is told once on the way down."""

    FINE = "fine", "fine"
    LOW_7D = "low_7d", "less than 7 days left"
    LOW_24H = "low_24h", "less than 24 hours left"
    LOW_1H = "low_1h", "less than an hour left"
    EMPTY = "empty", "nothing left"


class Standing(models.Model):
    """The rung that an organization stands on."""

    organization = models.OneToOneField(
        Organization, primary_key=True, on_delete=models.PROTECT, related_name="standing"
    )
    level = models.CharField(max_length=10, choices=Level, default=Level.FINE)
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.organization}: {self.get_level_display()}"
