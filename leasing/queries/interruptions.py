"""Interruptions of surplus leases: what is announced, what their budget still allows, what a host is told."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from leasing.models import Interruption, Lease
from leasing.states import INTERRUPTION_OPEN, WITHOUT_POWER, InterruptionState, LeaseState
from marketplace.models import PlanKind
from marketplace.queries import duration

SPAN = timedelta(days=30)
SECOND = timedelta(seconds=1)
NEVER = "Only surplus leases are interrupted: this one keeps its power."


@dataclass(frozen=True)
class Budget:
    """What the operator may still take of a lease in 30 days, and what its terms allow in all."""

    times: int
    seconds: int
    most_times: int
    most_seconds: int

    @property
    def times_left(self) -> int:
        """Interruptions."""
        return max(0, self.most_times - self.times)

    @property
    def seconds_left(self) -> int:
        """Of all of them together."""
        return max(0, self.most_seconds - self.seconds)

    @property
    def firm(self) -> bool:
        """Whether the lease is not interrupted any more."""
        return not self.times_left or not self.seconds_left


def open_interruption(lease: Lease) -> Interruption | None:
    """The one that is announced or under way."""
    return Interruption.objects.filter(lease=lease, state__in=INTERRUPTION_OPEN).first()


def without_power(lease: Lease) -> bool:
    """Whether an interruption of it has begun and there is no power for it yet: it may not run."""
    return Interruption.objects.filter(lease=lease, state__in=WITHOUT_POWER).exists()


def interruptions_of(lease: Lease) -> QuerySet[Interruption]:
    """All of a lease's, newest first."""
    return Interruption.objects.filter(lease=lease).select_related("lease").order_by("-noticed_at", "-pk")


def budget(lease: Lease, *, at: datetime) -> Budget:
    """What is spent in the 30 days before a moment, by what was paused and what is announced. The database counts so
    too (`models.interruption`), whoever asks."""
    counted = Q(paused_at__isnull=False) | Q(state__in=(InterruptionState.SCHEDULED, InterruptionState.PAUSING))
    rows = Interruption.objects.filter(counted, lease=lease).annotate(
        until=Coalesce("over_at", "ends_at"), since=Coalesce("paused_at", "begins_at")
    )
    lengths = [row.until - row.since for row in rows.filter(until__gt=at - SPAN)]
    spent = sum(lengths, timedelta()) // SECOND
    terms = lease.terms
    return Budget(len(lengths), spent, terms.interruptions_per_30_days, terms.interruption_seconds_per_30_days)


def interruptible(*, now: datetime) -> QuerySet[Lease]:
    """Leases that may be interrupted at all: surplus, in their tenants' hands, nothing announced; for `why_not`."""
    running = Lease.objects.filter(offer__plan__kind=PlanKind.SURPLUS, state=LeaseState.ACTIVE)
    free = running.exclude(interruptions__state__in=INTERRUPTION_OPEN)
    return free.select_related("terms__plan", "organization", "offer__pool__site", "offer__pool__node_type", "rate")


def why_not(lease: Lease, *, begins_at: datetime, ends_at: datetime, now: datetime) -> tuple[str, str] | None:
    """
    What speaks against an interruption in this window, announced now: which of the two moments is at fault, "" for
    neither, and why, with the way out.
    """
    terms = lease.terms
    notice = timedelta(seconds=terms.notice_seconds)
    if terms.plan.kind != PlanKind.SURPLUS or not notice:
        return "", NEVER
    if lease.state != LeaseState.ACTIVE:
        return "", f"The lease is {LeaseState(lease.state).label}: only one that runs is interrupted."
    if open_interruption(lease):
        return "", "It has an interruption already: wait until that is over, or call it off."
    if begins_at < now + notice:
        first = now + notice
        why = f"Its notice is {duration(notice)}: choose a beginning from {first:%Y-%m-%d %H:%M:%S} UTC on."
        return "begins_at", why
    if ends_at <= begins_at:
        return "ends_at", "Choose an end after the beginning."
    left = budget(lease, at=ends_at)
    seconds = -(-(ends_at - begins_at) // SECOND)
    if left.firm or seconds > left.seconds_left:
        rest = f"{left.times_left} interruptions and {left.seconds_left} s of {left.most_seconds} s"
        why = (
            f"Its interruption budget of 30 days has {rest} left: it stays on. Choose another lease, or a shorter time."
        )
        return "ends_at", why
    return None


def more_left(interruption: Interruption) -> int:
    """By how many seconds the tenant may still have it begin later."""
    if interruption.state != InterruptionState.SCHEDULED or interruption.more_seconds:
        return 0
    room = (interruption.ends_at - interruption.begins_at) // SECOND - 1
    return max(0, min(interruption.lease.terms.more_notice_seconds, room))


def for_host(lease: Lease) -> str:
    """What the tenant's programs find on the host of each machine while an interruption is announced; else ""."""
    row = Interruption.objects.filter(lease=lease, state=InterruptionState.SCHEDULED).select_related("lease").first()
    if row is None:
        return ""
    path = f"{settings.BASE_URL}/api/v1/leases/{lease.public_id}/interruptions/{row.public_id}"
    told = {
        "interruption": row.public_id,
        "lease": lease.public_id,
        "cause": row.cause,
        "noticed_at": stamp(row.noticed_at),
        "begins_at": stamp(row.begins_at),
        "ends_at": stamp(row.ends_at),
        "ready": {"method": "POST", "url": f"{path}/ready"},
        "more_time": {"method": "POST", "url": f"{path}/more-time", "most_seconds": more_left(row)},
        "authorization": "Bearer <an API token of yours with lease:write>",
    }
    return json.dumps(told, indent=2) + "\n"


def stamp(moment: datetime) -> str:
    """A moment as programs read it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
