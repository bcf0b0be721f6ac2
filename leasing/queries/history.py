"""The one history of a lease for its customer: its changes of state, and the events that tell something else."""

from accounts.models import Event
from leasing.models import Lease, Transition
from leasing.queries.machines import events_of

History = list[Event | Transition]
NEWEST = 100
# A change of state tells these already, with its reason.
TOLD_BY_STATE = frozenset(
    {
        "lease.ordered",
        "lease.confirmed",
        "lease.active",
        "lease.paused",
        "lease.resumed",
        "lease.interrupt_started",
        "lease.interrupt_ended",
        "lease.reclaiming",
        "lease.ended",
        "lease.cancelled",
        "lease.declined",
        "lease.not_approved",
        "lease.failed",
    }
)


def history_of(lease: Lease) -> History:
    """What happened, each thing once, newest first; the newest hundred. Every event is in the organization's log."""
    changes = sorted(lease.transitions.all(), key=lambda change: -change.seq)
    events = events_of(lease).exclude(kind__in=TOLD_BY_STATE)[:NEWEST]
    rows: History = [*events, *changes]
    return sorted(rows, key=lambda row: row.at, reverse=True)[:NEWEST]
