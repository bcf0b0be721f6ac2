"""What is sold: a pool of equal nodes on a plan, at a rate."""

import pgtrigger
from django.db import models

from accounts.ids import PublicIdField
from accounts.models import Organization
from marketplace.models.node import Pool


class PlanKind(models.TextChoices):
    ON_DEMAND = "on_demand", "on demand"
    RESERVED = "reserved", "reserved"
    SURPLUS = "surplus", "surplus"  # as on demand, but it may be paused for power, after a notice


OPEN_ENDED = frozenset({PlanKind.ON_DEMAND, PlanKind.SURPLUS})  # from now on, until it is given back


class Plan(models.Model):
    """A way to lease. Its terms are rows of their own, so that a change is announced and touches no running lease."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=40)
    summary = models.CharField(max_length=300, help_text="One sentence in the customer's words.")
    kind = models.CharField(max_length=12, choices=PlanKind)
    position = models.PositiveSmallIntegerField(default=0)
    private = models.BooleanField(default=False, help_text="Only for the organizations that have access to it.")

    class Meta:
        ordering = ["position", "slug"]

    def __str__(self) -> str:
        return self.name

    @property
    def open_ended(self) -> bool:
        """Whether its leases begin at once and have no agreed end."""
        return self.kind in OPEN_ENDED


class PlanAccess(models.Model):
    """An organization that may lease on a private plan."""

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="access")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="private_plans")

    class Meta:
        verbose_name_plural = "plan access"
        constraints = [models.UniqueConstraint(fields=["plan", "organization"], name="plan_access_once")]

    def __str__(self) -> str:
        return f"{self.organization} on {self.plan}"


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
    """
    Price per node-hour of an offer from a moment on. Never edited, only superseded by a later one.

    One with an organization is that customer's own, and goes before the public one.
    """

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="rates")
    organization = models.ForeignKey(
        Organization, null=True, blank=True, on_delete=models.PROTECT, related_name="rates", help_text="Empty: for all."
    )
    micros_per_node_hour = models.BigIntegerField(help_text="Micro-dollars per node-hour.")
    starts_at = models.DateTimeField()

    class Meta:
        ordering = ["offer", "-starts_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["offer", "organization", "starts_at"], name="rate_once_per_moment", nulls_distinct=False
            ),
            models.CheckConstraint(condition=models.Q(micros_per_node_hour__gte=0), name="rate_is_not_negative"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.micros_per_node_hour} micro-dollars per node-hour from {self.starts_at:%Y-%m-%d %H:%M} UTC"
