"""Money that runs short: surplus leases stop an hour before the others, and go on after them. No power is short."""

from datetime import datetime

import pytest
from django.test import Client

from accounts.models import Event, Organization
from billing import budgets, capping, crediting, invariants, metering, standing
from billing.models import BillingMode, Level, Promise, RuleCredit
from billing.queries.intervals import IntervalKind, Stream, intervals
from leasing.models import Interruption, Lease
from leasing.states import InterruptionState, LeaseState
from marketplace.models import Offer
from marketplace.money import MICROS
from tests.billing.conftest import HOUR, NOON, SECOND, a_quote, funded, give, money, place, running
from tests.billing.monthly import decided
from tests.billing.test_budgets import cap
from tests.billing.test_crediting import a_rule
from tests.billing.test_ladder import dates, state_of, words
from tests.leasing.conftest import work_all
from tests.leasing.interrupted import MINUTE, announced, pass_to, surplus

pytestmark = pytest.mark.django_db
ACTIVE, PAUSED = LeaseState.ACTIVE, LeaseState.PAUSED


@pytest.fixture
def spare(db: None) -> Offer:
    """Surplus nodes, at $3.60 per node-hour too."""
    return surplus(nodes=2)


def sweep(organization: Organization, hours: float, now: datetime | None = None) -> Level:
    """The sweeps of that moment, and the workers behind them."""
    now = now or NOON + hours * HOUR
    for lease in metering.due(now=now):
        metering.meter(lease=lease, upto=metering.slice_end(now), now=now)
    level = standing.enforce(organization=organization, now=now)
    for lease in Lease.objects.order_by("pk"):
        work_all(lease.offer, now=now)
    return level


def pauses() -> list[str]:
    """Names of the leases whose pause was told, in order."""
    return [event.data["name"] for event in Event.objects.filter(kind="lease.paused").order_by("id")]


def test_at_an_hour_surplus_stops_what_is_on_demand_goes_on_and_what_is_reserved_is_never_touched(
    offer: Offer, reserved: Offer, spare: Offer
) -> None:
    acme = funded(7.2 * 3 + 3.6 * 9)
    kept = place(a_quote(acme, reserved, starts_at=NOON + HOUR, ends_at=NOON + 10 * HOUR), name="kept")
    for state in (LeaseState.PROVISIONING, ACTIVE):
        kept.move_to(state, at=NOON + HOUR)
    firm, cheap = running(acme, offer), running(acme, spare)  # three hours of money for both
    assert sweep(acme, 2) == Level.LOW_24H
    assert [state_of(lease) for lease in (cheap, firm, kept)] == [ACTIVE, ACTIVE, ACTIVE]
    assert sweep(acme, 2 + 1 / 3600) == Level.LOW_1H
    assert [state_of(lease) for lease in (cheap, firm, kept)] == [PAUSED, ACTIVE, ACTIVE]
    assert (cheap.reason, cheap.deadline) == ("out_of_funds", NOON + 26 * HOUR + SECOND)
    for hours, level in ((2.1, Level.LOW_24H), (2.9, Level.LOW_24H), (3.5, Level.LOW_1H), (3.9, Level.LOW_1H)):
        assert (sweep(acme, hours), state_of(firm)) == (level, ACTIVE)  # an hour of both is nearly two of one
    assert sweep(acme, 4) == Level.EMPTY
    assert [state_of(lease) for lease in (cheap, firm, kept)] == [PAUSED, PAUSED, ACTIVE]
    assert len(pauses()) == 2 and len(words("wallet.empty")) == 1


def test_the_notices_say_that_surplus_stops_first_and_until_when_the_rest_lasts(offer: Offer, spare: Offer) -> None:
    acme = funded(7.2 * 20)
    running(acme, offer)
    running(acme, spare)
    sweep(acme, 1)
    (day,) = words("wallet.low_24h")
    stop, rest = NOON + 19 * HOUR, NOON + 21 * HOUR  # the last hour of both is two of what goes on
    assert dates(day) == [stop, stop + 24 * HOUR, rest, rest + 24 * HOUR]
    assert "surplus leases stop first" in day
    sweep(acme, 19.1)
    (hour,) = words("wallet.low_1h")
    assert dates(hour) == [NOON + 43.1 * HOUR, NOON + 20.9 * HOUR, NOON + 44.9 * HOUR]
    assert "Surplus leases stop now" in hour and "on-demand leases are paused" in hour
    (own,) = words("lease.paused")
    assert "surplus leases stop first" in own and "for two hours" in own and "Top up" in own
    assert (sweep(acme, 19.2), sweep(acme, 20.4)) == (Level.LOW_24H, Level.LOW_1H)
    (_, again) = words("wallet.low_1h")  # now of what is on demand alone
    assert "urplus" not in again and dates(again) == [NOON + 20.9 * HOUR, NOON + 44.9 * HOUR]


def test_a_top_up_resumes_what_is_on_demand_before_surplus_and_surplus_for_two_hours_of_both(
    offer: Offer, spare: Offer
) -> None:
    acme = funded(7.2 * 2)
    firm, cheap = running(acme, offer), running(acme, spare)
    sweep(acme, 1.5)
    sweep(acme, 2.5)
    assert (state_of(firm), state_of(cheap)) == (PAUSED, PAUSED)
    give(acme, 3.6 + 2 * 7.2 - 0.01)
    sweep(acme, 3)
    assert (state_of(firm), state_of(cheap)) == (ACTIVE, PAUSED)
    give(acme, 0.01)
    assert sweep(acme, 3) == Level.LOW_24H
    assert (state_of(firm), state_of(cheap)) == (ACTIVE, ACTIVE)
    assert sweep(acme, 3.1) == Level.LOW_24H


