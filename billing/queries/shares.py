"""What is behind an amount that is summed over leases: the part of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from accounts.models import Organization
from billing.queries.commitments import committed_by_lease
from billing.queries.meters import Reading, open_meters, read
from billing.queries.months import month_of
from leasing.models import Lease


@dataclass(frozen=True)
class Share:
    """A lease's part of an amount, micro-dollars."""

    lease: Lease
    micros: int


def _read_by_lease(organization: Organization, now: datetime, part: Callable[[Reading], int]) -> Mapping[int, int]:
    return {meter.lease_id: part(read(meter, at=now)) for meter in open_meters(organization)}


# Of each amount, micro-dollars by the keys of leases, at a moment.
AMOUNTS: Mapping[str, Callable[[Organization, datetime], Mapping[int, int]]] = {
    "used": lambda own, now: _read_by_lease(own, now, lambda reading: reading.accrued_micros),
    "kept": lambda own, now: _read_by_lease(own, now, lambda reading: reading.held_micros),
    "running": lambda own, now: _read_by_lease(
        own, now, lambda reading: reading.micros_per_hour if reading.runs_on_credit else 0
    ),
    "committed": lambda own, now: committed_by_lease(organization=own, month=month_of(now), now=now),
}


def shares(*, organization: Organization, of: str, project: str, now: datetime) -> list[Share]:
    """
    The leases that have a part in one of AMOUNTS, newest first: with this tag, or all for "". Used since the last
    posting, kept aside, costs an hour of what runs on demand, or committed in this month: micro-dollars.
    """
    parts = AMOUNTS[of](organization, now)
    leases = Lease.objects.filter(pk__in=[key for key, micros in parts.items() if micros]).order_by("-pk")
    return [Share(lease, parts[lease.pk]) for lease in (leases.filter(project=project) if project else leases)]
