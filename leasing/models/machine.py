"""One node's service in one lease: what was done on it, where it answers, and who works on it now."""

import pgtrigger
from django.db import models

from accounts.ids import PublicIdField
from accounts.models import TransitionRow
from leasing.models.lease import Lease
from leasing.models.work import Worked
from leasing.states import MACHINE_TRANSITIONS, SERVING, WORKED_ON, MachineState
from marketplace.models import Node


class Machine(Worked):
    """Everything on the host is named after `public_id`. `step` is in the customer's words."""

    TRANSITIONS = MACHINE_TRANSITIONS

    public_id = PublicIdField(prefix="mc")
    lease = models.ForeignKey(Lease, on_delete=models.PROTECT, related_name="machines")
    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="machines")
    number = models.PositiveSmallIntegerField(
        default=1, help_text="From 1 on in the lease; a machine that takes the place of another takes its number."
    )
    replaces = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="successor", help_text="In a swap."
    )
    touched_at = models.DateTimeField(
        null=True, blank=True, help_text="When work on the node began: from then on it needs a wipe."
    )
    access_ended_at = models.DateTimeField(null=True, blank=True, help_text="When the tenant lost access.")
    host = models.CharField(max_length=255, blank=True, help_text="Where the tenant's SSH answers.")
    port = models.PositiveIntegerField(null=True, blank=True)
    user = models.CharField(max_length=32, blank=True)
    host_key = models.TextField(blank=True, help_text="The tenant endpoint's own public key, new with each lease.")
    service = models.CharField(
        max_length=12, blank=True, help_text="While it is serviced: refresh, or one of provisioners.base.Service."
    )
    setup_applied = models.PositiveIntegerField(
        default=0, help_text="The lease's `setup_version` (keys, deadline) that the host has."
    )
    setup_taken = models.PositiveIntegerField(default=0, help_text="The one that the worker at work on it has read.")
    boot_id = models.CharField(max_length=40, blank=True, help_text="The host's, when the machine became ready.")
    contained_at = models.DateTimeField(
        null=True, blank=True, help_text="When its node was seen off, since the tenant's access could not be ended."
    )
    contain_attempts = models.PositiveIntegerField(
        default=0, help_text="How often somebody set out to switch the node off; 0 once it was switched on again."
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="machine_work_due",
                condition=models.Q(state__in=sorted(WORKED_ON)),
            ),
            models.Index(fields=["lease"], name="machine_of_lease"),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=MachineState.values), name="machine_state_is_known"),
            models.UniqueConstraint(
                fields=["lease", "number"],
                condition=models.Q(state__in=sorted(SERVING)),
                name="machine_number_once",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def hostname(self) -> str:
        """What the lease's machines and its tenant's files call it; who takes its place is called so too."""
        return f"{self.lease.slug}-{self.number}"


class MachineTransition(TransitionRow):
    """One change of a machine's state."""

    machine = models.ForeignKey(Machine, on_delete=models.PROTECT, related_name="transitions")

    class Meta:
        ordering = ["machine", "seq"]
        constraints = [models.UniqueConstraint(fields=["machine", "seq"], name="machine_transition_once")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]
