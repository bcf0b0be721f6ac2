"""A wallet that runs dry: told at a day, told at an hour, paused at nothing; resumed by a top-up. Never silently."""

from datetime import datetime

import pytest

from accounts.models import Event, Organization
from billing import metering, standing
from billing.models import Level
from leasing import schedule
from leasing.models import Lease
from leasing.states import LeaseState
from marketplace.models import Offer
from tests import factories
from tests.billing.conftest import HOUR, NOON, SECOND, a_quote, balance, funded, give, money, place, running
from tests.leasing.conftest import work_all

pytestmark = pytest.mark.django_db


def enforce(organization: Organization, now: datetime) -> Level:
    for lease in metering.due(now=now):
        metering.meter(lease=lease, upto=metering.slice_end(now), now=now)
    return standing.enforce(organization=organization, now=now)


def state_of(lease: Lease) -> str:
    lease.refresh_from_db()
    return lease.state


def told(kind: str) -> int:
    return Event.objects.filter(kind=kind, notice__isnull=False).count()


def test_each_rung_is_told_once_on_the_way_down(offer: Offer) -> None:
    acme = funded(3.6 * 169)
    running(acme, offer)
    assert enforce(acme, NOON) == Level.FINE
    week, day, hour = Level.LOW_7D, Level.LOW_24H, Level.LOW_1H
    for hours, level in ((2, week), (3, week), (146, day), (147, day), (168.5, hour), (168.6, hour)):
        assert enforce(acme, NOON + hours * HOUR) == level
    assert [told(f"wallet.{level}") for level in (week, day, hour, Level.EMPTY)] == [1, 1, 1, 0]


def test_a_top_up_resets_the_ladder_and_the_next_dip_is_told_again(offer: Offer) -> None:
    acme = funded(3.6 * 10)
    running(acme, offer)
    assert enforce(acme, NOON) == Level.LOW_24H
    give(acme, 720)
    assert enforce(acme, NOON + SECOND) == Level.FINE
    assert enforce(acme, NOON + 190 * HOUR) == Level.LOW_24H
    assert told("wallet.low_24h") == 2


def test_at_nothing_the_lease_is_paused_and_its_data_kept_for_the_promised_time(offer: Offer) -> None:
    acme = funded(3.6 * 2)
    lease = running(acme, offer)
    enforce(acme, NOON + 2 * HOUR - SECOND)
    assert state_of(lease) == LeaseState.ACTIVE
    assert enforce(acme, NOON + 2 * HOUR) == Level.EMPTY
    assert state_of(lease) == LeaseState.PAUSED
    assert (lease.reason, lease.deadline) == ("out_of_funds", NOON + 26 * HOUR)
    assert (told("wallet.empty"), told("lease.paused")) == (1, 1)
    assert money(acme, NOON + 20 * HOUR).available_micros == 0


def test_a_paused_lease_resumes_after_a_top_up_for_its_next_hour(offer: Offer) -> None:
    acme = funded(3.6)
    lease = running(acme, offer)
    enforce(acme, NOON + HOUR)
    work_all(offer, now=NOON + HOUR)  # the worker pauses the machine
    give(acme, 3.5)
    enforce(acme, NOON + 2 * HOUR)
    assert state_of(lease) == LeaseState.PAUSED  # not enough for an hour
    give(acme, 0.2)
    assert enforce(acme, NOON + 3 * HOUR) == Level.EMPTY  # still paused, being resumed
    assert money(acme, NOON + 3 * HOUR).available_micros == 100_000
    work_all(offer, now=NOON + 3 * HOUR)
    assert state_of(lease) == LeaseState.ACTIVE
    assert enforce(acme, NOON + 3 * HOUR) == Level.LOW_24H
    assert told("lease.resumed") == 1
    assert enforce(acme, NOON + 4 * HOUR + 100 * SECOND) == Level.EMPTY
    assert money(acme, NOON + 4 * HOUR + 100 * SECOND).available_micros == 0


def test_a_lease_whose_worker_had_not_paused_it_yet_is_resumed_by_a_later_sweep(offer: Offer) -> None:
    acme = funded(3.6)
    lease = running(acme, offer)
    enforce(acme, NOON + HOUR)
    give(acme, 10)
    enforce(acme, NOON + HOUR + SECOND)
    work_all(offer, now=NOON + HOUR + 2 * SECOND)
    enforce(acme, NOON + HOUR + 3 * SECOND)
    work_all(offer, now=NOON + HOUR + 4 * SECOND)
    assert state_of(lease) == LeaseState.ACTIVE
    assert Event.objects.filter(kind="lease.resuming").count() == 1


def test_when_the_deadline_passes_the_lease_ends_and_is_wiped(offer: Offer) -> None:
    acme = funded(3.6)
    lease = running(acme, offer)
    enforce(acme, NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    schedule.run_due(now=NOON + 25 * HOUR)
    work_all(offer, now=NOON + 25 * HOUR)
    assert state_of(lease) == LeaseState.ENDED
    assert lease.reason == "out_of_funds"
    assert enforce(acme, NOON + 25 * HOUR + SECOND) == Level.FINE
    assert balance(acme) == 0


def test_a_reserved_lease_is_never_touched(reserved: Offer) -> None:
    acme = funded(7.2)
    lease = place(a_quote(acme, reserved, starts_at=NOON + HOUR, ends_at=NOON + 3 * HOUR))
    lease.move_to(LeaseState.PROVISIONING, at=NOON + HOUR)
    lease.move_to(LeaseState.ACTIVE, at=NOON + HOUR)
    assert enforce(acme, NOON + 2 * HOUR) == Level.FINE
    assert state_of(lease) == LeaseState.ACTIVE


def test_on_demand_leases_cannot_eat_what_is_held_for_a_reservation(offer: Offer, reserved: Offer) -> None:
    acme = funded(36 + 7.2)
    place(a_quote(acme, reserved, starts_at=NOON + 48 * HOUR, ends_at=NOON + 58 * HOUR))
    lease = running(acme, offer)
    assert enforce(acme, NOON + 2 * HOUR - SECOND) == Level.LOW_1H
    assert enforce(acme, NOON + 2 * HOUR) == Level.EMPTY
    assert state_of(lease) == LeaseState.PAUSED
    assert balance(acme) >= 36_000_000


def test_a_lease_with_money_of_its_own_left_goes_on_while_others_pause(offer: Offer) -> None:
    acme = funded(3.6 * 2)
    first = running(acme, offer)
    second = running(acme, offer, now=NOON + 1800 * SECOND)
    enforce(acme, NOON + HOUR)
    assert (state_of(first), state_of(second)) == (LeaseState.PAUSED, LeaseState.ACTIVE)


def test_only_organizations_with_something_at_stake_are_looked_at(offer: Offer) -> None:
    acme, _ = funded(36), funded(36, "Idle")
    assert list(standing.at_stake()) == []
    running(acme, offer)
    assert list(standing.at_stake()) == [acme]


def test_a_lease_that_costs_nothing_is_not_paused_for_an_empty_wallet() -> None:
    penniless = funded(0)
    lease = running(penniless, factories.an_offer(factories.a_pool(nodes=1), micros=0))
    assert enforce(penniless, NOON + HOUR) == Level.FINE
    assert state_of(lease) == LeaseState.ACTIVE
