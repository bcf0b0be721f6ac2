"""Tax on invoices, subscriptions and checkouts, by where the customer is and what its tax id is worth."""

from typing import Any

import pytest
import stripe

from tests.standins.stripe.conftest import events, fails, order
from tests.standins.stripe.lives import FEBRUARY, HOUR, JANUARY, MARCH, Life, invoice
from tests.stripe_standin import StripeStandin


@pytest.mark.parametrize(
    ("country", "tax_id", "exempt", "total", "reason"),
    [
        ("DE", None, "none", 11_900, "standard_rated"),
        ("DE", "DE123456789", "none", 10_000, "reverse_charge"),
        ("DE", "DE111111111", "none", 11_900, "standard_rated"),
        ("FR", None, "reverse", 10_000, "reverse_charge"),
        ("FR", None, "exempt", 10_000, "customer_exempt"),
        ("KE", None, "none", 10_000, "not_collecting"),
    ],
)
def test_tax_follows_the_customer(
    standin: StripeStandin,
    client: stripe.StripeClient,
    country: str,
    tax_id: str | None,
    exempt: str,
    total: int,
    reason: str,
) -> None:
    wanted: Any = {"address": {"country": country}, "tax_exempt": exempt}
    owner = client.v1.customers.create(wanted)
    if tax_id:
        made = client.v1.customers.tax_ids.create(owner.id, {"type": "eu_vat", "value": tax_id})
        standin.clock(made.created + 5)
        standin.clock(None)
    final = client.v1.invoices.finalize_invoice(
        invoice(client, owner.id, 9_000, 1_000, automatic_tax={"enabled": True}).id
    )
    assert final.total_taxes is not None and final.automatic_tax.status == "complete"
    assert (final.subtotal, final.total, final.total_taxes[0].taxability_reason) == (10_000, total, reason)
    rate = client.v1.tax_rates.retrieve(str(final.total_taxes[0].tax_rate_details["tax_rate"]))  # type: ignore[index]
    assert rate.country == country
    half = client.v1.credit_notes.create({"invoice": final.id, "amount": total // 2})
    assert (half.total, half.subtotal) == (total // 2, 5_000)


def test_tax_needs_to_know_where_the_customer_is(client: stripe.StripeClient) -> None:
    stranger = client.v1.customers.create().id
    made = invoice(client, stranger, 1_000, automatic_tax={"enabled": True})
    assert made.automatic_tax.status == "requires_location_inputs"
    with fails(stripe.InvalidRequestError, "customer_tax_location_invalid"):
        client.v1.invoices.finalize_invoice(made.id)
    assert "invoice.finalization_failed" in events(client, made.id)
    client.v1.customers.update(stranger, {"address": {"country": "GB"}})
    assert client.v1.invoices.finalize_invoice(made.id).total == 1_200


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ({"country": "DE"}, True),
        ({"country": "US", "postal_code": "10001", "state": "NY"}, True),
        ({"country": "US", "postal_code": "00000"}, False),
        ({"country": "CA", "postal_code": "12345"}, False),
        ({"city": "Berlin"}, False),
    ],
)
def test_an_address_is_looked_at_before_it_is_kept(client: stripe.StripeClient, address: Any, known: bool) -> None:  # noqa: FBT001
    owner = client.v1.customers.create().id
    wanted: Any = {"address": address, "tax": {"validate_location": "immediately"}}
    if not known:
        with fails(stripe.InvalidRequestError, "customer_tax_location_invalid"):
            client.v1.customers.update(owner, wanted)
        client.v1.customers.update(owner, {"address": address})  # nothing is taxed yet, so nobody asks
    else:
        client.v1.customers.update(owner, wanted)
    shown = client.v1.customers.retrieve(owner, {"expand": ["tax"]}).tax
    assert shown is not None and shown.automatic_tax == ("supported" if known else "unrecognized_location")


def test_a_taxed_subscription_goes_on_without_tax_when_nobody_knows_where_its_customer_is(life: Life) -> None:
    life.v1.customers.update(life.customer, {"address": {"country": "GB"}})
    life.v1.subscriptions.update(life.subscription, {"automatic_tax": {"enabled": True}})
    with fails(stripe.InvalidRequestError, "customer_tax_location_invalid"):
        life.v1.customers.update(life.customer, {"address": {"country": "US"}})
    life.use(50_000_000, JANUARY, "a")
    life.advance(FEBRUARY + HOUR)
    assert (life.invoices()[0].subtotal, life.invoices()[0].total) == (5_000, 6_000)
    life.v1.customers.update(life.customer, {"address": {"country": "US"}, "tax": {"validate_location": "deferred"}})
    life.use(50_000_000, FEBRUARY + HOUR, "b")
    life.advance(MARCH + HOUR)
    untaxed, subscription = life.invoices()[0], life.v1.subscriptions.retrieve(life.subscription)
    assert (untaxed.total, untaxed.automatic_tax.enabled, untaxed.status) == (5_000, False, "paid")
    assert untaxed.automatic_tax.disabled_reason == "finalization_requires_location_inputs"
    assert subscription.automatic_tax.disabled_reason == "requires_location_inputs"


def test_a_checkout_adds_tax(standin: StripeStandin, client: stripe.StripeClient, owner: str) -> None:
    session = client.v1.checkout.sessions.create(order(10_000, customer=owner, automatic_tax={"enabled": True}))
    assert (session.amount_subtotal, session.amount_total) == (10_000, 11_900)
    assert session.url is not None and "$19.00 of tax" in standin.open(session.url).text
    assert standin.pay(session.url).status == 303


NEW_YORK: Any = {"country": "US", "state": "NY", "postal_code": "10001"}


def calculated(client: stripe.StripeClient, cents: int = 2_000, **details: Any) -> stripe.tax.Calculation:
    who = {"address": NEW_YORK, "address_source": "billing", **details}
    line = {"amount": cents, "reference": "March 2026", "tax_behavior": "exclusive"}
    wanted: Any = {"currency": "usd", "customer_details": who, "line_items": [line]}
    return client.v1.tax.calculations.create(wanted | {"expand": ["line_items.data.tax_breakdown"]})


@pytest.mark.parametrize(
    ("details", "cents", "reason"),
    [
        ({}, 178, "standard_rated"),
        ({"address": {"country": "DE"}}, 380, "standard_rated"),
        ({"address": {"country": "DE"}, "tax_ids": [{"type": "eu_vat", "value": "DE1"}]}, 0, "reverse_charge"),
        ({"taxability_override": "customer_exempt"}, 0, "customer_exempt"),
        ({"address": {"country": "KE"}}, 0, "not_collecting"),
    ],
)
def test_a_calculation_says_the_same_as_an_invoice_would(
    client: stripe.StripeClient, details: Any, cents: int, reason: str
) -> None:
    made = calculated(client, **details)
    assert (made.tax_amount_exclusive, made.amount_total) == (cents, 2_000 + cents)
    assert [(each.amount, each.taxability_reason) for each in made.tax_breakdown] == [(cents, reason)]
    assert made.id is not None and made.line_items is not None
    parts = made.line_items.data[0].tax_breakdown or []
    assert sum(part.amount for part in parts) == cents
    assert "line_items" not in client.v1.tax.calculations.retrieve(made.id)


def test_its_lines_say_who_imposes_what(client: stripe.StripeClient) -> None:
    made = calculated(client).line_items
    assert made is not None
    parts = made.data[0].tax_breakdown or []
    assert [(part.jurisdiction.display_name, part.amount) for part in parts] == [
        ("New York", 80),
        ("New York City", 90),
        ("Metropolitan Commuter Transportation District", 8),
    ]
    assert [part.tax_rate_details and part.tax_rate_details.percentage_decimal for part in parts] == [
        "4",
        "4.5",
        "0.375",
    ]


def test_no_tax_is_calculated_for_nowhere_nor_for_less_than_nothing(client: stripe.StripeClient) -> None:
    with fails(stripe.InvalidRequestError, "customer_tax_location_invalid"):
        calculated(client, address={"country": "US"})
    with fails(stripe.InvalidRequestError, "parameter_invalid_integer"):
        calculated(client, -1)


def test_a_transaction_is_recorded_once_and_reversed_piece_by_piece(client: stripe.StripeClient) -> None:
    wanted: Any = {"calculation": calculated(client).id, "reference": "GL-1"}
    made = client.v1.tax.transactions.create_from_calculation(wanted)
    with fails(stripe.InvalidRequestError, "resource_already_exists"):
        client.v1.tax.transactions.create_from_calculation(wanted)
    assert client.v1.tax.transactions.retrieve(made.id).reference == "GL-1"
    backs = []
    parts: Any = ({"flat_amount": -1_000}, {"flat_amount": -178}, {"mode": "full"})
    for number, params in enumerate(parts):
        again: Any = {"original_transaction": made.id, "reference": f"GC-{number}", "mode": "partial", **params}
        back = client.v1.tax.transactions.create_reversal(again)
        assert back.line_items is not None and back.type == "reversal"
        backs.append((back.line_items.data[0].amount, back.line_items.data[0].amount_tax))
    assert backs == [(-918, -82), (-164, -14), (-918, -82)]
    assert [sum(each) for each in zip(*backs, strict=True)] == [-2_000, -178]
    more: Any = {"original_transaction": made.id, "reference": "x"}
    refused: Any = ({"flat_amount": -1, "mode": "partial"}, {"mode": "partial"}, {"mode": "full"})
    for params in refused:
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.tax.transactions.create_reversal(more | params)


def test_a_calculation_ends_after_ninety_days(standin: StripeStandin, client: stripe.StripeClient) -> None:
    made = calculated(client)
    assert made.expires_at is not None
    standin.clock(made.expires_at)
    with pytest.raises(stripe.InvalidRequestError, match="expired"):
        client.v1.tax.transactions.create_from_calculation({"calculation": str(made.id), "reference": "GL-late"})
    standin.clock(None)
