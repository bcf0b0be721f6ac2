"""A node held for a period. The exclusion constraint below is promise number one."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models

from leasing.models.lease import Lease
from marketplace.models import Node


class Claim(models.Model):
    """
    A node, taken for a half-open period, cleaning included.

    The cleaning time is part of the period when the claim is made, so a later change of the plan cannot open a gap.
    """

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="claims")
    lease = models.ForeignKey(Lease, null=True, blank=True, on_delete=models.PROTECT, related_name="claims")
    period = DateTimeRangeField()
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["lease"], name="claim_of_lease")]
        constraints = [
            ExclusionConstraint(
                name="claim_no_overlap",
                expressions=[("node", RangeOperators.EQUAL), ("period", RangeOperators.OVERLAPS)],
                condition=models.Q(released_at=None),
            ),
            models.CheckConstraint(
                condition=models.Q(period__isempty=False, period__lower_inf=False, period__upper_inf=False),
                name="claim_period_is_bounded",
            ),
        ]

    def __str__(self) -> str:
        return f"claim of {self.node_id} for {self.period}"
