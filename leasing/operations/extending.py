"""More time on the same nodes: asked for until the last second, up to the next claim behind."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import chain

from django.db import transaction
from django.db.models import F

from accounts.operations import record
from leasing.models import ChangeKind, Claim, Lease, LeaseChange
from leasing.operations import calendar
from leasing.operations.booking import NodesTaken, PowerTaken
from leasing.queries.extension import LEASE, READ, Reach, added, reach, serving_claims, why_not_extended
from marketplace.queries import Refusal, duration
from marketplace.queries.windows import cleaning


class WindowRefused(Exception):
    """The lease's window cannot be changed so. `field` is the input at fault, or "lease"; `message` the way out."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.field}: {refusal.message}")
        self.field, self.message = refusal.field, refusal.message


class BookedBehind(Exception):
    """A node of the lease is claimed by somebody else before the wished end. `reach` says how far it can go."""

    def __init__(self, reach: Reach) -> None:
        super().__init__(f"{reach.why} The lease can go on until {reach.ends_at:%Y-%m-%d %H:%M} UTC.")
        self.reach = reach


@transaction.atomic
def extend(
    *, lease: Lease, ends_at: datetime, actor: str, price: str, now: datetime, quotes: Sequence[str] = ()
) -> LeaseChange:
    """
    Let a reserved lease go on until `ends_at` on the nodes that it has. What the `quotes` hold is let go for it, all of
    it. `price` says in words what that costs.

    :raises WindowRefused: if its terms or its state do not allow it
    :raises BookedBehind: if a node is claimed before that, cleaning included
    :raises PowerTaken: if the site has not enough firm power for the time that is added
    """
    _make_room(lease, quotes)
    lease = Lease.objects.select_for_update(of=("self",)).select_related("organization", *READ).get(pk=lease.pk)
    if refusal := why_not_extended(lease, ends_at=ends_at, now=now):
        raise WindowRefused(refusal)
    assert lease.ends_at is not None  # else it was refused
    claims = serving_claims(lease)
    if not _has_room(lease, claims, ends_at, now):
        raise _refusal(reach(lease, now=now))
    calendar.set_end(claims=claims, ends_at=ends_at + cleaning(lease.terms))
    change = LeaseChange.objects.create(
        lease=lease,
        kind=ChangeKind.EXTENDED,
        at=now,
        actor=actor,
        old_starts_at=lease.starts_at,
        old_ends_at=lease.ends_at,
        new_starts_at=lease.starts_at,
        new_ends_at=ends_at,
        nodes=[claim.node_id for claim in claims],
    )
    Lease.objects.filter(pk=lease.pk).update(
        ends_at=ends_at,
        guaranteed_until=ends_at,
        end_notice_at=None,
        setup_version=F("setup_version") + 1,  # hosts learn of the new deadline by the version
    )
    _record(change, price)
    return change


def _make_room(lease: Lease, quotes: Sequence[str]) -> None:
    """Lock the lease's nodes, and those that the quotes hold, which are let go: all in the order of their ids."""
    if held := {quote: calendar.held_for(quote) for quote in quotes}:
        calendar.lock([*calendar.claimed(lease), *chain.from_iterable(held.values())])
    for quote, node_ids in held.items():
        calendar.let_go(node_ids=node_ids, quote=quote)
    calendar.lock_nodes_of(lease)


def _has_room(lease: Lease, claims: Sequence[Claim], ends_at: datetime, now: datetime) -> bool:
    """Whether its nodes are free for the time that is added, and its site has firm power, which is locked then."""
    more, node_ids = added(lease, ends_at), [claim.node_id for claim in claims]
    after = min((claim.period.upper for claim in claims), default=more.starts_at)
    if calendar.reach_until(node_ids=node_ids, after=after, wanted=more.ends_at, now=now) < more.ends_at:
        return False
    return calendar.take_power(offer=lease.offer, nodes=lease.node_count, period=more, now=now) == more.ends_at


def _refusal(found: Reach) -> BookedBehind | NodesTaken:
    """By what comes first."""
    return PowerTaken(found.short, found.ends_at) if found.short else BookedBehind(found)


@transaction.atomic
def extend_itself(
    *, lease: Lease, seconds: int | None, max_micros_per_node_hour: int | None, actor: str, now: datetime
) -> None:
    """
    Let the lease be extended by `seconds` before each of its ends, up to a price of a node-hour; both None: no more.

    :raises WindowRefused: if it has no end, is over, or its terms know no such step
    """
    lease = Lease.objects.select_for_update(of=("self",)).select_related("terms__plan", "organization").get(pk=lease.pk)
    if seconds is not None and (refusal := _why_no_step(lease, seconds, now)):
        raise WindowRefused(refusal)
    lease.auto_extend_seconds, lease.auto_extend_max_micros = seconds, max_micros_per_node_hour
    lease.end_notice_at = None
    lease.save(update_fields=["auto_extend_seconds", "auto_extend_max_micros", "end_notice_at"])
    record(
        organization=lease.organization,
        kind="lease.auto_extend_chosen",
        subject=lease.public_id,
        actor=actor,
        at=now,
        data={"name": lease.name, "seconds": seconds, "max_micros_per_node_hour": max_micros_per_node_hour},
    )


def _why_no_step(lease: Lease, seconds: int, now: datetime) -> Refusal | None:
    granularity = lease.terms.granularity_seconds
    if lease.ends_at is None:
        return Refusal(
            LEASE, "This lease has no end: it goes on while nobody is booked behind it, until you return it."
        )
    if lease.over or lease.ends_at <= now:
        return Refusal(LEASE, "The lease is over.")
    if seconds % granularity:
        step = duration(timedelta(seconds=granularity))
        return Refusal("seconds", f"{lease.terms.plan.name} has multiples of {step}: choose one of them.")
    if seconds > lease.terms.max_seconds:
        return Refusal("seconds", f"Choose {duration(timedelta(seconds=lease.terms.max_seconds))} at most.")
    return None


def _record(change: LeaseChange, price: str) -> None:
    lease = change.lease
    until, before = (f"{moment:%Y-%m-%d %H:%M} UTC" for moment in (change.new_ends_at, change.old_ends_at))
    record(
        organization=lease.organization,
        kind="lease.extended",
        subject=lease.public_id,
        actor=change.actor,
        at=change.at,
        data={"name": lease.name, "ends_at": change.new_ends_at.isoformat(), "before": change.old_ends_at.isoformat()},
        notice={
            "title": f"{lease.name} goes on until {until}",
            "text": f"It was to end at {before}. The machines, their addresses and what is on them stay. {price}",
            "path": f"/leases/{lease.public_id}/",
        },
    )
