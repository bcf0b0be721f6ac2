"""
The ladder of a wallet that runs dry: told at a week, told at a day, told at an hour, paused at nothing, resumed after a
top-up. From a day on it tops up by itself, where that is on (`billing.topping_up`); from an hour on no new on-demand
lease is taken (`billing.checkout`).

Only on-demand leases stand on it. A lease with money of its own left in its hold is never paused.
"""

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
from leasing.models import Lease
from leasing.states import LeaseState
from marketplace.models import PlanKind
from marketplace.money import SECONDS_PER_HOUR, format_micros

OUT_OF_FUNDS = "out_of_funds"
ACTOR = "system:billing"
RUNGS = list(Level)
STOPS = (PlanKind.SURPLUS, PlanKind.ON_DEMAND, PlanKind.RESERVED)  # kinds of plans, what stops first before all
RUNG_HOURS = ((Level.LOW_1H, 1), (Level.LOW_24H, 24), (Level.LOW_7D, 7 * 24))  # less than so many hours
WORDS = {
    Level.LOW_7D: "Less than 7 days of money left",
    Level.LOW_24H: "Less than 24 hours of money left",
    Level.LOW_1H: "Less than an hour of money left",
    Level.EMPTY: "The wallet is empty",
}


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
    _pause_unpaid(organization, before, now)
    _resume_paid(organization, before, now)
    return _tell(organization, before, now)


def level_of(purse: Wallet) -> Level:
    """The rung for what is left: hours of the leases that run, or nothing for those that were paused."""
    if purse.seconds_left is None:
        return Level.EMPTY if any(map(_is_paused, purse.readings)) else Level.FINE
    if purse.seconds_left <= 0:
        return Level.EMPTY
    hours = purse.seconds_left / SECONDS_PER_HOUR
    return next((level for level, least in RUNG_HOURS if hours < least), Level.FINE)


def _pause_unpaid(organization: Organization, purse: Wallet, now: datetime) -> None:
    if purse.available_micros > 0:
        return
    until = now + timedelta(hours=organization.data_retention_hours)
    pays_later = mode_of(organization) != BillingMode.PREPAID
    for reading in sorted(purse.readings, key=lambda reading: STOPS.index(reading.meter.lease.offer.plan.kind)):
        if reading.runs_on_credit and reading.held_micros == 0:
            lease = reading.meter.lease
            words = _credit_used(lease, until) if pays_later else None
            leasing.operations.pause(lease=lease, reason=OUT_OF_FUNDS, until=until, actor=ACTOR, now=now, notice=words)


def _credit_used(lease: Lease, until: datetime) -> Words:
    """Who pays later has no wallet to fill."""
    return {
        "title": f"{lease.name} is paused",
        "text": "Your credit is used, so access is off and nothing is charged. Your data, keys and address are kept "
        f"until {until:%Y-%m-%d %H:%M} UTC. {LATER} before then and the lease goes on by itself.",
        "path": "/invoices/",
    }


def _resume_paid(organization: Organization, purse: Wallet, now: datetime) -> None:
    """Paused longest, resumed first; each takes its next hour out of what is available, as an order does."""
    available = purse.available_micros
    for reading in sorted(filter(_is_paused, purse.readings), key=lambda r: r.meter.lease.state_since):
        if reading.held_micros == 0:
            if available < reading.micros_per_hour or not fits(reading, now):
                continue
            available -= reading.micros_per_hour
            hold_an_hour(reading, now)
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


def _is_paused(reading: Reading) -> bool:
    lease = reading.meter.lease
    return lease.state == LeaseState.PAUSED and lease.reason == OUT_OF_FUNDS


def _tell(organization: Organization, purse: Wallet, now: datetime) -> Level:
    """Each rung once on the way down; the way up is silent."""
    level = level_of(purse)
    standing, _ = Standing.objects.get_or_create(organization=organization, defaults={"since": now})
    if level == standing.level:
        return level
    if RUNGS.index(level) > RUNGS.index(Level(standing.level)):
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
            "text": f"{WORDS[level]}: {format_micros(left)} are available and running leases use "
            f"{format_micros(purse.burn_micros_per_hour)} per hour. {_what_comes(organization, level, purse, now)}",
            "path": "/wallet/",
        },
    )


def _what_comes(organization: Organization, level: Level, purse: Wallet, now: datetime) -> str:
    """When leases pause and when their data is wiped, as it looks now; and the way out."""
    pause = now + timedelta(seconds=purse.seconds_left or 0)
    wipe = pause + timedelta(hours=organization.data_retention_hours)
    pay, way_out = "top up", "Top up, or switch automatic top-up on,"
    if mode_of(organization) != BillingMode.PREPAID:
        pay, way_out = "pay an open invoice", LATER
    if level == Level.EMPTY:
        paused = "On-demand leases are paused: access is off and nothing is charged."
    else:
        paused = f"About {pause:%Y-%m-%d %H:%M} UTC on-demand leases are paused: access is off, nothing is charged."
    refused = f" Until you {pay}, no new on-demand lease is taken." if level in (Level.LOW_1H, Level.EMPTY) else ""
    return (
        f"{paused} Their data is kept until {wipe:%Y-%m-%d %H:%M} UTC, then wiped. Reserved leases are paid and go on."
        f"{refused} {way_out} and everything goes on by itself."
    )
