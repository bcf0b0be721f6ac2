"""How many nodes an organization may have at once where its plan's terms should not decide."""

from django.db import models

from accounts.models import Organization
from marketplace.models import Plan


class NodeLimit(models.Model):
    """Set by staff. A limit for one plan goes before one for every plan; both go before the plan's terms."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="node_limits")
    plan = models.ForeignKey(
        Plan, on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="Empty: each plan."
    )
    nodes = models.PositiveIntegerField(help_text="At once, in all its leases on the plan.")
    reason = models.CharField(max_length=200, help_text="For colleagues; never shown to the customer.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "plan"], nulls_distinct=False, name="node_limit_once")
        ]

    def __str__(self) -> str:
        return f"{self.nodes} nodes for {self.organization}"
