"""Subscriptions: periods, and at the end of each an invoice with what its meters counted."""

from standins.stripe import invoices, methods, tax
from standins.stripe.cycles import begin, bill
from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.periods import following
from standins.stripe.shapes import FIXTURES, build, merged, new_id
from standins.stripe.store import JSON

_SETTABLE = ("collection_method", "default_payment_method", "description", "days_until_due")


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/subscriptions."""
    if "customer" not in params:
        raise ApiError(400, "Missing required param: customer.", code="parameter_missing", param="customer")
    owner = world.get("customer", params["customer"], "customer")
    world = world.of(owner["id"])
    prices = _prices(world, params)
    if _automatic_tax(params)["enabled"]:
        tax.rule_for(world, owner)
    _check_collection(world, params, owner)
    anchor = params.get("billing_cycle_anchor", world.now)
    interval = prices[0]["recurring"]
    end = (
        anchor if anchor > world.now else following(anchor, interval["interval"], interval["interval_count"], world.now)
    )
    reference = new_id("sub_")
    items = [_item(world, reference, price, wanted, end) for price, wanted in zip(prices, params["items"], strict=True)]
    subscription = world.create("subscription", **_members(world, params, owner, anchor, items, reference))
    world.emit("customer.subscription.created", subscription)
    subscription = begin(world, subscription, owner)
    if subscription["status"] == "incomplete" and params.get("payment_behavior") == "error_if_incomplete":
        refusal = ApiError(402, "Your card was declined.", type="card_error", code="card_declined")
        refusal.keeps = False
        raise refusal
    return subscription


def _prices(world: World, params: JSON) -> list[JSON]:
    """The items' prices: recurring, and all of one interval."""
    if not params.get("items"):
        raise ApiError(400, "Missing required param: items.", code="parameter_missing", param="items")
    prices = [world.get("price", item.get("price", ""), f"items[{n}][price]") for n, item in enumerate(params["items"])]
    for place, price in enumerate(prices):
        if price["recurring"] is None:
            message = "The price specified is set to `type=one_time` but this field only accepts `type=recurring`."
            raise ApiError(400, message, param=f"items[{place}]")
        if price["recurring"]["usage_type"] == "metered" and "quantity" in params["items"][place]:
            message = "You cannot set a quantity for metered prices."
            raise ApiError(400, message, param=f"items[{place}][quantity]")
    spans = {(price["recurring"]["interval"], price["recurring"]["interval_count"]) for price in prices}
    if len(spans) > 1:
        raise ApiError(400, "All prices of a subscription must have the same billing interval.", param="items")
    return prices


def _check_collection(world: World, params: JSON, owner: JSON) -> None:
    by_hand = params.get("collection_method", "charge_automatically") == "send_invoice"
    if by_hand != ("days_until_due" in params):
        message = "`days_until_due` goes with collection_method=send_invoice, and with no other."
        raise ApiError(400, message, param="days_until_due")
    if params.get("default_payment_method"):
        methods.owned(world, params["default_payment_method"], owner["id"])


def _members(world: World, params: JSON, owner: JSON, anchor: int, items: list[JSON], reference: str) -> JSON:
    settings = {"account_tax_ids": None, "custom_fields": None, "description": None, "footer": None}
    shown = {"object": "list", "data": items, "has_more": False}
    return {
        **{name: params[name] for name in _SETTABLE if name in params},
        "id": reference,
        "automatic_tax": _automatic_tax(params),
        "billing_cycle_anchor": anchor,
        "billing_mode": {"type": "flexible", "flexible": None, "updated_at": None},
        "billing_schedules": [],
        "cancel_at": params.get("cancel_at"),
        "cancel_at_period_end": params.get("cancel_at_period_end", False),
        "canceled_at": None,
        "currency": items[0]["price"]["currency"],
        "customer": owner["id"],
        "ended_at": None,
        "invoice_settings": {**settings, "issuer": {"type": "self"}},
        "items": {**shown, "url": f"/v1/subscription_items?subscription={reference}"},
        "latest_invoice": None,
        "metadata": merged(None, params.get("metadata")),
        "next_pending_invoice_item_invoice": None,
        "start_date": world.now,
        "status": "active",
        "test_clock": owner["test_clock"],
        "trial_end": None,
        "trial_start": None,
    }


