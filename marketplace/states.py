"""The life of a node, as data. Each state in the words of the machine room."""

from collections.abc import Mapping

from django.db.models import TextChoices


class NodeState(TextChoices):
    ENROLLED = "enrolled", "enrolled"  # known by name and address; nothing proven yet
    VERIFYING = "verifying", "being verified"  # inspected and burnt in against what its type promises
    AVAILABLE = "available", "available"  # clean, proven, may be leased this second
    DEPLOYING = "deploying", "deploying"  # being made ready for a tenant
    LEASED = "leased", "leased"  # a tenant is on it
    WIPING = "wiping", "wiping"  # the tenant is gone; being cleaned and checked
    WIPE_FAILED = "wipe_failed", "wipe failed"  # cleaning could not be proven; only a new wipe or retirement leads on
    QUARANTINED = "quarantined", "quarantined"  # kept out of stock, by staff or by a failed verification
    MAINTENANCE = "maintenance", "in maintenance"  # planned work; back to stock only through verification
    RETIRED = "retired", "retired"  # gone for good


TRANSITIONS: Mapping[str, frozenset[str]] = {
    NodeState.ENROLLED: frozenset({NodeState.VERIFYING, NodeState.RETIRED}),
    NodeState.VERIFYING: frozenset({NodeState.AVAILABLE, NodeState.QUARANTINED}),
    NodeState.AVAILABLE: frozenset(
        {
            NodeState.DEPLOYING,
            NodeState.VERIFYING,
            NodeState.QUARANTINED,
            NodeState.MAINTENANCE,
            NodeState.RETIRED,
        }
    ),
    NodeState.DEPLOYING: frozenset({NodeState.LEASED, NodeState.WIPING}),
    NodeState.LEASED: frozenset({NodeState.WIPING}),
    NodeState.WIPING: frozenset({NodeState.AVAILABLE, NodeState.WIPE_FAILED}),
    NodeState.WIPE_FAILED: frozenset({NodeState.WIPING, NodeState.RETIRED}),
    NodeState.QUARANTINED: frozenset({NodeState.VERIFYING, NodeState.MAINTENANCE, NodeState.RETIRED}),
    NodeState.MAINTENANCE: frozenset({NodeState.VERIFYING, NodeState.QUARANTINED, NodeState.RETIRED}),
    NodeState.RETIRED: frozenset(),
}

# A state that something is working on, and the state that it becomes when that takes too long.
# A deploying node's machine fails and is wiped; the machine's own deadline drives both (leasing.states).
FAILED_TWIN: Mapping[str, str] = {
    NodeState.VERIFYING: NodeState.QUARANTINED,
    NodeState.DEPLOYING: NodeState.WIPING,
    NodeState.WIPING: NodeState.WIPE_FAILED,
}

# May be booked ahead: these nodes come back to `available` by themselves.
IN_STOCK = frozenset({NodeState.AVAILABLE, NodeState.DEPLOYING, NodeState.LEASED, NodeState.WIPING})

# Where a drained node may go once its last tenant is wiped.
AFTER_LEASE = (NodeState.MAINTENANCE, NodeState.QUARANTINED, NodeState.RETIRED)
