"""What was agreed anew about a lease: billing reads what it frees and what it adds from these rows."""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.ids import PublicIdField
from leasing.models.lease import Lease


class ChangeKind(models.TextChoices):
    EXTENDED = "extended", "extended"  # the end lies later
    SHORTENED = "shortened", "shortened"  # the end lies earlier; the lease goes on until then
    RETURNED = "returned", "handed back"  # before its end
    CANCELLED = "cancelled", "cancelled"  # before its start
    MOVED = "moved", "moved"  # to another window, before its start


class LeaseChange(models.Model):
    """
    One change of a lease's window, in its order. Never edited.

    Time that is freed lies between `new_ends_at` and `old_ends_at` on `nodes`, the nodes that the lease had then.
    """

    public_id = PublicIdField(prefix="lc")
    lease = models.ForeignKey(Lease, on_delete=models.PROTECT, related_name="changes")
    kind = models.CharField(max_length=12, choices=ChangeKind)
    at = models.DateTimeField()
    actor = models.CharField(max_length=80)
    old_starts_at = models.DateTimeField()
    old_ends_at = models.DateTimeField()
    new_starts_at = models.DateTimeField()
    new_ends_at = models.DateTimeField(help_text="The start where nothing is left of the window.")
    nodes = ArrayField(models.BigIntegerField(), help_text="Keys of the nodes.")

    class Meta:
        ordering = ["lease", "id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=ChangeKind.values), name="lease_change_kind_is_known"),
            models.CheckConstraint(
                condition=models.Q(old_ends_at__gt=models.F("old_starts_at"))
                & models.Q(new_ends_at__gte=models.F("new_starts_at")),
                name="lease_change_runs_forward",
            ),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.lease} {self.kind}"
