"""An order that waits until its nodes are free: booked then, or its customer told."""

import pgtrigger
from django.conf import settings
from django.db import models

from accounts.ids import PublicIdField
from accounts.models import Organization, SSHKey
from billing.models.quote import Quote
from leasing.models import OnFailure
from marketplace.models import Image


class Mode(models.TextChoices):
    BOOK = "book", "book them for me"
    TELL = "tell", "tell me, and hold them for some minutes"


class StandingOrderState(models.TextChoices):
    WAITING = "waiting", "waiting"  # until its nodes are free, or `expires_at`
    FILLED = "filled", "filled"  # there is a lease, or a quote that holds the nodes
    EXPIRED = "expired", "expired"  # they were not free in time
    CANCELLED = "cancelled", "cancelled"


class StandingOrder(models.Model):
    """
    Nodes that somebody wants once they are free: all of them or none, at one site, the cheapest first.

    It ends once, by an update that is guarded by its state, in the transaction that makes the lease or the quote.
    """

    public_id = PublicIdField(prefix="so")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="standing_orders")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(help_text="Older ones are served first.")
    mode = models.CharField(max_length=4, choices=Mode)

    criteria = models.JSONField(
        default=dict, help_text="Of the offers that will do: names and values as the search takes them."
    )
    nodes = models.PositiveSmallIntegerField()
    same_fabric = models.BooleanField(default=False, help_text="All of one fabric group.")
    length_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty: on demand, until they are given back."
    )
    earliest_at = models.DateTimeField(help_text="The lease starts then or later.")
    latest_at = models.DateTimeField(null=True, blank=True, help_text="A lease with a length ends then or earlier.")
    max_micros_per_node_hour = models.BigIntegerField(
        null=True, blank=True, help_text="Micro-dollars per node-hour, at most."
    )

    accepts_surplus = models.BooleanField(
        default=False, help_text="Whether a surplus plan will do, which may pause the lease after its notice."
    )

    name = models.CharField(max_length=80, help_text="The lease's.")
    project = models.CharField(max_length=40, blank=True, help_text="The lease's tag.")
    ssh_keys = models.ManyToManyField(SSHKey, blank=True, related_name="+")
    image = models.ForeignKey(Image, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    startup_script = models.TextField(blank=True)
    environment = models.TextField(blank=True, editable=False, help_text="As JSON, sealed; gone once it has ended.")
    environment_names = models.JSONField(default=list)
    on_failure = models.CharField(max_length=8, choices=OnFailure, default=OnFailure.ASK)

    state = models.CharField(max_length=10, choices=StandingOrderState, default=StandingOrderState.WAITING)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    held_up = models.CharField(
        max_length=300, blank=True, help_text="Why it could not be filled although nodes were free; told once."
    )
    lease = models.OneToOneField(
        "leasing.Lease", null=True, blank=True, on_delete=models.PROTECT, related_name="standing_order"
    )
    quote = models.OneToOneField(Quote, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        indexes = [
            models.Index(fields=["organization", "-id"], name="standing_order_of"),
            models.Index(fields=["id"], name="standing_order_waiting", condition=models.Q(state="waiting")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=StandingOrderState.values), name="standing_order_state_is_known"
            ),
            models.CheckConstraint(condition=models.Q(mode__in=Mode.values), name="standing_order_mode_is_known"),
            models.CheckConstraint(condition=models.Q(nodes__gte=1), name="standing_order_has_nodes"),
            models.CheckConstraint(
                condition=models.Q(length_seconds=None, latest_at=None)
                | models.Q(length_seconds__gte=1, latest_at__gt=models.F("earliest_at")),
                name="standing_order_has_length_and_end_or_neither",
            ),
            models.CheckConstraint(
                condition=models.Q(accepts_surplus=False) | models.Q(length_seconds=None),
                name="standing_order_takes_surplus_without_a_length",
            ),
            models.CheckConstraint(
                condition=models.Q(state="filled", lease__isnull=False)
                | models.Q(state="filled", quote__isnull=False)
                | ~models.Q(state="filled") & models.Q(lease=None, quote=None),
                name="standing_order_is_filled_by_something",
            ),
            models.CheckConstraint(
                condition=models.Q(state="waiting", ended_at=None)
                | ~models.Q(state="waiting") & models.Q(ended_at__isnull=False, environment=""),
                name="standing_order_ends_without_secrets",
            ),
        ]
        triggers = [
            pgtrigger.FSM(
                name="ends_once",
                field="state",
                transitions=[("waiting", "filled"), ("waiting", "expired"), ("waiting", "cancelled")],
            )
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def waiting(self) -> bool:
        """Whether it may still be filled."""
        return self.state == StandingOrderState.WAITING
