"""How a node was when it was last looked at, and the stretches in which a machine did not serve its tenant."""

from django.db import models

from accounts.ids import PublicIdField
from leasing.models.machine import Machine
from marketplace.models import Node


class OutageCause(models.TextChoices):
    UNREACHABLE = "unreachable", "host and tenant's SSH do not answer"
    REBOOTED = "rebooted", "host restarted and the machine is not running yet"
    GPU_LOST = "gpu_lost", "a GPU does not answer"
    SWAPPING = "swapping", "it is being replaced by another node"
    MOVING = "moving", "it is being moved to another node, as you asked"


class NodeHealth(models.Model):
    """The newest word about a node. `last_good_at` is the last look that found nothing wrong; `bad_looks` counts those
    since then, `good_looks` those in a row."""

    node = models.OneToOneField(Node, primary_key=True, on_delete=models.CASCADE, related_name="health")
    seen_at = models.DateTimeField(help_text="When the site's worker last looked.")
    boot_id = models.CharField(max_length=40, blank=True)
    cause = models.CharField(max_length=12, blank=True, choices=OutageCause, help_text="Empty: nothing is wrong.")
    detail = models.CharField(max_length=200, blank=True)
    last_good_at = models.DateTimeField(null=True, blank=True)
    history = models.PositiveSmallIntegerField(default=0, help_text="The last five looks as bits: 1 is bad.")
    bad_looks = models.PositiveIntegerField(default=0)
    good_looks = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"health of node {self.node_id}: {self.cause or 'well'}"


class Outage(models.Model):
    """
    A stretch in which a machine did not serve its tenant: from the last good look to the first good one, or while it is
    moved to another node. None of it is charged. It is *called* (the customer is told, and may swap) only after several
    bad looks; it is free either way.
    """

    public_id = PublicIdField(prefix="ou")
    machine = models.ForeignKey(Machine, on_delete=models.PROTECT, related_name="outages")
    began_at = models.DateTimeField(help_text="The last good look.")
    ended_at = models.DateTimeField(null=True, blank=True, help_text="The first good look, or the machine's end.")
    cause = models.CharField(max_length=12, choices=OutageCause)
    called_at = models.DateTimeField(null=True, blank=True)
    evidence = models.JSONField(default=list, help_text='[{"at", "probe", "saw"}]: what each look saw, the first ones.')
    recorded_at = models.DateTimeField(help_text="When this row was last written.")

    class Meta:
        ordering = ["began_at"]
        indexes = [
            models.Index(fields=["machine", "began_at"], name="outage_of_machine"),
            models.Index(fields=["recorded_at"], name="outage_recorded"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["machine"], condition=models.Q(ended_at=None), name="outage_one_open"),
            models.CheckConstraint(
                condition=models.Q(ended_at=None) | models.Q(ended_at__gte=models.F("began_at")),
                name="outage_runs_forward",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} of {self.machine_id}: {self.cause}"
