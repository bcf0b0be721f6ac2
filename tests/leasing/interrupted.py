"""Surplus leases, and what happens to them for want of power."""

from datetime import datetime, timedelta
from typing import Any

from accounts.models import Organization
from leasing import operations, schedule
from leasing.models import Interruption, InterruptionCause, Lease
from marketplace.models import Offer, Plan, PlanKind
from tests import factories
from tests.factories import HOUR, NOON
from tests.leasing.conftest import active, work_all

MINUTE = timedelta(minutes=1)
NOTICE = 60 * MINUTE
STAFF = "user:us_dispatcher"
TERMS = {
    "notice_seconds": 3600,
    "more_notice_seconds": 900,
    "interruptions_per_30_days": 4,
    "interruption_seconds_per_30_days": 12 * 3600,
}


def surplus(nodes: int = 1, **terms: Any) -> Offer:
    """An offer of surplus nodes: an hour's notice, 15 minutes more, 4 interruptions and 12 h in 30 days."""
    known = Plan.objects.filter(slug=PlanKind.SURPLUS).first()
    plan = known or factories.a_plan(PlanKind.SURPLUS, **{**TERMS, **terms})
    return factories.an_offer(factories.a_pool(nodes=nodes), plan)


def a_surplus_lease(organization: Organization, **wanted: Any) -> Lease:
    """In its tenant's hands since noon."""
    return active(organization, surplus(nodes=wanted.get("nodes", 1)), **wanted)


def announced(
    lease: Lease, *, begins_in: timedelta = NOTICE, lasts: timedelta = 2 * HOUR, now: datetime = NOON
) -> Interruption:
    """An interruption announced at `now`."""
    return operations.schedule_interruption(
        lease=lease,
        begins_at=now + begins_in,
        ends_at=now + begins_in + lasts,
        cause=InterruptionCause.GRID,
        requested_by=STAFF,
        now=now,
    )


def pass_to(lease: Lease, now: datetime) -> None:
    """Sweeps and workers as they are at that moment, until nothing moves any more."""
    for _ in range(2):
        schedule.run_due(now=now)
        work_all(lease.offer, now=now)
    schedule.run_due(now=now)
    lease.refresh_from_db()


def interrupted(lease: Lease, *, now: datetime = NOON) -> Interruption:
    """Paused for power since an hour after `now`."""
    row = announced(lease, now=now)
    pass_to(lease, now + NOTICE)
    row.refresh_from_db()
    return row
