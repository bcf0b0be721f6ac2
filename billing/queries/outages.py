"""The time in which nodes of a lease did not serve it, as leasing wrote it down. None of it is charged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from leasing.models import Machine, Outage


@dataclass(frozen=True)
class Span:
    """A stretch in which the lease was active; `until` is None while it still is."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class Loss:
    """
    What one outage took from the tenant: `length` is the part of it in active time, before the moment of the reading,
    and in no earlier outage of the same machine. The losses of a lease can therefore simply be added.
    """

    outage: Outage
    machine: Machine
    length: timedelta


def losses(machines: Sequence[Machine], spans: Sequence[Span], *, upto: datetime) -> list[Loss]:
    """Every outage of the machines that took something before `upto`; in order, machine by machine."""
    found = [loss for machine in machines for loss in _of_one(machine, spans, upto)]
    return sorted(found, key=lambda loss: (loss.outage.began_at, loss.outage.pk))


def _of_one(machine: Machine, spans: Sequence[Span], upto: datetime) -> Iterator[Loss]:
    reached: datetime | None = None
    for outage in sorted(machine.outages.all(), key=lambda row: (row.began_at, row.pk)):
        begin, end = max(outage.began_at, reached or outage.began_at), min(outage.ended_at or upto, upto)
        length = sum((_overlap(begin, end, span, upto) for span in spans), timedelta())
        if length:
            yield Loss(outage, machine, length)
        reached = max(reached or end, end)


def _overlap(begin: datetime, end: datetime, span: Span, upto: datetime) -> timedelta:
    return max(min(end, span.until or upto) - max(begin, span.since), timedelta())
