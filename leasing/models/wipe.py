"""Proof that nothing of a tenant is left on a node."""

import pgtrigger
from django.db import models

from accounts.ids import PublicIdField
from leasing.models.machine import Machine
from marketplace.models import Node


class WipeRecord(models.Model):
    """
    One wipe of one machine: how, when, and what each check said. Append-only.

    A trigger on the node's table lets a node become `available` only with a verified record that began after its last
    tenant lost access (migration 0002).
    """

    public_id = PublicIdField(prefix="wp")
    machine = models.ForeignKey(Machine, on_delete=models.PROTECT, related_name="wipe_records")
    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="wipe_records")
    started_at = models.DateTimeField()
    completed_at = models.DateTimeField()
    method = models.CharField(max_length=300, help_text="How the tenant's data was made unreadable.")
    checks = models.JSONField(help_text='[{"name", "passed", "detail"}] in the order they were made.')
    devices = models.JSONField(
        default=list, help_text='[{"kind": "disk" or "gpu", "name", "serial", "size"}]: what the node is made of now.'
    )
    verified = models.BooleanField(help_text="True only if every check passed.")

    class Meta:
        indexes = [models.Index(fields=["machine"], name="wipe_record_of_machine")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.public_id
