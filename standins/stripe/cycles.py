"""The invoices of subscriptions: metered lines for the time that is over, licensed ones for the time to come."""

from standins.stripe import finalizing, invoices, lines, usage
from standins.stripe.objects import World
from standins.stripe.periods import following
from standins.stripe.store import JSON


def begin(world: World, subscription: JSON, owner: JSON) -> JSON:
    """The first invoice: what is paid in advance, now; nothing was counted yet. The subscription after it."""
    invoice = _draft(world, subscription, owner, "subscription_create", world.now)
    for item in subscription["items"]["data"]:
        if _metered(item):
            _line(world, invoice, subscription, item, 0, item["current_period_start"], item["current_period_end"])
        else:
            _licensed(world, invoice, subscription, item, world.now)
    invoices.announced(world, invoices.count(world, invoice))
    world.change(subscription, latest_invoice=invoice["id"])
    finalizing.settle(world, invoice, advance=True)
    return world.get("subscription", subscription["id"])


def bill(world: World, subscription: JSON, owner: JSON, *, until: int, licensed: bool) -> JSON:
    """A draft at the end of a period; usage that comes before it is final still counts."""
    invoice = _draft(world, subscription, owner, "subscription_cycle", until)
    for item in subscription["items"]["data"]:
        if _metered(item):
            start = item["current_period_start"]
            meter = world.get("billing.meter", item["price"]["recurring"]["meter"])
            used = usage.total(world, meter, owner["id"], start, until)
            line = _line(world, invoice, subscription, item, max(used, 0), start, until)
            world.remember(line["id"], meter=meter["id"])
        elif licensed:
            _licensed(world, invoice, subscription, item, until)
    for waiting in lines.waiting(world, owner["id"]):
        lines.put_on(world, waiting, invoice["id"])
    world.change(subscription, latest_invoice=invoice["id"])
    return invoices.count(world, invoice)


def _draft(world: World, subscription: JSON, owner: JSON, reason: str, until: int) -> JSON:
    details = {"metadata": subscription["metadata"], "subscription": subscription["id"]}
    wishes = {
        "auto_advance": True,
        "automatic_tax": {"enabled": subscription["automatic_tax"]["enabled"]},
        "collection_method": subscription["collection_method"],
        "currency": subscription["currency"],
        "default_payment_method": subscription["default_payment_method"],
    }
    if subscription["days_until_due"] is not None:
        wishes["days_until_due"] = subscription["days_until_due"]
    return invoices.draft(
        world,
        owner,
        reason,
        wishes,
        parent={"type": "subscription_details", "quote_details": None, "subscription_details": details},
        period_start=subscription["items"]["data"][0]["current_period_start"],
        period_end=until,
    )


def _metered(item: JSON) -> bool:
    return bool(item["price"]["recurring"]["usage_type"] == "metered")


def _licensed(world: World, invoice: JSON, subscription: JSON, item: JSON, start: int) -> None:
    span = item["price"]["recurring"]
    finish = following(subscription["billing_cycle_anchor"], span["interval"], span["interval_count"], start)
    _line(world, invoice, subscription, item, item["quantity"], start, finish)


def _line(world: World, invoice: JSON, subscription: JSON, item: JSON, quantity: int, start: int, finish: int) -> JSON:
    price = item["price"]
    product = world.get("product", price["product"])
    amount = lines.cents_of(quantity, price["unit_amount_decimal"])
    details = {"invoice_item": None, "proration": False, "proration_details": None}
    details |= {"subscription": subscription["id"], "subscription_item": item["id"]}
    return world.create(
        "line_item",
        amount=amount,
        currency=price["currency"],
        description=f"{quantity} × {product['name']} (at {price['unit_amount_decimal']} cents)",
        invoice=invoice["id"],
        metadata=item["metadata"],
        parent={
            "type": "subscription_item_details",
            "invoice_item_details": None,
            "subscription_item_details": details,
        },
        period={"start": start, "end": finish},
        pricing=lines.pricing(price["unit_amount_decimal"], price["id"], price["product"]),
        quantity=quantity,
        quantity_decimal=str(quantity),
        subscription=subscription["id"],
        subtotal=amount,
        taxes=[],
    )
