"""A host's way to becoming a node, and every look at what a node is made of."""

import pgtrigger
from django.db import models

from accounts.ids import PublicIdField
from accounts.models import TransitionRow
from leasing.models.work import Worked
from leasing.states import ENROLMENT_FAILED_TWIN, ENROLMENT_TRANSITIONS, EnrolmentState
from marketplace.models import Node, NodeType, Plan, Provisioner, Site


class Enrolment(Worked):
    """
    One verification of one host by its site's worker: of a new one that staff named, or of a node that is known.

    Until it has passed there is no new node: what fails leaves this row, with a sentence, and nothing else. Passwords
    and keys for the first login are sealed, and forgotten as soon as the operator's key is admitted, or it has ended.
    """

    TRANSITIONS = ENROLMENT_TRANSITIONS

    public_id = PublicIdField(prefix="en")
    created_at = models.DateTimeField()
    actor = models.CharField(max_length=60)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="+")
    node = models.ForeignKey(
        Node, null=True, blank=True, on_delete=models.PROTECT, related_name="enrolments", help_text="Once there is one."
    )
    name = models.CharField(max_length=60, help_text="The node's name.")
    provisioner = models.CharField(max_length=10, choices=Provisioner)
    address = models.CharField(max_length=255)
    port = models.PositiveIntegerField(default=22)
    user = models.CharField(max_length=32, default="root")
    fingerprint = models.CharField(
        max_length=80, blank=True, help_text='The host key that must answer, "SHA256:…"; empty: the one that does.'
    )
    host_key = models.TextField(blank=True, help_text="The host's OpenSSH public key, pinned at the first login.")
    credentials = models.TextField(blank=True, editable=False, help_text="Sealed; empty once they are not needed.")
    bmc_address = models.CharField(max_length=255, blank=True)
    bmc_user = models.CharField(max_length=64, blank=True)
    bmc_password = models.TextField(blank=True, editable=False, help_text="Sealed.")
    wanted_type = models.ForeignKey(
        NodeType,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Empty: whatever matches.",
    )
    node_type = models.ForeignKey(NodeType, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    plan = models.ForeignKey(Plan, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    micros_per_node_hour = models.BigIntegerField(null=True, blank=True, help_text="Empty: the offer's price stays.")
    differences = models.JSONField(default=list, help_text='[{"part", "promised", "found"}] against the node type.')

    class Meta:
        indexes = [models.Index(fields=["state", "next_attempt_at"], name="enrolment_work_due")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=EnrolmentState.values), name="enrolment_state_is_known"
            ),
            models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(state__in=sorted(ENROLMENT_FAILED_TWIN)),
                name="enrolment_one_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} of {self.name}"


class EnrolmentTransition(TransitionRow):
    """One change of an enrolment's state."""

    enrolment = models.ForeignKey(Enrolment, on_delete=models.PROTECT, related_name="transitions")

    class Meta:
        ordering = ["enrolment", "seq"]
        constraints = [models.UniqueConstraint(fields=["enrolment", "seq"], name="enrolment_transition_once")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]


class Inspection(models.Model):
    """What a host was made of, and what it reached, at one moment. Append-only; a node's newest that passed is what its
    wipes are compared with."""

    enrolment = models.OneToOneField(Enrolment, on_delete=models.PROTECT, related_name="inspection")
    node = models.ForeignKey(Node, null=True, blank=True, on_delete=models.PROTECT, related_name="inspections")
    at = models.DateTimeField()
    inventory = models.JSONField(help_text="leasing.inspection.inventory.Inventory as JSON.")
    measures = models.JSONField(default=dict, help_text="Measure -> figure, in its unit.")
    passed = models.BooleanField()

    class Meta:
        indexes = [models.Index(fields=["node", "-at"], name="inspection_of_node")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"inspection of {self.node_id or self.enrolment_id} at {self.at:%Y-%m-%d %H:%M:%S} UTC"