def test_it_stops_once_and_does_not_come_and_go(offer: Offer, spare: Offer) -> None:
    acme = funded(7.2 * 3)
    firm = running(acme, offer)
    running(acme, spare)
    for minutes in range(100, 235, 5):
        sweep(acme, minutes / 60)
    assert (pauses(), state_of(firm)) == (["training"], ACTIVE)
    sweep(acme, 4)
    assert len(pauses()) == 2


def test_alone_it_stops_with_an_hour_left_and_the_wallet_is_not_called_empty(spare: Offer) -> None:
    acme = funded(3.6 * 3)
    lease = running(acme, spare)
    assert sweep(acme, 2.25) == sweep(acme, 5) == Level.LOW_1H
    assert (state_of(lease), money(acme, NOON + 5 * HOUR).available_micros) == (PAUSED, 2_700_000)
    assert len(words("wallet.low_1h")) == 1 and not words("wallet.empty")
    give(acme, 4.5)
    sweep(acme, 6)
    assert state_of(lease) == ACTIVE
    assert sweep(acme, 6) == Level.LOW_24H


def test_the_hour_that_is_kept_aside_for_it_is_its_own(offer: Offer, spare: Offer) -> None:
    acme = funded(3.6 * 1.5)
    lease = running(acme, spare)
    assert sweep(acme, 0.75) == Level.LOW_1H
    assert state_of(lease) == ACTIVE
    sweep(acme, 1)
    assert (state_of(lease), money(acme, NOON + HOUR).available_micros) == (PAUSED, 1_800_000)


def test_a_lease_that_stops_for_money_was_not_interrupted_and_is_not_credited(offer: Offer, spare: Offer) -> None:
    a_rule(Promise.SHORT_NOTICE, from_seconds=60, percent=100)
    acme = funded(7.2 * 2)
    running(acme, offer)
    lease = running(acme, spare)
    row = announced(lease, now=NOON + HOUR)  # from two o'clock on, for two hours
    sweep(acme, 1.5)
    assert (state_of(lease), lease.reason) == (PAUSED, "out_of_funds")
    pass_to(lease, NOON + 2 * HOUR)
    row.refresh_from_db()
    assert (row.state, row.paused_at, row.short_seconds) == (InterruptionState.PAUSED, None, 0)
    for one in crediting.due(now=NOON + 3 * HOUR):
        assert crediting.credit(lease=one, now=NOON + 3 * HOUR) == 0
    kinds = {row.kind for row in intervals(lease=lease, at=NOON + 3 * HOUR).of(Stream.ALLOCATION)}
    assert IntervalKind.PAUSE in kinds and IntervalKind.POWER_PAUSE not in kinds
    assert not RuleCredit.objects.exists() and not list(invariants.broken(now=NOON + 3 * HOUR))


def test_without_an_announcement_none_of_its_interruptions_is_used(spare: Offer) -> None:
    acme = funded(3.6 * 3)
    lease = running(acme, spare)
    sweep(acme, 2.25)
    assert state_of(lease) == PAUSED and not Interruption.objects.exists()


def test_what_a_budget_had_stopped_comes_back_by_the_same_rule(spare: Offer) -> None:
    acme = funded(3.6 * 3)
    budget = cap(acme, 5)
    lease = running(acme, spare)
    capping.enforce(organization=acme, now=NOON + 80 * MINUTE)
    work_all(spare, now=NOON + 80 * MINUTE)
    assert (state_of(lease), lease.reason) == (PAUSED, "budget_reached")
    budgets.change(budget=budget, limit_micros=50 * MICROS, actor="user:us_tests", now=NOON + 2 * HOUR)
    capping.enforce(organization=acme, now=NOON + 2 * HOUR)
    work_all(spare, now=NOON + 2 * HOUR)
    assert state_of(lease) == PAUSED  # 100 minutes of money
    give(acme, 1.2)
    capping.enforce(organization=acme, now=NOON + 2 * HOUR)
    work_all(spare, now=NOON + 2 * HOUR)
    assert state_of(lease) == ACTIVE


def test_who_pays_later_is_told_of_credit_and_of_invoices(spare: Offer) -> None:
    acme = funded(0)
    decided(acme, NOON, mode=BillingMode.METERED, credit_micros=round(3.6 * 3 * MICROS))
    running(acme, spare)
    sweep(acme, 2.25)
    (own,) = words("lease.paused")
    assert "an hour of credit" in own and "Pay an open invoice" in own and "Top up" not in own


def test_the_pages_say_what_stopped_and_what_brings_it_back(
    acme: Organization, offer: Offer, spare: Offer, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def page(address: str) -> str:
        return " ".join(browser.get(address).content.decode().split())

    lease = running(acme, spare)
    late = NOON + 27 * HOUR  # of $100.00 at $3.60 an hour 46 minutes are left
    monkeypatch.setattr("billing.views.wallet.now", lambda: late)
    assert "surplus leases" in page("/wallet/").lower()
    sweep(acme, 0, now=late)
    state_of(lease)
    seen = page(f"/leases/{lease.public_id}/")
    assert "surplus leases stop first" in seen and "the wallet is empty" not in seen and "for two hours" in seen
    assert "Surplus leases are paused." in page("/wallet/")
    assert "paused first" in page(f"/offers/{spare.public_id}/")
