"""What is charged reaches the processor's meter once, whatever happens on the way, and never too late to be billed."""

from datetime import timedelta

import pytest
from django.db import ProgrammingError, transaction

from accounts.models import Event, Organization
from billing import card_invoices, exporting, operations, payments
from billing.models import (
    AccountKind,
    CallKind,
    CallState,
    Export,
    ExportState,
    ExportWay,
    GatewayCall,
    MeteredPrice,
    MeteredSubscription,
    PostingKind,
)
from marketplace.models import Offer
from tests.billing.conftest import a_quote, funded, give, place
from tests.billing.monthly import (
    APRIL,
    DAY,
    HOUR,
    MARCH,
    MAY,
    a_card,
    charge,
    decided,
    invoices,
    metered_micros,
    monthly,
    processor,
    sweep,
    to,
)
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db
EVENTS = "/v1/billing/meter_events"


@pytest.fixture
def acme(time: StripeStandin, db: None) -> Organization:
    """It pays by the month since noon of the second of March."""
    return monthly(funded(0), MARCH).organization


def rows() -> list[tuple[int, int, str, str]]:
    """Charged, told, how, and whether it is there."""
    return list(Export.objects.order_by("pk").values_list("micros", "value_micros", "way", "state"))


def counted(organization: Organization) -> int:
    return metered_micros(organization, MARCH, APRIL)


def test_meter_price_and_subscription_are_made_once_and_found_again(acme: Organization, time: StripeStandin) -> None:
    other = funded(0, "Other Ltd")
    first = MeteredSubscription.objects.get(organization=acme)
    MeteredPrice.objects.all().delete()  # another database, the same processor
    second = monthly(other, MARCH)
    client = processor()
    prices = client.v1.prices.list({"lookup_keys": ["compute_usd_micros"]})
    assert [str(price.unit_amount_decimal) for price in prices] == ["0.0001"]
    assert len(client.v1.billing.meters.list({"status": "active"}).data) == 1
    assert first.reference and second.reference and first.reference != second.reference
    found = client.v1.subscriptions.retrieve(first.reference)
    assert found["items"].data[0].current_period_end == APRIL.timestamp()  # the UTC month


def test_each_hour_and_lease_is_told_once(acme: Organization, time: StripeStandin, offer: Offer) -> None:
    lease = place(a_quote(acme, offer, now=MARCH), now=MARCH)
    for minute, micros, of in [(1, 700, lease), (2, 50, None), (59, 300, lease), (60, 40, lease)]:
        charge(acme, micros, MARCH + minute * timedelta(minutes=1), lease=of)
    sweep(MARCH + HOUR - timedelta(seconds=1))
    assert rows() == []  # the hour is not over
    for later in (HOUR, HOUR, 90 * timedelta(minutes=1)):
        sweep(to(time, MARCH + later))
    assert rows() == [(50, 50, "event", "counted"), (1000, 1000, "event", "counted")]
    assert Export.objects.last().identifier == f"{acme.public_id}:2026-03-02T12:1"  # type: ignore[union-attr]
    assert {row.identifier for row in Export.objects.exclude(lease=None)} == {f"{lease.public_id}:2026-03-02T12:1"}
    charge(acme, 5, MARCH + timedelta(minutes=30), lease=lease)  # late news of an hour that was told
    sweep(to(time, MARCH + 3 * HOUR))
    assert {row.revision for row in Export.objects.filter(micros=5)} == {2}
    assert counted(acme) == 1000 + 50 + 40 + 5


def test_adjustments_and_credits_are_billed_and_what_a_bank_takes_back_is_not(
    acme: Organization, time: StripeStandin
) -> None:
    moved = {
        PostingKind.USAGE: (-9000, AccountKind.REVENUE),
        PostingKind.ADJUSTMENT: (-500, AccountKind.ADJUSTMENTS),
        PostingKind.PROMISE_CREDIT: (1200, AccountKind.REVENUE),
        PostingKind.DISPUTE: (-70_000, AccountKind.CLEARING),
        PostingKind.DISPUTE_RETURNED: (70_000, AccountKind.CLEARING),
        PostingKind.PROCESSOR_FEE: (0, AccountKind.FEES),
    }
    for kind, (micros, other) in moved.items():
        own = AccountKind.WALLET if micros else AccountKind.CLEARING
        amounts = {own: micros or 15, other: -(micros or 15)}
        operations.post(organization=acme, kind=kind, key=f"tests:{kind}", at=MARCH, amounts=amounts)
    sweep(to(time, MARCH + 2 * HOUR))
    assert counted(acme) == 9000 + 500 - 1200


