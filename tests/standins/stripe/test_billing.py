"""Meters, subscriptions and their invoices, invoices by hand, credit notes and tax, on test clocks."""

from decimal import Decimal
from typing import Any
from urllib.request import urlopen

import pytest
import stripe

from standins.stripe.periods import after, following
from tests.standins.stripe.conftest import events, fails
from tests.standins.stripe.lives import DAY, FEBRUARY, HOUR, JANUARY, MARCH, Life, at, invoice
from tests.stripe_standin import StripeStandin


def test_a_period_never_drifts_from_its_anchor() -> None:
    assert [after(JANUARY, "month", 1, n) for n in range(4)] == [JANUARY, FEBRUARY, MARCH, at("2027-04-30")]
    assert after(at("2028-02-29"), "year", 1, 1) == at("2029-02-28")
    assert following(JANUARY, "month", 1, FEBRUARY) == MARCH
    assert following(JANUARY, "week", 2, JANUARY) == JANUARY + 14 * DAY


def test_usage_is_counted_once_within_its_window_and_read_back(life: Life) -> None:
    event = life.use(1_000_000, JANUARY - HOUR, "a")
    assert (event.identifier, event.payload["value"]) == (f"{life.customer}:a", "1000000")
    with fails(stripe.InvalidRequestError, "duplicate_meter_event"):
        life.use(1_000_000, JANUARY - HOUR, "a")
    life.use(-250_000, JANUARY, "b")
    for moment in (JANUARY - 35 * DAY - 1, JANUARY + 301):
        with pytest.raises(stripe.InvalidRequestError, match="timestamp"):
            life.use(1, moment, f"late {moment}")
    life.use(5, JANUARY - 35 * DAY, "oldest")
    life.use(7, JANUARY + 300, "newest")
    assert life.used(JANUARY - DAY, JANUARY + HOUR) == [750_007.0]
    assert life.used(JANUARY - HOUR, JANUARY) == [1_000_000.0]
    hours = life.used(JANUARY - DAY, JANUARY + HOUR, value_grouping_window="hour")
    assert hours == [-249_993.0, 1_000_000.0]
    with pytest.raises(stripe.InvalidRequestError, match="aligned"):
        life.used(JANUARY + 1, JANUARY + HOUR)
    cancel: Any = {"type": "cancel", "event_name": "compute_usd_micros", "cancel": {"identifier": f"{life.customer}:a"}}
    assert life.v1.billing.meter_event_adjustments.create(cancel).status == "complete"
    assert life.used(JANUARY - HOUR, JANUARY) == [0.0]


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ({"value": "1"}, "payload"),
        ({"stripe_customer_id": "cus_nobody", "value": "1"}, "payload[stripe_customer_id]"),
        ({"stripe_customer_id": None, "value": "1.5"}, "payload[value]"),
        ({"stripe_customer_id": None, "value": "9" * 16}, "payload[value]"),
    ],
)
def test_a_wrong_event_is_refused(life: Life, payload: dict[str, Any], param: str) -> None:
    known = {name: value or life.customer for name, value in payload.items()}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        life.v1.billing.meter_events.create({"event_name": "compute_usd_micros", "payload": known})
    assert refused.value.param == param
    with pytest.raises(stripe.InvalidRequestError, match="No active meter"):
        life.v1.billing.meter_events.create({"event_name": "nothing", "payload": known})


def test_a_meter_is_stopped_and_started(client: stripe.StripeClient) -> None:
    meter = client.v1.billing.meters.create(
        {"display_name": "Jobs", "event_name": "jobs", "default_aggregation": {"formula": "count"}}
    )
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        client.v1.billing.meters.create(
            {"display_name": "Jobs", "event_name": "jobs", "default_aggregation": {"formula": "sum"}}
        )
    assert client.v1.billing.meters.update(meter.id, {"display_name": "Work"}).display_name == "Work"
    assert client.v1.billing.meters.deactivate(meter.id).status == "inactive"
    assert client.v1.billing.meters.reactivate(meter.id).status_transitions.deactivated_at is None
    client.v1.billing.meters.deactivate(meter.id)
    assert meter.id in [each.id for each in client.v1.billing.meters.list({"status": "inactive"}).data]


