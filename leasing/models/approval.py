"""The operator's word on an order whose plan asks for one."""

import pgtrigger
from django.db import models

from leasing.models.lease import Lease


class Approval(models.Model):
    """
    One decision on one held lease, until whose deadline it is open. Decided once; a lease that ran out or was cancelled
    before has none.
    """

    lease = models.OneToOneField(Lease, on_delete=models.PROTECT, related_name="approval")
    asked_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    approved = models.BooleanField(null=True, blank=True)
    decided_by = models.CharField(max_length=60, blank=True)
    note = models.CharField(max_length=200, blank=True, help_text="The customer reads it.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(decided_at=None, approved=None, decided_by="")
                | models.Q(decided_at__isnull=False, approved__isnull=False) & ~models.Q(decided_by=""),
                name="approval_is_decided_or_not",
            )
        ]
        triggers = [
            pgtrigger.Protect(
                name="decided_once",
                operation=pgtrigger.Update | pgtrigger.Delete,
                condition=pgtrigger.Q(old__decided_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"approval of {self.lease}"