def test_what_is_less_than_nothing_is_carried_and_taken_off_what_comes_next(
    acme: Organization, time: StripeStandin
) -> None:
    for hour, micros in enumerate([100, -250, 60, 300]):
        charge(acme, micros, MARCH + hour * HOUR)
    sweep(to(time, MARCH + 3 * HOUR))
    assert rows() == [
        (100, 100, "event", "counted"),
        (-250, 0, "nothing", "counted"),
        (60, 0, "nothing", "counted"),
    ]
    assert MeteredSubscription.objects.get(organization=acme).carry_micros == -190
    sweep(to(time, MARCH + 4 * HOUR))
    assert rows()[-1] == (300, 110, "event", "counted")
    assert counted(acme) == 100 - 250 + 60 + 300


def test_without_that_rule_the_processor_would_keep_it(acme: Organization, time: StripeStandin) -> None:
    reference = acme.billing_account.customer_reference or ""
    for micros in ("100", "-250"):
        payload = {"stripe_customer_id": reference, "value": micros}
        processor().v1.billing.meter_events.create({"event_name": "compute_usd_micros", "payload": payload})
    to(time, APRIL + 2 * HOUR)
    assert next(invoice.total for invoice in invoices(acme)) == 0  # and 150 are lost


def test_money_and_credit_given_are_taken_off_and_payments_of_invoices_are_not(
    acme: Organization, time: StripeStandin
) -> None:
    give(acme, 0.0001, MARCH)  # 100 micro-dollars
    charge(acme, 150, MARCH + HOUR)
    sweep(to(time, MARCH + 2 * HOUR))
    assert counted(acme) == 50


def test_it_is_told_of_nothing_from_before_it_paid_by_the_month(time: StripeStandin, db: None) -> None:
    late = funded(0, "Late Ltd")
    charge(late, 500, MARCH)
    give(late, 0.001, MARCH)  # 1,000: half of it is left
    monthly(late, MARCH + timedelta(minutes=10))
    charge(late, 800, MARCH + timedelta(minutes=20))
    sweep(to(time, MARCH + HOUR))
    assert counted(late) == 300


@pytest.mark.parametrize("mode", ["apply_then_500", "apply_then_close", "429", "503", "close", "lock_timeout"])
def test_whatever_the_processor_does_it_is_counted_once(acme: Organization, time: StripeStandin, mode: str) -> None:
    charge(acme, 1234, MARCH)
    charge(acme, 66, MARCH + HOUR)
    time.faults(path=EVENTS, mode=mode, times=3)
    for minutes in (120, 125, 130, 140):
        sweep(to(time, MARCH + minutes * timedelta(minutes=1)))
    assert {state for *_, state in rows()} == {ExportState.COUNTED}
    assert counted(acme) == 1300


def test_a_key_that_is_forgotten_counts_nothing_twice(acme: Organization, time: StripeStandin) -> None:
    charge(acme, 1234, MARCH)
    time.faults(path=EVENTS, mode="apply_then_close", times=3)
    sweep(to(time, MARCH + HOUR))
    time.forget_keys()
    sweep(to(time, MARCH + 2 * HOUR))  # the identifier is still known there: refused, so it is counted
    assert rows() == [(1234, 1234, "event", "counted")] and counted(acme) == 1234


@pytest.mark.parametrize(("mode", "way"), [("apply_then_close", ExportWay.EVENT), ("close", ExportWay.ITEM)])
def test_an_uncertain_event_is_settled_by_reading_the_meter_and_never_sent_again(
    acme: Organization, time: StripeStandin, mode: str, way: ExportWay
) -> None:
    charge(acme, 70, MARCH)
    charge(acme, 1234, MARCH, lease=None)
    time.faults(path=EVENTS, mode=mode, times=3)
    sweep(to(time, MARCH + HOUR))
    time.forget_keys()
    for hours in (25, 27, 29):
        sweep(to(time, MARCH + hours * HOUR))
    final = Export.objects.order_by("pk").last()
    assert final and (final.way, final.state, final.value_micros) == (way, ExportState.COUNTED, 1304)
    assert counted(acme) == (1304 if way == ExportWay.EVENT else 0)
    assert GatewayCall.objects.filter(kind=CallKind.METER_EVENT, state=CallState.FAILED).exists() != (
        way == ExportWay.EVENT
    )
    to(time, APRIL + 2 * HOUR)
    assert invoices(acme)[0].total == 0 and invoices(acme)[0].subtotal == 0  # a tenth of a cent


