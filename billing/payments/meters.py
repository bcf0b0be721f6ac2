"""
The provider's side of what is metered: one meter in micro-dollars, its price, subscriptions to it, what it is told.

One micro-dollar is 0.0001 cents. A money-denominated meter needs no prices of the provider's: what it is told was rated
by us. Limits: https://docs.stripe.com/billing/subscriptions/usage-based/recording-usage-api
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from billing.payments.base import Call, Facts, Gateway

EVENT_NAME = "compute_usd_micros"
CENTS_PER_MICRO = "0.0001"
NET = "exclusive"  # tax comes on top of all that we ask for
METERS, PRICES, SUBSCRIPTIONS = "/v1/billing/meters", "/v1/prices", "/v1/subscriptions"
EVENTS, ITEMS = "/v1/billing/meter_events", "/v1/invoiceitems"
DUPLICATE = "duplicate_meter_event"
REPORTS = "/v2/core/events"
REPORT_TYPES = ("v1.billing.meter.error_report_triggered", "v1.billing.meter.no_meter_found")
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Report:
    """
    What a meter took and then did not count, between two moments: how many events, which of them it names (by our
    identifiers, or the keys of our calls), and its words for why. It may name a part of them only.
    """

    codes: frozenset[str]
    named: frozenset[str]
    count: int
    since: datetime
    until: datetime

    @property
    def complete(self) -> bool:
        """Whether all are named."""
        return len(self.named) >= self.count


def report(facts: Facts) -> Report:
    """https://docs.stripe.com/billing/subscriptions/usage-based/recording-usage-api"""
    data = facts["data"]
    kinds = data["reason"]["error_types"]
    requests = [sample["request"] for kind in kinds for sample in kind["sample_errors"]]
    return Report(
        codes=frozenset(kind["code"] for kind in kinds),
        named=frozenset(one.get("identifier") or one.get("idempotency_key") or "" for one in requests),
        count=data["reason"]["error_count"],
        since=datetime.fromisoformat(data["validation_start"]),
        until=datetime.fromisoformat(data["validation_end"]),
    )


def meter() -> Call:
    """Make the meter. It can be made once under its name, and carries no metadata."""
    body = {
        "display_name": "Compute, in millionths of a dollar",
        "event_name": EVENT_NAME,
        "default_aggregation": {"formula": "sum"},
        "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
        "value_settings": {"event_payload_key": "value"},
    }
    return Call(METERS, body, marked=False)


def find_meter(gateway: Gateway) -> Facts | None:
    """The active meter of that name, if there is one."""
    return next((found for found in gateway.each(METERS, status="active") if found["event_name"] == EVENT_NAME), None)


def price(*, meter: str) -> Call:
    """Make the price of a micro-dollar, by the month."""
    body = {
        "currency": "usd",
        "lookup_key": EVENT_NAME,
        "product_data": {"name": "Compute on leased nodes"},
        "recurring": {"interval": "month", "usage_type": "metered", "meter": meter},
        "tax_behavior": NET,
        "unit_amount_decimal": CENTS_PER_MICRO,
    }
    return Call(PRICES, body)


def find_price(gateway: Gateway) -> Facts | None:
    """The price with the meter's name as its lookup key, if there is one."""
    return next(iter(gateway.each(PRICES, lookup_keys=[EVENT_NAME])), None)


def subscription(*, customer: str, price: str, anchor: datetime, organization_id: str, taxed: bool) -> Call:
    """
    Bill a customer at each `anchor`, by the month; nothing is due before it is over. `taxed`: with the tax that the
    provider works out, for which it must know where the customer is.
    """
    body = {
        "customer": customer,
        "items": [{"price": price}],
        "billing_cycle_anchor": int(anchor.timestamp()),
        "proration_behavior": "none",
        "metadata": {"organization_id": organization_id},
    }
    return Call(SUBSCRIPTIONS, body | ({"automatic_tax": {"enabled": True}} if taxed else {}))


def taxing(*, subscription: str, taxed: bool) -> Call:
    """From the next invoice of a subscription on, have tax worked out, or not."""
    return Call(f"{SUBSCRIPTIONS}/{subscription}", {"automatic_tax": {"enabled": taxed}}, marked=False)


def is_taxed(facts: Facts) -> bool:
    """Whether the provider works out tax on a subscription's invoices."""
    return bool((facts.get("automatic_tax") or {}).get("enabled"))


def lost_sight(facts: Facts) -> bool:
    """Whether it has stopped to, because it does not know any more where the customer is."""
    return bool((facts.get("automatic_tax") or {}).get("disabled_reason") == "requires_location_inputs")


def ending(*, subscription: str, ends: bool) -> Call:
    """Let a subscription end with its month, or go on after all."""
    return Call(f"{SUBSCRIPTIONS}/{subscription}", {"cancel_at_period_end": ends})


def ends_at(facts: Facts) -> datetime | None:
    """When a subscription ends; None: it goes on."""
    return datetime.fromtimestamp(facts["cancel_at"], UTC) if facts["cancel_at"] else None


def event(*, customer: str, identifier: str, micros: int, at: datetime) -> Call:
    """Tell the meter. Counted once for an identifier in a day at least; at most 35 days old; whole numbers."""
    body = {
        "event_name": EVENT_NAME,
        "identifier": identifier,
        "payload": {"stripe_customer_id": customer, "value": str(micros)},
        "timestamp": int(at.timestamp()),
    }
    return Call(EVENTS, body, marked=False)


def item(*, customer: str, identifier: str, micros: int, since: datetime, until: datetime, words: str) -> Call:
    """Put an amount on the customer's next invoice, as a line of its own."""
    body = {
        "customer": customer,
        "currency": "usd",
        "description": words,
        "quantity_decimal": str(micros),
        "unit_amount_decimal": CENTS_PER_MICRO,
        "tax_behavior": NET,
        "period": {"start": int(since.timestamp()), "end": int(until.timestamp())},
        "metadata": {"export": identifier},
    }
    return Call(ITEMS, body)


def items_of(gateway: Gateway, *, customer: str) -> Iterator[Facts]:
    """All amounts that were put on a customer's invoices, newest first."""
    return gateway.each(ITEMS, customer=customer)


def counted(gateway: Gateway, *, meter: str, customer: str, since: datetime, until: datetime) -> int:
    """What the meter has counted for a customer from `since` to `until`, both whole minutes, in micro-dollars."""
    found = gateway.each(
        f"{METERS}/{meter}/event_summaries",
        customer=customer,
        start_time=int(since.timestamp()),
        end_time=int(until.timestamp()),
    )
    return int(sum(Decimal(str(summary["aggregated_value"])) for summary in found))
