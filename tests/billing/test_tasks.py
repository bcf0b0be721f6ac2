"""The sweeps: each finds its own work, and one bad row does not stop the rest."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.clock import now
from accounts.models import Organization
from billing import tasks, waiting
from billing.models import Invoice, Meter, Standing, StandingOrder
from leasing.operations import end
from leasing.states import LeaseState
from marketplace.models import Offer
from tests.billing.conftest import NOON, SECOND, assert_books_balance, balance, funded, running

pytestmark = pytest.mark.django_db


def test_one_broken_meter_does_not_stop_the_others(acme: Organization, offer: Offer) -> None:
    leases = [running(acme, offer) for _ in range(3)]
    for lease in leases:
        end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + 60 * SECOND)
    Meter.objects.filter(lease=leases[0]).update(micros_per_node_hour=-1)
    tasks.meter()
    assert [bool(row.closed_at) for row in Meter.objects.order_by("pk")] == [False, True, True]
    tasks.meter()
    assert_books_balance()


def test_a_running_lease_is_charged_by_the_full_hour(acme: Organization, offer: Offer) -> None:
    begun = now() - timedelta(hours=3)
    lease = running(acme, offer, now=begun)
    tasks.meter()
    tasks.meter()
    row = Meter.objects.get(lease=lease)
    assert row.metered_until and row.metered_until.minute == 0
    assert row.charged_micros == row.seconds * 1000 == 100_000_000 - balance(acme)
    assert timedelta(hours=1) < row.metered_until - begun <= timedelta(hours=3)


def test_a_wallet_that_is_empty_is_noticed_by_the_sweep(offer: Offer) -> None:
    poor = funded(3.6)
    lease = running(poor, offer, now=now() - timedelta(hours=2))
    tasks.enforce_standing()
    lease.refresh_from_db()
    assert lease.state == LeaseState.PAUSED
    assert Standing.objects.get(organization=poor).level == "empty"


def test_those_who_wait_are_served_by_the_sweep_and_one_bad_order_does_not_stop_the_rest(
    acme: Organization, offer: Offer
) -> None:
    wish = waiting.Wish(mode="tell", nodes=1)
    who: dict[str, Any] = {"organization": acme, "actor": "user:us_tests", "created_by": None, "now": now()}
    bad, good = (waiting.join(wish=wish, name="wait", setup=None, **who) for _ in range(2))
    StandingOrder.objects.filter(pk=bad.pk).update(criteria={"no such": 1})
    tasks.fill_standing_orders()
    assert list(StandingOrder.objects.filter(state="filled")) == [good]


def test_last_months_are_invoiced_by_the_sweep_once_they_are_metered(acme: Organization, offer: Offer) -> None:
    first = now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    lease = running(acme, offer, now=first - timedelta(hours=2))
    end(lease=lease, reason="returned", actor="user:us_tests", now=first - timedelta(hours=1))
    tasks.close_invoices()
    assert not Invoice.objects.exists()
    tasks.meter()
    tasks.close_invoices()
    tasks.close_invoices()
    assert Invoice.objects.get().total_cents == 360
