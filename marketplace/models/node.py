"""Machines, and the pools of equal machines that are sold alike."""

import pgtrigger
from django.db import models

from accounts.ids import PublicIdField
from accounts.models import Stateful, TransitionRow
from marketplace.models.catalogue import NodeType
from marketplace.models.place import Site
from marketplace.states import AFTER_LEASE, TRANSITIONS, NodeState


class Provisioner(models.TextChoices):
    SANDBOX = "sandbox", "sandbox (simulated)"
    PODMAN = "podman", "podman over SSH"
    FAKE = "fake", "fake (tests)"


# What there is outside of tests.
OFFERED_PROVISIONERS = [kind for kind in Provisioner.values if kind != Provisioner.FAKE]


class Pool(models.Model):
    """Equal nodes at one site: any of them serves the same order."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="pools")
    node_type = models.ForeignKey(NodeType, on_delete=models.PROTECT, related_name="pools")
    provisioner = models.CharField(max_length=10, choices=Provisioner)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["site", "node_type", "provisioner"], name="pool_is_site_and_type_and_provisioner"
            )
        ]

    def __str__(self) -> str:
        return f"{self.site.slug}/{self.node_type.slug}"

    @property
    def simulated(self) -> bool:
        """True where no real machine stands behind the nodes. Every page and answer says so."""
        return self.provisioner == Provisioner.SANDBOX


class Node(Stateful):
    """One whole machine, one tenant at a time."""

    TRANSITIONS = TRANSITIONS

    public_id = PublicIdField(prefix="nd")
    name = models.CharField(max_length=80, unique=True)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="nodes")
    address = models.CharField(
        max_length=255, blank=True, help_text="Where the site's worker reaches it; empty for sandbox nodes."
    )
    port = models.PositiveIntegerField(default=22)
    user = models.CharField(max_length=32, default="root")
    host_key = models.TextField(blank=True, help_text="The host's pinned OpenSSH public key.")
    bmc_address = models.CharField(
        max_length=255, blank=True, help_text="Redfish service of the node, such as https://10.4.1.17; empty for none."
    )
    bmc_user = models.CharField(max_length=64, blank=True)
    bmc_password = models.TextField(blank=True, editable=False, help_text="Sealed (accounts.seal).")
    fabric_group = models.SlugField(
        max_length=40,
        blank=True,
        db_index=False,
        help_text="Nodes of a site with the same group share a fast network, such as one InfiniBand island.",
    )
    cordoned_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when it takes no new lease; the one that it has goes on."
    )
    cordon_reason = models.CharField(max_length=200, blank=True)
    after_lease = models.CharField(
        max_length=20,
        blank=True,
        choices=[(state.value, state.label) for state in AFTER_LEASE],
        help_text="Where it goes once its last tenant is wiped, instead of back into stock.",
    )

    class Meta:
        indexes = [models.Index(fields=["pool", "state", "id"], name="node_pool_state")]
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=NodeState.values), name="node_state_is_known")
        ]

    def __str__(self) -> str:
        return self.name


class NodeTransition(TransitionRow):
    """One change of a node's state."""

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="transitions")

    class Meta:
        ordering = ["node", "seq"]
        constraints = [models.UniqueConstraint(fields=["node", "seq"], name="node_transition_once")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]