def test_a_period_ends_in_an_invoice_of_what_was_used_late_usage_included(life: Life) -> None:
    [first] = life.invoices()
    assert (first.billing_reason, first.total, first.status) == ("subscription_create", 0, "paid")
    life.use(12_345_678_949, JANUARY + 60, "a")
    life.advance(FEBRUARY)
    draft = life.invoices()[0]
    assert (draft.status, draft.total, draft.billing_reason) == ("draft", 1_234_568, "subscription_cycle")
    assert (draft.period_start, draft.period_end) == (JANUARY, FEBRUARY)
    life.use(100_000_000, FEBRUARY - 1, "late")
    life.use(7_000_000, FEBRUARY, "of the next month")
    life.advance(FEBRUARY + HOUR)
    paid = life.v1.invoices.retrieve(draft.id, {"expand": ["payments"]})
    [line] = paid.lines.data
    assert (line.amount, line.quantity) == (1_244_568, 12_445_678_949)
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 1_244_568, 0)
    assert paid.payments is not None and paid.number is not None and paid.number.endswith("-0002")
    intent = life.v1.payment_intents.retrieve(str(paid.payments.data[0].payment.payment_intent))
    assert (intent.amount, intent.status, intent.created) == (1_244_568, "succeeded", FEBRUARY + HOUR)
    told = ["invoice.created", "invoice.finalized", "invoice.paid", "invoice.payment_succeeded"]
    assert events(life.client, draft.id) == told
    item = life.v1.subscriptions.retrieve(life.subscription).to_dict()["items"]["data"][0]
    assert (item["current_period_start"], item["current_period_end"]) == (FEBRUARY, MARCH)
    life.advance(MARCH + HOUR)
    assert life.invoices()[0].total == 700


def test_negative_usage_is_billed_as_nothing_and_a_few_cents_go_onto_the_balance(life: Life) -> None:
    life.use(-5_000_000, JANUARY, "credit")
    life.advance(FEBRUARY + HOUR)
    assert (life.invoices()[0].total, life.invoices()[0].lines.data[0].quantity) == (0, 0)
    life.use(310_000, FEBRUARY + HOUR, "a little")
    life.advance(MARCH + HOUR)
    small = life.invoices()[0]
    assert (small.total, small.amount_due, small.status) == (31, 0, "paid")
    assert life.v1.customers.retrieve(life.customer).balance == 31
    life.use(1_000_000, MARCH + HOUR, "more")
    life.advance(at("2027-04-30") + HOUR)
    later = life.invoices()[0]
    assert (later.total, later.starting_balance, later.amount_due, later.ending_balance) == (100, 31, 131, 0)


def test_a_card_that_declines_is_tried_again_and_the_subscription_is_past_due(client: stripe.StripeClient) -> None:
    life = Life(client, "pm_card_chargeCustomerFail")
    life.use(50_000_000, JANUARY, "a")
    life.advance(FEBRUARY + HOUR)
    [unpaid, _] = life.invoices()
    assert (unpaid.status, unpaid.attempt_count) == ("open", 1)
    assert unpaid.next_payment_attempt == FEBRUARY + HOUR + 3 * DAY
    assert life.v1.subscriptions.retrieve(life.subscription).status == "past_due"
    life.advance(FEBRUARY + HOUR + 3 * DAY)
    assert life.v1.invoices.retrieve(unpaid.id).attempt_count == 2
    with fails(stripe.CardError, "card_declined"):
        life.v1.invoices.pay(unpaid.id)
    method = life.v1.payment_methods.attach("pm_card_visa", {"customer": life.customer}).id
    assert life.v1.invoices.pay(unpaid.id, {"payment_method": method}).status == "paid"
    assert life.v1.subscriptions.retrieve(life.subscription).status == "active"
    with pytest.raises(stripe.InvalidRequestError, match="already paid"):
        life.v1.invoices.pay(unpaid.id)


