"""Which surplus leases may be paused, from when on, and what it credits: whole ones, after their notice, in budget."""

from datetime import datetime, timedelta
from typing import Any

from energy.planning import Cut, SurplusLease
from energy.queries.standing import MEGA, LeaseNow, Standing
from leasing.queries.interruptions import budget, interruptible


def pausable(here: Standing, starts_at: datetime, ends_at: datetime, *, decide: timedelta) -> tuple[SurplusLease, ...]:
    """
    The site's surplus leases that run, that no interruption is announced for, and whose budget allows a pause. Their
    notice counts from when they are told: a person has the time to `decide` before.
    """
    rows = {row.lease.pk: row for row in here.surplus}
    free = interruptible(now=here.at).filter(pk__in=rows)
    found = (_pausable(rows[lease.pk], starts_at, ends_at, here.at + decide) for lease in free)
    return tuple(row for row in found if row is not None)


def pause(row: LeaseNow, cut: Cut, starts_at: datetime, ends_at: datetime) -> dict[str, Any]:
    """One lease's pause as a command says it; see the fields of `Command`."""
    begins_at = starts_at + timedelta(hours=cut.after_hours)
    return {
        "kind": "surplus", "lease": row.lease.pk,
        "target": {"begins_at": begins_at.isoformat(), "ends_at": ends_at.isoformat()}, "before": {},
        "touches": [f"Surplus lease {row.lease.public_id}, from {begins_at:%Y-%m-%d %H:%M:%S} UTC, after its notice"],
        "watts": row.watts, "cost_micros": round(cut.usd * MEGA),
    }  # fmt: skip


def _pausable(row: LeaseNow, starts_at: datetime, ends_at: datetime, told_at: datetime) -> SurplusLease | None:
    left = budget(row.lease, at=ends_at)
    if left.firm:
        return None
    begins_at = max(starts_at, told_at + timedelta(seconds=row.lease.terms.notice_seconds))
    after = (begins_at - starts_at) / timedelta(hours=1)
    return SurplusLease(row.lease.public_id, row.watts / MEGA, after, row.usd_per_hour, left.seconds_left / 3600)