def _automatic_tax(params: JSON) -> JSON:
    shown = tax.automatic(enabled=(params.get("automatic_tax") or {}).get("enabled", False))
    return {name: shown[name] for name in ("enabled", "liability", "disabled_reason")}


def _item(world: World, subscription: str, price: JSON, wanted: JSON, end: int) -> JSON:
    metered = price["recurring"]["usage_type"] == "metered"
    example = FIXTURES["subscription_item"]["plan"]
    plan = {name: price.get(name, price["recurring"].get(name)) for name in example} | {
        "object": "plan",
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "transform_usage": None,
        "trial_period_days": None,
    }
    item = build(
        "subscription_item",
        created=world.now,
        current_period_end=end,
        current_period_start=world.now,
        metadata=merged(None, wanted.get("metadata")),
        plan=plan,
        price=price,
        quantity=None if metered else wanted.get("quantity", 1),
        subscription=subscription,
        tax_rates=[],
    )
    return world.store.put(item)


def update(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/subscriptions/{id}: all but its items."""
    subscription = _alive(world, reference)
    world = world.of(subscription["customer"])
    if params.get("default_payment_method"):
        methods.owned(world, params["default_payment_method"], subscription["customer"])
    members: JSON = {name: params[name] or None for name in (*_SETTABLE, "cancel_at") if name in params}
    if "automatic_tax" in params:
        members["automatic_tax"] = _automatic_tax(params)
        if members["automatic_tax"]["enabled"]:
            tax.rule_for(world, world.get("customer", subscription["customer"]))
    if "cancel_at_period_end" in params:
        ends = params["cancel_at_period_end"]
        period_end = subscription["items"]["data"][0]["current_period_end"]
        members |= {"cancel_at_period_end": ends, "canceled_at": world.now if ends else None}
        members["cancel_at"] = period_end if ends else None
    metadata = merged(subscription["metadata"], params.get("metadata"))
    return world.change(subscription, "customer.subscription.updated", **members, metadata=metadata)


def cancel(world: World, params: JSON, reference: str) -> JSON:
    """DELETE /v1/subscriptions/{id}: now; `invoice_now` bills what was counted since the last invoice."""
    subscription = _alive(world, reference)
    world = world.of(subscription["customer"])
    if params.get("invoice_now"):
        owner = world.get("customer", subscription["customer"])
        invoices.announced(world, bill(world, subscription, owner, until=world.now, licensed=False))
    return end(world, subscription)


def end(world: World, subscription: JSON, status: str = "canceled") -> JSON:
    """It is over."""
    canceled_at = subscription["canceled_at"] or world.now
    return world.change(
        subscription, "customer.subscription.deleted", status=status, canceled_at=canceled_at, ended_at=world.now
    )


def _alive(world: World, reference: str) -> JSON:
    subscription = world.get("subscription", reference)
    if subscription["status"] == "canceled":
        raise ApiError(400, "A canceled subscription can only update its cancellation_details.", param="id")
    return subscription


def turn(world: World, subscription: JSON) -> None:
    """The period is over: it is billed, and the next one begins unless the subscription ends."""
    world = world.of(subscription["customer"])
    if subscription["status"] == "incomplete":
        # Its first invoice was not paid within a day.
        end(world, subscription, "incomplete_expired")
        return
    owner = world.get("customer", subscription["customer"])
    items = subscription["items"]["data"]
    over = items[0]["current_period_end"]
    last = subscription["cancel_at"] is not None and subscription["cancel_at"] <= world.now
    invoice = bill(world, subscription, owner, until=min(world.now, over), licensed=not last)
    if last:
        end(world, subscription)
    else:
        _next_period(world, subscription, over)
    invoices.announced(world, invoice)


def _next_period(world: World, subscription: JSON, start: int) -> None:
    items = subscription["items"]["data"]
    span = items[0]["price"]["recurring"]
    finish = following(subscription["billing_cycle_anchor"], span["interval"], span["interval_count"], start)
    moved = [{**item, "current_period_start": start, "current_period_end": finish} for item in items]
    for item in moved:
        world.store.put(item)
    shown = {**subscription["items"], "data": moved}
    world.change(subscription, "customer.subscription.updated", items=shown)
