"""What is sold: a pool of equal nodes on a plan, at a rate."""

import pgtrigger
from django.db import models

from accounts.ids import PublicIdField
from marketplace.models.node import Pool


class PlanKind(models.TextChoices):
    ON_DEMAND = "on_demand", "on demand"
    RESERVED = "reserved", "reserved"


class Plan(models.Model):
    """Terms of a lease, as data. Lengths in seconds."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=40)
    summary = models.CharField(max_length=300, help_text="One sentence in the customer's words.")
    kind = models.CharField(max_length=12, choices=PlanKind)
    cleaning_seconds = models.PositiveIntegerField(
        help_text="Kept free behind each lease for wiping; frozen in its claims."
    )
    guarantee_seconds = models.PositiveIntegerField(help_text="How far ahead an open-ended lease is guaranteed.")
    renew_within_seconds = models.PositiveIntegerField(help_text="Renew the guarantee once less than this is left.")
    min_seconds = models.PositiveIntegerField()
    max_seconds = models.PositiveIntegerField()
    granularity_seconds = models.PositiveIntegerField(help_text="Starts and ends fall on multiples of this.")
    max_ahead_seconds = models.PositiveIntegerField(help_text="How far ahead a lease may start.")
    start_deadline_seconds = models.PositiveIntegerField(help_text="A machine not ready by then has failed.")
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "slug"]

    def __str__(self) -> str:
        return self.name


class Offer(models.Model):
    """Nodes of one pool on one plan."""

    public_id = PublicIdField(prefix="of")
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="offers")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="offers")
    listed = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "plan"], name="offer_is_pool_and_plan")]

    def __str__(self) -> str:
        return f"{self.pool} {self.plan.slug}"


class Rate(models.Model):
    """Price per node-hour of an offer from a moment on. Never edited, only superseded by a later one."""

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="rates")
    micros_per_node_hour = models.BigIntegerField(help_text="Micro-dollars per node-hour.")
    starts_at = models.DateTimeField()

    class Meta:
        ordering = ["offer", "-starts_at"]
        constraints = [
            models.UniqueConstraint(fields=["offer", "starts_at"], name="rate_once_per_moment"),
            models.CheckConstraint(condition=models.Q(micros_per_node_hour__gte=0), name="rate_is_not_negative"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.micros_per_node_hour} micro-dollars per node-hour from {self.starts_at:%Y-%m-%d %H:%M} UTC"