def test_an_invoice_that_needs_its_payer_is_paid_on_the_hosted_page(
    standin: StripeStandin, client: stripe.StripeClient
) -> None:
    life = Life(client, "pm_card_authenticationRequired")
    life.use(50_000_000, JANUARY, "a")
    life.advance(FEBRUARY + HOUR)
    waiting = life.invoices()[0]
    assert "invoice.payment_action_required" in events(client, waiting.id)
    page = str(waiting.hosted_invoice_url)
    assert "$50.00" in standin.open(page).text and standin.pay(page, card="4000000000000002").status == 402
    bank = standin.pay(page, card="4000002760003184").location
    assert bank is not None and standin.answer_the_bank(bank).status == 303
    assert life.v1.invoices.retrieve(waiting.id).status == "paid"
    with urlopen(str(waiting.invoice_pdf)) as answer:
        assert answer.read().startswith(b"%PDF-")


def test_a_subscription_ends_with_what_was_used(life: Life) -> None:
    life.use(50_000_000, JANUARY, "a")
    changed = life.v1.subscriptions.update(life.subscription, {"cancel_at_period_end": True, "metadata": {"a": "1"}})
    assert changed.cancel_at == FEBRUARY
    life.advance(FEBRUARY + HOUR)
    assert life.v1.subscriptions.retrieve(life.subscription).status == "canceled"
    assert (life.invoices()[0].total, life.invoices()[0].status) == (5_000, "paid")
    assert life.v1.subscriptions.list({"customer": life.customer}).data == []
    assert len(life.v1.subscriptions.list({"customer": life.customer, "status": "all"}).data) == 1


def test_a_subscription_is_cancelled_now_and_billed_now(client: stripe.StripeClient) -> None:
    life = Life(client, "", collection_method="send_invoice", days_until_due=30)
    life.use(50_000_000, JANUARY, "a")
    life.advance(JANUARY + DAY)
    assert life.v1.subscriptions.cancel(life.subscription, {"invoice_now": True}).status == "canceled"
    life.advance(JANUARY + DAY + HOUR)
    last = life.invoices()[0]
    assert (last.total, last.status, last.due_date) == (5_000, "open", JANUARY + 31 * DAY)


@pytest.mark.parametrize(("card", "status"), [("pm_card_visa", "active"), ("pm_card_chargeCustomerFail", "incomplete")])
def test_what_is_licensed_is_paid_in_advance(client: stripe.StripeClient, card: str, status: str) -> None:
    owner = client.v1.customers.create()
    method = client.v1.payment_methods.attach(card, {"customer": owner.id}).id
    wanted: Any = {"currency": "usd", "unit_amount": 900, "product_data": {"name": "Support"}}
    price = client.v1.prices.create(wanted | {"recurring": {"interval": "month"}, "lookup_key": f"support {status}"})
    asked: Any = {"customer": owner.id, "default_payment_method": method, "items": [{"price": price.id, "quantity": 3}]}
    made = client.v1.subscriptions.create(asked | {"expand": ["latest_invoice"]})
    assert isinstance(made.latest_invoice, stripe.Invoice)
    assert (made.status, made.latest_invoice.total) == (status, 2_700)
    if status == "incomplete":
        with fails(stripe.CardError, "card_declined"):
            client.v1.subscriptions.create(asked | {"payment_behavior": "error_if_incomplete"})
        assert len(client.v1.subscriptions.list({"customer": owner.id}).data) == 1
    assert [each.id for each in client.v1.prices.list({"lookup_keys": [f"support {status}"]}).data] == [price.id]


