"""What is written down when a node was switched off, or could not be, since its tenant's access could not be ended."""

from datetime import datetime

from django.db import transaction

from accounts.models import Event
from accounts.operations import Words, record
from leasing.models import Machine
from leasing.states import MachineState

ACTOR = "system:leasing"
FAILED = "node.not_contained"


@transaction.atomic
def contained(*, machine: Machine, now: datetime) -> None:
    """
    The machine's node was seen without power.

    Its tenant's access has not *ended* by that: who switches the node on again finds it as it was. So only a wipe,
    which ends it for good, sets `access_ended_at`.
    """
    Machine.objects.filter(pk=machine.pk).update(contained_at=now)
    Machine.objects.filter(pk=machine.pk, state=MachineState.WIPE_FAILED).update(next_attempt_at=None)
    _record("node.contained", machine, now=now)


@transaction.atomic
def not_contained(*, machine: Machine, detail: str, again_at: datetime | None, now: datetime) -> None:
    """The node has power, or nobody knows. Staff is told once for each failed wipe; it is tried `again_at`."""
    Machine.objects.filter(pk=machine.pk, state=MachineState.WIPE_FAILED).update(
        next_attempt_at=again_at, detail=detail[:300]
    )
    told = Event.objects.filter(kind=FAILED, subject=machine.node.public_id, at__gte=machine.state_since)
    if not told.exists():
        name = machine.node.name
        words: Words = {
            "title": f"{name}: its former tenant may still be in, and it has power",
            "text": f"{detail[:300]} Access on {name} could not be ended, and the node could not be switched off. "
            "Cut it off by hand, at its power or its network.",
            "path": f"/operations/fleet/nodes/{machine.node.public_id}/",
        }
        _record(FAILED, machine, now=now, notice=words, reason=detail[:300])


def _record(kind: str, machine: Machine, *, now: datetime, notice: Words | None = None, **more: str) -> None:
    record(
        organization=None,
        kind=kind,
        subject=machine.node.public_id,
        actor=ACTOR,
        at=now,
        data={"machine": machine.public_id, **more},
        notice=notice,
    )
