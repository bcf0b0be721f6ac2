"""The receipt of a lease: what it was, what it cost, and why."""

from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from billing.models import Usage
from billing.queries import Reading, read, readable
from leasing.models import Lease
from leasing.states import LeaseState

WHY_NOTHING = {
    LeaseState.HELD: "The order is not confirmed yet. Nothing is charged.",
    LeaseState.SCHEDULED: "The lease has not begun. Nothing is charged before a node is ready.",
    LeaseState.PROVISIONING: "The nodes are being made ready. The meter starts when they pass their health check.",
    LeaseState.EXPIRED: "The hold ran out before the order was confirmed. Nothing is charged.",
    LeaseState.CANCELLED: "The lease was called off before it began. Nothing is charged.",
    LeaseState.FAILED: "The nodes could not be started. A start that fails costs nothing.",
}
GIVEN_BACK = "The lease was given back before a node was ready. Nothing is charged."


@dataclass(frozen=True)
class Line:
    """The use of one UTC day."""

    day: date
    seconds: int
    micros: int


@dataclass(frozen=True)
class Receipt:
    """What a lease cost up to `at`. Seconds are billable seconds; amounts are micro-dollars; times are UTC."""

    lease: Lease
    state: str
    reason: str
    started_at: datetime | None
    ended_at: datetime | None
    seconds: int
    nodes: int
    micros_per_node_hour: int
    charged_micros: int
    final: bool
    explanation: str
    lines: tuple[Line, ...]


def receipt(*, lease: Lease, now: datetime) -> Receipt:
    """
    The receipt of a lease at `now`; final once the lease is over.

    :raises Meter.DoesNotExist: if the lease was not ordered through a checkout
    """
    reading = read(readable().get(lease=lease), at=now)
    row, spans = reading.meter, reading.spans
    return Receipt(
        lease=row.lease,
        state=row.lease.state,
        reason=row.lease.reason,
        started_at=spans[0].since if spans else None,
        ended_at=spans[-1].until if spans and reading.over else None,
        seconds=reading.seconds,
        nodes=row.nodes,
        micros_per_node_hour=row.micros_per_node_hour,
        charged_micros=reading.due_micros,
        final=reading.over,
        explanation=_explanation(reading),
        lines=_lines(reading, now),
    )


def _explanation(reading: Reading) -> str:
    if not reading.spans:
        return WHY_NOTHING.get(LeaseState(reading.meter.lease.state), GIVEN_BACK)
    one = reading.meter.nodes == 1
    what, they = ("1 node", "it was") if one else (f"{reading.meter.nodes} nodes", "they were")
    until = f"until {they} given back, pauses left out" if reading.over else "so far"
    return f"{reading.seconds:,} s of {what}, from when {they} ready {until}."


def _lines(reading: Reading, now: datetime) -> tuple[Line, ...]:
    """Posted usage by day, and behind it what is not posted yet."""
    posted = Usage.objects.filter(lease=reading.meter.lease).order_by("from_at")
    rows = [(usage.from_at.date(), usage.seconds, usage.micros) for usage in posted]
    begin = reading.meter.metered_until or (reading.spans[0].since if reading.spans else now)
    rows.append((begin.date(), reading.seconds - reading.meter.seconds, reading.accrued_micros))
    days = [(day, list(same)) for day, same in groupby(rows, key=lambda row: row[0])]
    lines = [Line(day, sum(row[1] for row in same), sum(row[2] for row in same)) for day, same in days]
    return tuple(line for line in lines if line.seconds or line.micros)
