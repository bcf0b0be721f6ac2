"""The sweeps: each finds its own work, and one bad row does not stop the rest."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from accounts.clock import now
from accounts.models import Organization
from accounts.operations import for_each
from billing import metered, operations, payments, reconciling, tasks, waiting
from billing.models import (
    BillingAccount,
    BillingMode,
    Export,
    Invoice,
    Meter,
    MeteredSubscription,
    Movement,
    Payment,
    Posting,
    PostingKind,
    Reconciliation,
    Standing,
    StandingOrder,
)
from billing.payments.base import GatewaySilent
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


def billed(name: str, reference: str | None) -> Organization:
    """It pays by the month, and owes something of yesterday; with a subscription at the processor, or none yet."""
    organization = funded(10, name)
    operations.account_of(organization)
    BillingAccount.objects.filter(organization=organization).update(
        mode=BillingMode.METERED, customer_reference=f"cus_{organization.public_id}"
    )
    started = now() - timedelta(days=1) if reference else None
    MeteredSubscription.objects.create(organization=organization, reference=reference, started_at=started)
    return organization


def silent(*_: object, **__: object) -> Mapping[str, Exception]:
    raise GatewaySilent("nobody answers")


def test_with_a_processor_that_does_not_answer_charges_are_written_down_all_the_same(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    billed("Acme", "sub_acme")
    billed("Borealis", None)
    monkeypatch.setattr(metered, "_price", silent)  # the price does not exist yet
    tasks.bill_monthly()
    assert Export.objects.get().organization.name == "Acme"


def test_one_bad_account_does_not_stop_the_others(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = billed("Bad", None), billed("Good", None)
    asked = []

    def ask(account: BillingAccount, *_: object) -> None:
        asked.append(account.organization)
        if account.organization == bad:
            raise ValueError

    monkeypatch.setattr(metered, "_price", lambda *_: "price_1")
    monkeypatch.setattr(metered, "_see_card", ask)
    monkeypatch.setattr(metered, "_ask_subscription", ask)
    failures = metered.prepare(gateway=payments.gateway(), now=now())
    assert asked == [bad, good, bad, good] and list(failures) == [bad.public_id]


def test_one_bad_fee_does_not_stop_the_comparison(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    yesterday = now() - timedelta(days=1, hours=2)
    moved = {"kind": "charge", "at": yesterday, "amount_cents": 100, "fee_cents": 10}
    Movement.objects.bulk_create(Movement(reference=f"txn_{name}", source=f"ch_{name}", **moved) for name in "ab")
    for name in "ab":
        Payment.objects.create(
            organization=acme, amount_cents=100, charge_reference=f"ch_{name}", created_at=now(), next_check_at=now()
        )
    monkeypatch.setattr(reconciling, "read", lambda **_: None)
    post = operations.post

    def failing(**said: Any) -> Posting:
        if said["key"] == "fee:txn_a":
            raise ValueError
        return post(**said)

    monkeypatch.setattr(operations, "post", failing)
    tasks.reconcile()
    assert Posting.objects.get(kind=PostingKind.PROCESSOR_FEE).key == "fee:txn_b"
    assert Reconciliation.objects.exists()


def test_a_sweep_that_fails_as_a_whole_does_not_stop_the_next_but_silence_does(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def bad(**_: object) -> Mapping[str, Exception]:
        raise ValueError

    def good(**_: object) -> Mapping[str, Exception]:
        done.append("good")
        return {}

    tasks.ask(bad, good)
    tasks.ask(silent, good)
    assert done == ["good"]


def test_a_task_that_is_over_its_time_ends(db: None) -> None:
    def over(*_: object, **__: object) -> Mapping[str, Exception]:
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        for_each([1, 2], over)
    with pytest.raises(SoftTimeLimitExceeded):
        tasks.ask(over)
