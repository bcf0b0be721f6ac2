"""What stands behind an open-ended lease and ends its guarantee, and where its work could go instead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import (
    Count,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    TextChoices,
    Value,
)
from django.db.models.expressions import Combinable

from leasing.models import Claim, Lease, Machine
from leasing.queries.machines import equal_nodes, first_behind
from leasing.queries.power import shortage
from leasing.states import SERVING, LeaseState, MachineState
from marketplace.models import Offer
from marketplace.queries import Window, free_nodes, listed_offers
from marketplace.queries.windows import cleaning

OTHERS_SHOWN = 3
RUNNING = (LeaseState.PROVISIONING, LeaseState.ACTIVE, LeaseState.PAUSED)


class Because(TextChoices):
    """What ends a guarantee."""

    BOOKED = "booked", "Somebody has booked a node behind this lease."
    MAINTENANCE = "maintenance", "Maintenance of a node is planned behind this lease."
    POWER = "power", "Its site has not enough firm power to guarantee it for longer."


@dataclass(frozen=True)
class Alternative:
    """An offer of equal nodes, with how many are free now for as long as the lease's terms guarantee."""

    offer: Offer
    free: int


@dataclass(frozen=True)
class Ending:
    """Why a guarantee ends, which machines can be moved away from that, and equal nodes elsewhere."""

    because: Because | None  # None: no longer, as the next sweep will find
    movable: Sequence[Machine]
    equal: int  # free nodes of the lease's own pool
    elsewhere: Sequence[Alternative]


def ending_of(lease: Lease, *, now: datetime) -> Ending | None:
    """For a lease whose tenant was told that its guarantee ends; None for others. Needs its machines prefetched."""
    if lease.guarantee_notice_at is None or lease.state not in RUNNING:
        return None
    behind = _behind(lease)
    because = _because(lease, behind, now)
    if because == Because.POWER:  # a move within the site would not help
        return Ending(because, [], 0, elsewhere(lease, now=now))
    ready = [machine for machine in behind if machine.state == MachineState.READY]
    equal = equal_nodes(lease, window=horizon(lease, now), now=now).count()
    return Ending(because, ready if equal else [], equal, elsewhere(lease, now=now))


def stopped_by(lease: Lease, *, now: datetime) -> Because | None:
    """
    What ends the guarantee of an open-ended lease before its whole horizon: want of firm power, or the first claim
    behind it on its nodes. None if nothing does, or what a quote holds: that lapses before.
    """
    return _because(lease, _behind(lease), now)


def _behind(lease: Lease) -> dict[Machine, Claim]:
    return first_behind(*(machine for machine in lease.machines.all() if machine.state in SERVING))


def _because(lease: Lease, behind: Mapping[Machine, Claim], now: datetime) -> Because | None:
    begin, until = lease.guaranteed_until + cleaning(lease.terms), horizon(lease, now).ends_at
    first = min(behind.values(), key=lambda claim: claim.period.lower, default=None)
    if first and first.period.lower >= until:
        first = None
    free = Window(begin, first.period.lower if first else until)
    # Asked as of then: what quotes hold now has lapsed.
    if begin < free.ends_at and shortage(offer=lease.offer, nodes=lease.node_count, window=free, now=begin):
        return Because.POWER
    if first:
        return Because.BOOKED if first.lease_id else Because.MAINTENANCE
    return None


def horizon(lease: Lease, now: datetime) -> Window:
    """The time that the lease's terms guarantee from now on, with the cleaning behind it."""
    return Window(now, now + timedelta(seconds=lease.terms.guarantee_seconds + lease.terms.cleaning_seconds))


def elsewhere(lease: Lease, *, now: datetime) -> list[Alternative]:
    """Offers of equal nodes on the same plan at other sites where the whole lease has room, most free nodes first."""
    pool = lease.offer.pool
    offers = listed_offers().filter(
        plan=lease.offer.plan_id, pool__node_type=pool.node_type_id, pool__provisioner=pool.provisioner
    )
    free = free_nodes(window=horizon(lease, now), now=now).order_by().values_list("pool")
    counts = dict(free.annotate(count=Count("pk")))
    found = [Alternative(offer, counts.get(offer.pool_id, 0)) for offer in offers.exclude(pool=pool)]
    enough = [row for row in found if row.free >= lease.node_count]
    return sorted(enough, key=lambda row: (-row.free, row.offer.pool.site.name))[:OTHERS_SHOWN]


def cut_short(*, now: datetime) -> QuerySet[Lease]:
    """Open-ended leases behind which somebody has booked since, within what is guaranteed, and that were not told."""
    wanted = _later(Value(now), F("lease__terms__guarantee_seconds") + F("lease__terms__cleaning_seconds"))
    return _open_ended().filter(Exists(_cut(wanted, Q(pk__gt=OuterRef("pk")))), guarantee_notice_at=None)


def freed() -> QuerySet[Lease]:
    """Open-ended leases that were told, and right behind whose guarantee nothing is booked any more."""
    told = _open_ended().filter(guarantee_notice_at__isnull=False)
    guaranteed = _later(F("lease__guaranteed_until"), F("lease__terms__cleaning_seconds"))
    return told.filter(~Exists(_cut(guaranteed, Q())))


def _open_ended() -> QuerySet[Lease]:
    return Lease.objects.filter(ends_at=None, state__in=RUNNING)


def _later(moment: Combinable, seconds: Combinable) -> Combinable:
    return ExpressionWrapper(moment + seconds * Value(timedelta(seconds=1)), output_field=DateTimeField())


def _cut(until: Combinable, which: Q) -> QuerySet[Claim]:
    """Claims of an outer lease on nodes in use, with another of the kind behind them that begins until then."""
    mine = Claim.objects.filter(lease=OuterRef("pk"), released_at=None).annotate(until=until)
    serving = Machine.objects.filter(lease=OuterRef("lease"), node=OuterRef("node"), state__in=SERVING)
    behind = Claim.objects.filter(
        which,
        node=OuterRef("node"),
        released_at=None,
        period__fully_gt=OuterRef("period"),
        period__startswith__lte=OuterRef("until"),
    )
    return mine.filter(Exists(serving), Exists(behind))