def test_an_invoice_by_hand_is_numbered_without_gaps_and_paid_by_transfer(
    client: stripe.StripeClient, owner: str
) -> None:
    made = invoice(client, owner, 10_000, 2_550, -550, footer="PO 4711")
    assert (made.status, made.total, made.number, made.auto_advance) == ("draft", 12_000, None, False)
    final = client.v1.invoices.finalize_invoice(made.id)
    assert (final.status, final.amount_due, final.due_date) == ("open", 12_000, made.created + 30 * DAY)
    assert final.number is not None
    following_number = f"{final.number[:-4]}{int(final.number[-4:]) + 1:04d}"
    with fails(stripe.InvalidRequestError, "invoice_not_editable"):
        client.v1.invoices.update(made.id, {"footer": "PO 4712"})
    assert client.v1.invoices.send_invoice(made.id).status == "open"
    paid = client.v1.invoices.pay(made.id, {"paid_out_of_band": True})
    assert (paid.status, paid.amount_remaining) == ("paid", 0)
    assert events(client, made.id)[-2:] == ["invoice.sent", "invoice.paid"]
    draft = invoice(client, owner, 5_000)
    assert client.v1.invoices.delete(draft.id).deleted
    assert client.v1.invoices.finalize_invoice(invoice(client, owner, 700).id).number == following_number


def test_items_wait_for_an_invoice_are_changed_and_taken_away(client: stripe.StripeClient, owner: str) -> None:
    price: Any = {"customer": owner, "quantity": 3, "unit_amount_decimal": Decimal("33.35"), "currency": "usd"}
    item = client.v1.invoice_items.create(price | {"period": {"start": JANUARY, "end": FEBRUARY}})
    assert (item.amount, item.invoice) == (100, None)
    other = client.v1.invoice_items.create({"customer": owner, "amount": 900, "currency": "usd"})
    made = invoice(client, owner, pending_invoice_items_behavior="include")
    assert made.total == 1_000
    assert client.v1.invoice_items.update(other.id, {"amount": 400}).amount == 400
    assert client.v1.invoice_items.delete(item.id).deleted
    more: Any = {"lines": [{"amount": 100 + n, "description": f"line {n}"} for n in range(12)]}
    full = client.v1.invoices.add_lines(made.id, more)
    assert full.total == 400 + sum(range(100, 112)) and full.lines.has_more and len(full.lines.data) == 10
    found = client.v1.invoices.line_items.list(made.id, {"limit": 5}).auto_paging_iter()
    assert [line.amount for line in found] == [400, *range(100, 112)]
    with pytest.raises(stripe.InvalidRequestError, match="at most 250"):
        client.v1.invoices.add_lines(made.id, {"lines": [{"amount": 1} for _ in range(240)]})
    assert client.v1.invoices.retrieve(made.id).total == full.total


def test_an_open_invoice_is_voided_or_given_up(client: stripe.StripeClient, owner: str) -> None:
    client.v1.customers.balance_transactions.create(owner, {"amount": -300, "currency": "usd"})
    made = client.v1.invoices.finalize_invoice(invoice(client, owner, 1_000).id)
    assert (made.amount_due, client.v1.customers.retrieve(owner).balance) == (700, 0)
    assert client.v1.invoices.void_invoice(made.id).status == "void"
    assert client.v1.customers.retrieve(owner).balance == -300
    given_up = client.v1.invoices.finalize_invoice(invoice(client, owner, 1_000).id)
    assert client.v1.invoices.mark_uncollectible(given_up.id).status == "uncollectible"
    with fails(stripe.InvalidRequestError, "invoice_not_editable"):
        client.v1.invoices.mark_uncollectible(given_up.id)
    with fails(stripe.InvalidRequestError, "invoice_no_customer_line_items"):
        client.v1.invoices.finalize_invoice(invoice(client, owner).id)


