"""Checkout sessions: created through the API, paid on the hosted page, expired by the API or by time."""

from urllib.parse import urlsplit

from standins.stripe.cards import Card, card_of
from standins.stripe.errors import ApiError
from standins.stripe.objects import World, new_id
from standins.stripe.payments import charge
from standins.stripe.store import JSON

_DAY = 24 * 3600
_UNSUPPORTED = "The Stripe stand-in does not have this; it has mode=payment with line_items[][price_data]."


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/checkout/sessions."""
    if params.get("mode") != "payment" or params.get("ui_mode", "hosted_page") != "hosted_page":
        raise ApiError(400, _UNSUPPORTED, param="mode")
    for name in ("success_url", "cancel_url"):
        _check_url(params, name)
    if "customer" in params:
        world.get("customer", params["customer"], "customer")
    amount, currency = _total(params)
    expires_at = params.get("expires_at", world.now + _DAY)
    if not world.now + 1800 <= expires_at <= world.now + _DAY:
        message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation."
        raise ApiError(400, message, param="expires_at")
    reference = new_id("cs_test_", 58)
    copied = ("success_url", "cancel_url", "client_reference_id", "customer", "customer_email", "customer_creation")
    session = world.create(
        "checkout.session",
        **{name: params[name] for name in copied if name in params},
        id=reference,
        url=f"{world.base_url}/c/pay/{reference}",
        amount_subtotal=amount,
        amount_total=amount,
        currency=currency,
        customer_details=_details(params.get("customer_email"), None),
        expires_at=expires_at,
        metadata=params.get("metadata") or {},
        payment_method_types=params.get("allowed_payment_method_types", ["card"]),
    )
    _remember(world, reference, params)
    return session


def _check_url(params: JSON, name: str) -> None:
    if name not in params and name == "success_url":
        raise ApiError(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
    parts = urlsplit(params.get(name, "https://example.com"))
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ApiError(400, "Not a valid URL", code="url_invalid", param=name)


def _total(params: JSON) -> tuple[int, str]:
    """(cents, currency) of the line items. Raises ApiError 400 when there is nothing that can be paid."""
    lines = params.get("line_items")
    if not lines:
        raise ApiError(400, "Missing required param: line_items.", code="parameter_missing", param="line_items")
    for place, line in enumerate(lines):
        price = line.get("price_data", {})
        if "unit_amount" not in price or "product_data" not in price or line.get("quantity", 0) < 1:
            raise ApiError(400, _UNSUPPORTED, param=f"line_items[{place}]")
    currencies = {line["price_data"]["currency"].lower() for line in lines}
    if len(currencies) > 1:
        raise ApiError(400, "All line items must have the same currency.", param="line_items")
    amount = sum(line["price_data"]["unit_amount"] * line["quantity"] for line in lines)
    if amount < 50:
        message = "The Checkout Session's total amount due must add up to at least $0.50 usd"
        raise ApiError(400, message, code="amount_too_small")
    if amount > 99_999_999:
        message = "The Checkout Session's total amount due must be no more than $999,999.99"
        raise ApiError(400, message, code="amount_too_large")
    return amount, currencies.pop()


def _details(email: str | None, name: str | None) -> JSON | None:
    if email is None:
        return None
    details = dict.fromkeys(("address", "phone", "tax_ids", "business_name", "individual_name"))
    return {**details, "email": email, "name": name, "tax_exempt": "none"}


def _remember(world: World, reference: str, params: JSON) -> None:
    """What the page needs and the session does not show: the first line's name, and the payment's own parameters."""
    name = params["line_items"][0]["price_data"]["product_data"]["name"]
    private = {"id": f"private_{reference}", "object": "private", "name": name}
    world.store.put(private | {"payment": params.get("payment_intent_data", {})})


def private_of(world: World, session: JSON) -> JSON:
    """{name: what is being paid for, payment: payment_intent_data}."""
    return world.get("private", f"private_{session['id']}")


def expire(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/checkout/sessions/{id}/expire."""
    session = world.get("checkout.session", reference)
    if session["status"] != "open":
        message = f'Only Checkout Sessions with a status in ["open"] can be expired. This one is {session["status"]}.'
        raise ApiError(400, message)
    return _end(world, session, "expired")


def expire_due(world: World) -> None:
    """Expire the sessions whose time is over."""
    for row in world.store.execute(
        "SELECT id FROM objects WHERE kind = 'checkout.session'"
        " AND json_extract(body, '$.status') = 'open' AND json_extract(body, '$.expires_at') <= ?",
        world.now,
    ):
        _end(world, world.get("checkout.session", row["id"]), "expired")


def _end(world: World, session: JSON, status: str) -> JSON:
    session |= {"status": status, "url": None}
    world.store.put(session)
    world.emit(f"checkout.session.{'completed' if status == 'complete' else status}", session)
    return session


def pay(world: World, session: JSON, form: dict[str, str], number: str, expiry: tuple[int, int]) -> Card | None:
    """Charge the card for the open session and complete it; the card when it declines, else None."""
    private = private_of(world, session)
    paid = charge(world, session, private["payment"], form, number, expiry)
    if not paid:
        return card_of(number)
    if session["customer_creation"] == "always" and session["customer"] is None:
        customer = world.create("customer", email=form["email"], name=form["name"])
        world.emit("customer.created", customer)
        session["customer"] = customer["id"]
    session |= {"payment_status": "paid", "customer_details": _details(form["email"], form["name"])}
    _end(world, session, "complete")
    return None
