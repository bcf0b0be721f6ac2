"""A lease is in its tenant's hands: from that second on its meter runs, but for a node that it lacks."""

from datetime import datetime

from accounts.operations import record
from leasing.models import Lease
from leasing.operations import outages
from leasing.queries.interruptions import without_power
from leasing.states import SERVING, LeaseState, MachineState

ACTOR = "system:leasing"
WAITING = frozenset({LeaseState.PROVISIONING, LeaseState.PAUSED})


def activate_ready(*, lease: Lease, now: datetime) -> None:
    """Make the lease, which is locked, active if it waits for nothing more: neither for a machine nor for power."""
    late = lease.machines.filter(state__in=SERVING).exclude(state=MachineState.READY)
    if lease.state in WAITING and not late.exists() and not without_power(lease):
        _activate(lease, now=now)


def _activate(lease: Lease, *, now: datetime) -> None:
    resumed = lease.state == LeaseState.PAUSED
    lease.move_to(LeaseState.ACTIVE, at=now, reason="resumed" if resumed else "")
    record(
        organization=lease.organization,
        kind="lease.resumed" if resumed else "lease.active",
        subject=lease.public_id,
        actor=ACTOR,
        at=now,
        data={"name": lease.name},
        notice={
            "title": f"{lease.name} is {'running again' if resumed else 'ready'}",
            "text": "Every machine passed its health check and answers on SSH. The meter runs from this second on.",
            "path": f"/leases/{lease.public_id}/",
        },
    )
    if resumed:
        outages.begin_again(lease=lease, now=now)