def test_a_credit_note_before_payment_lowers_what_is_due(client: stripe.StripeClient, owner: str) -> None:
    made = client.v1.invoices.finalize_invoice(invoice(client, owner, 1_000, 500).id)
    note = client.v1.credit_notes.create({"invoice": made.id, "amount": 600, "reason": "order_change"})
    assert (note.type, note.number, note.pre_payment_amount) == ("pre_payment", f"{made.number}-CN-01", 600)
    assert client.v1.invoices.retrieve(made.id).amount_remaining == 900
    assert client.v1.credit_notes.void_credit_note(note.id).status == "void"
    line: Any = {"type": "invoice_line_item", "invoice_line_item": made.lines.data[0].id, "amount": 1_000}
    preview = client.v1.credit_notes.preview({"invoice": made.id, "lines": [line]})
    assert preview.total == 1_000
    client.v1.credit_notes.create({"invoice": made.id, "lines": [line]})
    rest = client.v1.credit_notes.create({"invoice": made.id, "amount": 500, "metadata": {"why": "outage"}})
    found = client.v1.invoices.retrieve(made.id)
    assert (found.status, found.amount_paid, found.pre_payment_credit_notes_amount) == ("paid", 0, 1_500)
    with pytest.raises(stripe.InvalidRequestError, match="exceed"):
        client.v1.credit_notes.create({"invoice": made.id, "amount": 1})
    assert [each.amount for each in client.v1.credit_notes.line_items.list(rest.id).data] == [500]
    assert len(client.v1.credit_notes.list({"invoice": made.id}).data) == 3


def test_a_credit_note_after_payment_is_refunded_credited_or_settled_elsewhere(
    client: stripe.StripeClient, owner: str
) -> None:
    made = client.v1.invoices.finalize_invoice(invoice(client, owner, 10_000).id)
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": owner}).id
    client.v1.invoices.pay(made.id, {"payment_method": method})
    wanted: Any = {"invoice": made.id, "amount": 600}
    with pytest.raises(stripe.InvalidRequestError, match="add up to 600"):
        client.v1.credit_notes.create(wanted | {"refund_amount": 100})
    split: Any = {"refund_amount": 300, "credit_amount": 200, "out_of_band_amount": 100}
    note = client.v1.credit_notes.create(wanted | split)
    assert (note.type, note.post_payment_amount, note.refunds[0].amount_refunded) == ("post_payment", 600, 300)
    assert client.v1.refunds.retrieve(str(note.refunds[0].refund)).amount == 300
    assert client.v1.customers.retrieve(owner).balance == -200
    assert client.v1.invoices.retrieve(made.id).post_payment_credit_notes_amount == 600


def test_a_clock_has_its_customers_and_its_limits(client: stripe.StripeClient) -> None:
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": JANUARY, "name": "short"})
    made = [client.v1.customers.create({"test_clock": clock.id}) for _ in range(3)]
    assert {each.created for each in made} == {JANUARY}
    with pytest.raises(stripe.InvalidRequestError, match="more than 3"):
        client.v1.customers.create({"test_clock": clock.id})
    with pytest.raises(stripe.InvalidRequestError, match="must be after"):
        client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": JANUARY})
    assert client.v1.test_helpers.test_clocks.delete(clock.id).deleted
    assert client.v1.customers.retrieve(made[0].id).deleted


def test_a_clock_goes_two_periods_at_once_and_no_further(life: Life) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="two intervals"):
        life.advance(MARCH + DAY)
    life.advance(MARCH)
    assert [each.billing_reason for each in life.invoices()] == ["subscription_cycle"] * 2 + ["subscription_create"]


def test_products_and_prices_are_changed_and_listed(client: stripe.StripeClient) -> None:
    product = client.v1.products.create({"name": "Nodes", "metadata": {"a": "1"}})
    assert client.v1.products.update(product.id, {"active": False, "name": "Whole nodes"}).name == "Whole nodes"
    wanted: Any = {"product": product.id, "currency": "usd"}
    with pytest.raises(stripe.InvalidRequestError, match="exactly one of"):
        client.v1.prices.create(wanted)
    price = client.v1.prices.create(wanted | {"unit_amount": 100})
    assert (price.type, price.unit_amount_decimal) == ("one_time", Decimal(100))
    assert client.v1.prices.update(price.id, {"active": False}).active is False
    assert [each.id for each in client.v1.prices.list({"product": product.id}).data] == [price.id]
    with pytest.raises(stripe.InvalidRequestError, match="cannot be deleted"):
        client.v1.products.delete(product.id)
    assert client.v1.products.delete(client.v1.products.create({"name": "Nothing"}).id).deleted
