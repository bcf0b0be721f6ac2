"""
The ladder of a wallet that runs dry: told at a week, told at a day, told at an hour, paused at nothing, resumed after a
top-up. From a day on it tops up by itself, where that is on (`billing.topping_up`); from an hour on no new on-demand
lease is taken (`billing.checkout`), and surplus leases stop, so that what is left carries the others longer.

Only leases without an end stand on it. One with money of its own left in its hold is never paused. A surplus lease that
stops here is not interrupted: power is there, so no notice is due, nothing of its budget is used and nothing credited.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

import leasing.operations
from accounts.models import Organization
from accounts.operations import Words, record
from billing import budgets, operations
from billing.models import BillingMode, Level, Meter, Standing
from billing.queries import Reading, Wallet, split, wallet
from billing.queries.metered import LATER, mode_of
from billing.queries.wallet import lasts
from leasing.states import LeaseState
from marketplace.models import PlanKind
from marketplace.money import SECONDS_PER_HOUR, format_micros

OUT_OF_FUNDS = "out_of_funds"
ACTOR = "system:billing"
RUNGS = list(Level)
HOUR = timedelta(hours=1)
ENOUGH_SECONDS = 2 * SECONDS_PER_HOUR  # to resume surplus: its next hour, and then the one at which it would stop again
RUNG_HOURS = ((Level.LOW_1H, 1), (Level.LOW_24H, 24), (Level.LOW_7D, 7 * 24))  # less than so many hours
WORDS = {
    Level.LOW_7D: "Less than 7 days of money left",
    Level.LOW_24H: "Less than 24 hours of money left",
    Level.LOW_1H: "Less than an hour of money left",
    Level.EMPTY: "The wallet is empty",
}
EXTENDED_NO_MORE = (
    "A lease that extends itself ends at its agreed end once the money for its next step is missing: what is on it is "
    "wiped then."
)


def at_stake() -> QuerySet[Organization]:
    """Organizations with leases that the wallet must carry, or that were told something that may no longer hold."""
    burning = Q(leases__meter__closed_at=None, leases__state__in=(LeaseState.ACTIVE, LeaseState.PAUSED))
    told = Q(standing__isnull=False) & ~Q(standing__level=Level.FINE)
    return Organization.objects.filter(burning | told).order_by("pk").distinct()


@transaction.atomic
def enforce(*, organization: Organization, now: datetime) -> Level:
    """Tell, pause and resume as the wallet at `now` demands. Returns the rung the organization stands on."""
    operations.lock_wallet(organization=organization)
    before = wallet(organization=organization, now=now)
    level = _tell(organization, before, now)
    _pause_unpaid(organization, before, now)
    resume(filter(is_paused, before.readings), purse=before, now=now)
    return level


def level_of(purse: Wallet) -> Level:
    """The rung for what is left: hours of the leases that run, or nothing for those that were paused."""
    if purse.seconds_left is None:
        paused = list(filter(is_paused, purse.readings))
        early = purse.available_micros > 0 and all(map(is_surplus, paused))
        return (Level.LOW_1H if early else Level.EMPTY) if paused else Level.FINE
    if purse.seconds_left <= 0:
        return Level.EMPTY
    hours = purse.seconds_left / SECONDS_PER_HOUR
    return next((level for level, least in RUNG_HOURS if hours < least), Level.FINE)


def is_surplus(reading: Reading) -> bool:
    """Whether it stops first."""
    return reading.meter.lease.offer.plan.kind == PlanKind.SURPLUS


def is_paused(reading: Reading) -> bool:
    """Whether it is paused for want of money."""
    lease = reading.meter.lease
    return lease.state == LeaseState.PAUSED and lease.reason == OUT_OF_FUNDS


def _pause_unpaid(organization: Organization, purse: Wallet, now: datetime) -> None:
    """At nothing whatever draws on the wallet, and surplus leases from an hour on."""
    nothing = purse.available_micros <= 0
    soon = purse.seconds_left is not None and purse.seconds_left < SECONDS_PER_HOUR
    until = now + timedelta(hours=organization.data_retention_hours)
    pays_later = mode_of(organization) != BillingMode.PREPAID
    for reading in purse.readings:
        if reading.runs_on_credit and reading.held_micros == 0 and (nothing or (soon and is_surplus(reading))):
            words = _words(reading, until, pays_later=pays_later)
            lease = reading.meter.lease
            leasing.operations.pause(lease=lease, reason=OUT_OF_FUNDS, until=until, actor=ACTOR, now=now, notice=words)


def _words(reading: Reading, until: datetime, *, pays_later: bool) -> Words | None:
    """Of surplus leases, and of who has no wallet to fill; `leasing` has those for an empty wallet."""
    surplus, what = is_surplus(reading), "credit" if pays_later else "money"
    if not (surplus or pays_later):
        return None
    why = f"Less than an hour of {what} is left and surplus leases stop first" if surplus else "Your credit is used"
    enough = ", for two hours of what then runs," if surplus else ""
    return {
        "title": f"{reading.meter.lease.name} is paused",
        "text": f"{why}, so access is off and nothing is charged. Your data, keys and address are kept until "
        f"{until:%Y-%m-%d %H:%M} UTC. {LATER if pays_later else 'Top up'} before then{enough} and the lease goes on "
        "by itself.",
        "path": "/invoices/" if pays_later else "/wallet/",
    }


def resume(waiting: Iterable[Reading], *, purse: Wallet, now: datetime) -> None:
    """
    Resume what the wallet can pay, surplus last, paused longest first: each takes its next hour out of wallet and
    budgets, as an order does. Surplus waits until what is available lasts for two hours with it: it would come and go.
    """
    available, burn = purse.available_micros, purse.burn_micros_per_hour
    for reading in sorted(waiting, key=lambda r: (is_surplus(r), r.meter.lease.state_since)):
        more = reading.micros_per_hour
        if reading.held_micros == 0:
            left = lasts(available, burn + more, purse.readings, now) if is_surplus(reading) else None
            if available < more or (left is not None and left < ENOUGH_SECONDS) or not fits(reading, now):
                continue
            available -= more
            hold_an_hour(reading, now)
        burn += more
        leasing.operations.resume(lease=reading.meter.lease, actor=ACTOR, now=now)  # again, until its machines can


def fits(reading: Reading, now: datetime) -> bool:
    """Whether the budgets have room for the next hour of a paused lease."""
    meter = reading.meter
    rate = meter.micros_per_node_hour
    hour = split(micros_per_node_hour=rate, nodes=meter.nodes, starts_at=now, ends_at=None, now=now)
    lease = meter.lease
    try:
        budgets.check(organization=lease.organization, project=lease.project, amounts_by_month=hour, now=now)
    except budgets.BudgetExceeded:
        return False
    return True


def hold_an_hour(reading: Reading, now: datetime) -> None:
    """Keep money aside for the next hour of a lease that is resumed."""
    held = reading.due_micros + reading.micros_per_hour
    Meter.objects.filter(pk=reading.meter.pk).update(hold_micros=held)
    lease = reading.meter.lease
    data = {"name": lease.name, "held_micros": reading.micros_per_hour}
    record(
        organization=lease.organization, kind="lease.resuming", subject=lease.public_id, actor=ACTOR, at=now, data=data
    )


def _tell(organization: Organization, purse: Wallet, now: datetime) -> Level:
    """Each rung once on the way down; the way up is silent, and so is what leaves only surplus that stopped before."""
    level = level_of(purse)
    standing, _ = Standing.objects.get_or_create(organization=organization, defaults={"since": now})
    if level == standing.level:
        return level
    news = purse.seconds_left is not None or level == Level.EMPTY
    if news and RUNGS.index(level) > RUNGS.index(Level(standing.level)):
        _record(organization, level, purse, now)
    standing.level, standing.since = level, now
    standing.save()
    return level


def _record(organization: Organization, level: Level, purse: Wallet, now: datetime) -> None:
    left = purse.available_micros
    record(
        organization=organization,
        kind=f"wallet.{level}",
        subject=organization.public_id,
        actor=ACTOR,
        at=now,
        data={"available_micros": left, "burn_micros_per_hour": purse.burn_micros_per_hour},
        notice={
            "title": f"{organization.name}: {WORDS[level].lower()}",
            "text": f"{WORDS[level]}: {format_micros(left)} are available and {_uses(level, purse)}. "
            f"{_what_comes(organization, level, purse, now)}",
            "path": "/wallet/",
        },
    )


def _uses(level: Level, purse: Wallet) -> str:
    burn, more = purse.burn_micros_per_hour, purse.extending_micros_per_hour
    said = []
    if burn or not more:
        said.append(f"running leases {'used' if level == Level.EMPTY else 'use'} {format_micros(burn)} per hour")
    if more:
        said.append(f"leases that extend themselves need {format_micros(more)} per hour from their agreed ends on")
    return ", ".join(said)


def _what_comes(organization: Organization, level: Level, purse: Wallet, now: datetime) -> str:
    """When leases pause and when their data is wiped, as it looks now; and the way out."""
    pay, way_out = "top up", "Top up, or switch automatic top-up on,"
    if mode_of(organization) != BillingMode.PREPAID:
        pay, way_out = "pay an open invoice", LATER
    refused = f" Until you {pay}, no new on-demand lease is taken." if level in (Level.LOW_1H, Level.EMPTY) else ""
    kept = timedelta(hours=organization.data_retention_hours)
    stops = _empty(purse, now + kept) if level == Level.EMPTY else _stops(level, purse, kept, now)
    ends = f" {EXTENDED_NO_MORE}" if purse.extending_micros_per_hour else ""
    paid = "Reserved leases are paid and go on until their agreed ends."
    return f"{stops}{paid}{ends}{refused} {way_out} and everything goes on by itself."


def _empty(purse: Wallet, wipe: datetime) -> str:
    """Nothing where no lease stops: then some that extend themselves have not the money for it."""
    stopped = [r for r in purse.readings if r.runs_on_credit] or filter(is_paused, purse.readings)
    kinds = " and ".join(sorted({"surplus" if is_surplus(r) else "on-demand" for r in stopped}))
    return (
        f"{kinds.capitalize()} leases are paused: access is off and nothing is charged. {_wiped(wipe)} "
        if kinds
        else ""
    )


def _stops(level: Level, purse: Wallet, kept: timedelta, now: datetime) -> str:
    """Surplus first, an hour before the end as it looks now; what goes on makes more than an hour of that hour."""
    surplus = sum(r.micros_per_hour for r in purse.readings if r.runs_on_credit and is_surplus(r))
    others, left = purse.burn_micros_per_hour - surplus, timedelta(seconds=purse.seconds_left or 0)
    early = max(timedelta(), left - HOUR) if surplus else left
    said = []
    if surplus:
        when = f"About {now + early:%Y-%m-%d %H:%M} UTC surplus leases stop first"
        if level == Level.LOW_1H:
            when = "Surplus leases stop now, or when the hour that is kept aside for them is used"
        said.append(f"{when}: access is off, nothing is charged. {_wiped(now + early + kept)}")
    if others:
        pause = now + early + ((left - early) * purse.burn_micros_per_hour / others if surplus else timedelta())
        when = f"About {pause:%Y-%m-%d %H:%M} UTC on-demand leases are paused"
        said.append(f"{when}: access is off, nothing is charged. {_wiped(pause + kept)}")
    return "".join(f"{words} " for words in said)


def _wiped(at: datetime) -> str:
    return f"Their data is kept until {at:%Y-%m-%d %H:%M} UTC, then wiped."
