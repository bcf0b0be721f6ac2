"""What holds up our work with the card processor until a person does something about it."""

from django.db import models
from django.db.models import Q


class IncidentKind(models.TextChoices):
    """What is wrong."""

    KEY_REFUSED = "key_refused", "the card processor refuses our key"
    PERMISSION_REFUSED = "permission_refused", "the card processor refuses something that our key may not do"
    CALLS_LATE = "calls_late", "calls to the card processor wait for more than an hour"


class GatewayIncident(models.Model):
    """One time of trouble, from when it was first seen until it was over. One of a kind at a time is open."""

    kind = models.CharField(max_length=20, choices=IncidentKind)
    began_at = models.DateTimeField()
    last_at = models.DateTimeField(help_text="When it was last seen.")
    message = models.CharField(max_length=300, help_text="What was last seen.")
    over_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-began_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["kind"], condition=Q(over_at=None), name="gateway_incident_open_once")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, since {self.began_at:%Y-%m-%d %H:%M} UTC"
