"""A customer with a card and the money meter on a monthly subscription, on a test clock at the end of January."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import stripe


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


HOUR, DAY = 3600, 24 * 3600
JANUARY, FEBRUARY, MARCH = at("2027-01-31"), at("2027-02-28"), at("2027-03-31")


class Life:
    """See above; `subscription` are parameters of it."""

    def __init__(self, client: stripe.StripeClient, card: str = "pm_card_visa", **subscription: Any) -> None:
        self.client, self.v1 = client, client.v1
        self.clock = self.v1.test_helpers.test_clocks.create({"frozen_time": JANUARY}).id
        self.customer = self.v1.customers.create({"test_clock": self.clock, "name": "Ada"}).id
        self.meter = one_meter(client)
        price: Any = {"currency": "usd", "unit_amount_decimal": Decimal("0.0001"), "product_data": {"name": "Compute"}}
        price["recurring"] = {"interval": "month", "usage_type": "metered", "meter": self.meter}
        self.price = self.v1.prices.create(price).id
        if card:
            method = self.v1.payment_methods.attach(card, {"customer": self.customer}).id
            self.v1.customers.update(self.customer, {"invoice_settings": {"default_payment_method": method}})
        wanted: Any = {"customer": self.customer, "items": [{"price": self.price}]} | subscription
        self.subscription = self.v1.subscriptions.create(wanted).id

    def use(self, micros: int, when: int, identifier: str) -> stripe.billing.MeterEvent:
        payload = {"stripe_customer_id": self.customer, "value": str(micros)}
        event: Any = {"event_name": "compute_usd_micros", "payload": payload, "timestamp": when}
        return self.v1.billing.meter_events.create(event | {"identifier": f"{self.customer}:{identifier}"})

    def advance(self, to: int) -> None:
        assert self.v1.test_helpers.test_clocks.advance(self.clock, {"frozen_time": to}).status == "advancing"
        assert self.v1.test_helpers.test_clocks.retrieve(self.clock).status == "ready"

    def used(self, start: int, end: int, **more: Any) -> list[float]:
        asked: Any = {"customer": self.customer, "start_time": start, "end_time": end} | more
        return [each.aggregated_value for each in self.v1.billing.meters.event_summaries.list(self.meter, asked).data]

    def invoices(self) -> list[stripe.Invoice]:
        return self.v1.invoices.list({"subscription": self.subscription}).data


def one_meter(client: stripe.StripeClient) -> str:
    for meter in client.v1.billing.meters.list({"status": "active"}).data:
        return meter.id
    wanted: Any = {"display_name": "Compute", "event_name": "compute_usd_micros"}
    return client.v1.billing.meters.create(wanted | {"default_aggregation": {"formula": "sum"}}).id


def invoice(client: stripe.StripeClient, owner: str, *amounts: int, **more: Any) -> stripe.Invoice:
    wanted: Any = {"customer": owner, "collection_method": "send_invoice", "days_until_due": 30} | more
    made = client.v1.invoices.create(wanted)
    for amount in amounts:
        line: Any = {"invoice": made.id, "customer": owner, "amount": amount, "metadata": {"lease": "ls_1"}}
        client.v1.invoice_items.create(line)
    return client.v1.invoices.retrieve(made.id)
