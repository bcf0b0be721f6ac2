"""Planned work on a node: a claim like any other, so it never overlaps a lease."""

from django.db import models

from accounts.ids import PublicIdField
from leasing.models.claim import Claim
from marketplace.models import Node


class MaintenanceState(models.TextChoices):
    PLANNED = "planned", "planned"
    UNDER_WAY = "under_way", "under way"
    DONE = "done", "done"
    CANCELLED = "cancelled", "cancelled"


class Maintenance(models.Model):
    """Work on one node in one window. Its claim holds the node; when it is done the node is verified before it is
    offered again."""

    class Kind(models.TextChoices):
        HARDWARE = "hardware", "hardware"
        SOFTWARE = "software", "software"
        POWER = "power", "power"
        NETWORK = "network", "network"
        OTHER = "other", "other"

    public_id = PublicIdField(prefix="mt")
    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="maintenance")
    claim = models.OneToOneField(Claim, on_delete=models.PROTECT, related_name="maintenance")
    kind = models.CharField(max_length=12, choices=Kind)
    reason = models.CharField(max_length=200, help_text="What is done and why, in words that a customer may read.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    state = models.CharField(max_length=12, choices=MaintenanceState, default=MaintenanceState.PLANNED)
    created_by = models.CharField(max_length=60)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["starts_at"]
        indexes = [models.Index(fields=["state", "starts_at"], name="maintenance_due")]
        constraints = [
            models.CheckConstraint(condition=models.Q(ends_at__gt=models.F("starts_at")), name="maintenance_has_length")
        ]

    def __str__(self) -> str:
        return f"{self.public_id} of {self.node_id}"