def test_what_the_meter_has_besides_is_never_guessed_at(acme: Organization, time: StripeStandin) -> None:
    charge(acme, 1234, MARCH)
    time.faults(path=EVENTS, mode="close", times=3)
    sweep(to(time, MARCH + HOUR))
    payload = {"stripe_customer_id": acme.billing_account.customer_reference or "", "value": "7"}
    stamp = int((Export.objects.get().at + timedelta(seconds=5)).timestamp())
    processor().v1.billing.meter_events.create(
        {"event_name": "compute_usd_micros", "payload": payload, "timestamp": stamp}
    )
    problems = [f"{sweep(to(time, MARCH + days * DAY + 2 * HOUR))}" for days in (1, 2, 5)]
    assert all("the meter has 7 of" in words for words in problems), problems
    assert rows() == [(1234, 1234, "event", "pending")]


def test_an_hour_of_a_month_that_may_be_final_goes_on_the_next_invoice(acme: Organization, time: StripeStandin) -> None:
    charge(acme, 30_000, APRIL - HOUR)
    charge(acme, 20_000, APRIL - 2 * HOUR)
    with_grace = APRIL + timedelta(minutes=29)
    assert exporting.still_billed(APRIL - HOUR, with_grace)
    sweep(to(time, APRIL + timedelta(minutes=31)))
    assert [way for _, _, way, _ in rows()] == [ExportWay.ITEM, ExportWay.ITEM]
    to(time, APRIL + 2 * HOUR)
    to(time, MAY + 2 * HOUR)
    may, april, _ = invoices(acme)
    assert (may.total, april.total) == (5, 0)
    assert counted(acme) == 0


def test_an_event_that_waited_until_it_was_too_old_goes_on_an_invoice_too(
    acme: Organization, time: StripeStandin
) -> None:
    charge(acme, 30_000, MARCH)
    exporting.export(organization=acme, now=MARCH + HOUR)
    sweep(to(time, MARCH + 36 * DAY))
    sweep(MARCH + 36 * DAY)
    assert rows() == [(30_000, 30_000, "event", "failed"), (0, 30_000, "item", "counted")]


def test_an_item_that_is_refused_as_well_is_told_to_staff(acme: Organization, time: StripeStandin) -> None:
    row = exporting.missed(organization=acme, month_end=APRIL, micros=5, now=MARCH)
    GatewayCall.objects.filter(subject=row.identifier).update(body={"nonsense": "1"})
    sweep(MARCH)
    assert Export.objects.get().state == ExportState.FAILED
    event = Event.objects.get(kind="metered.not_billed")
    assert event.organization is None and event.notice


def test_many_sweeps_at_once_and_later_write_each_row_once(acme: Organization) -> None:
    charge(acme, 1, MARCH)
    assert len(exporting.export(organization=acme, now=MARCH + HOUR)) == 1
    assert exporting.export(organization=acme, now=MARCH + HOUR) == []
    assert exporting.export(organization=acme, now=MARCH + 9 * HOUR) == []


def test_what_was_told_is_never_edited(acme: Organization) -> None:
    charge(acme, 1, MARCH)
    exporting.export(organization=acme, now=MARCH + HOUR)
    for change in (lambda: Export.objects.update(value_micros=2), lambda: Export.objects.all().delete()):
        with pytest.raises(ProgrammingError), transaction.atomic():
            change()


def test_going_back_ends_the_subscription_with_its_month_and_coming_again_lets_it_go_on(
    acme: Organization, time: StripeStandin
) -> None:
    reference = MeteredSubscription.objects.get(organization=acme).reference or ""
    client = processor()
    decided(acme, MARCH + HOUR, mode="prepaid")
    sweep(MARCH + HOUR)
    assert client.v1.subscriptions.retrieve(reference).cancel_at_period_end
    decided(acme, MARCH + 2 * HOUR)
    sweep(MARCH + 2 * HOUR)
    assert not client.v1.subscriptions.retrieve(reference).cancel_at_period_end
    decided(acme, MARCH + 3 * HOUR, mode="prepaid")
    sweep(MARCH + 3 * HOUR)
    to(time, APRIL + 2 * HOUR)
    assert client.v1.subscriptions.retrieve(reference).status == "canceled"
    a_card(acme)
    assert card_invoices.look(gateway=payments.gateway(), now=APRIL + 2 * HOUR) == {}  # its last month is closed
    decided(acme, APRIL + 3 * HOUR)
    sweep(to(time, APRIL + 3 * HOUR))
    assert MeteredSubscription.objects.get(organization=acme).reference != reference
