"""Checkout sessions: created through the API to pay or to save a card, expired by the API or by time."""

from urllib.parse import urlsplit

from standins.stripe import tax
from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.shapes import merged, new_id
from standins.stripe.store import JSON

_DAY = 24 * 3600
_UNSUPPORTED = "The Stripe stand-in does not have this; it has mode=payment with line_items, and mode=setup."
_COPIED = ("success_url", "cancel_url", "client_reference_id", "customer", "customer_email")


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/checkout/sessions."""
    mode = params.get("mode")
    if mode not in ("payment", "setup") or params.get("ui_mode", "hosted_page") != "hosted_page":
        raise ApiError(400, _UNSUPPORTED, param="mode")
    for name in ("success_url", "cancel_url"):
        _check_url(params, name)
    if "customer" in params:
        world.get("customer", params["customer"], "customer")
    _refuse_what_the_other_mode_has(params, mode)
    return _open(world.of(params.get("customer")), params, mode)


def _refuse_what_the_other_mode_has(params: JSON, mode: str) -> None:
    others = ("setup_intent_data",) if mode == "payment" else ("line_items", "payment_intent_data", "customer_creation")
    for name in others:
        if name in params:
            raise ApiError(400, f"You can not pass `{name}` in `{mode}` mode.", param=name)


def _open(world: World, params: JSON, mode: str) -> JSON:
    amount, currency = _total(world, params) if mode == "payment" else (None, params.get("currency"))
    taxed = (params.get("automatic_tax") or {}).get("enabled", False)
    added = _tax(world, params, amount or 0) if taxed else 0
    expires_at = params.get("expires_at", world.now + _DAY)
    if not world.now + 1800 <= expires_at <= world.now + _DAY:
        message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation."
        raise ApiError(400, message, param="expires_at")
    reference = new_id("cs_test_", 58)
    session = world.create(
        "checkout.session",
        **{name: params[name] for name in _COPIED if name in params},
        id=reference,
        url=f"{world.base_url}/c/pay/{reference}",
        amount_subtotal=amount,
        amount_total=None if amount is None else amount + added,
        automatic_tax={
            name: value for name, value in tax.automatic(enabled=taxed).items() if name != "disabled_reason"
        },
        currency=currency,
        customer_creation=params.get("customer_creation", "if_required") if mode == "payment" else None,
        customer_details=details(_email(world, params), None),
        expires_at=expires_at,
        metadata=merged(None, params.get("metadata")),
        mode=mode,
        payment_method_types=params.get("allowed_payment_method_types", ["card"]),
        total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": added} if mode == "payment" else None,
        payment_status="unpaid" if mode == "payment" else "no_payment_required",
    )
    world.remember(
        reference,
        name=_name(world, params),
        payment=params.get("payment_intent_data", {}),
        setup=params.get("setup_intent_data", {}),
    )
    return session


def _tax(world: World, params: JSON, net: int) -> int:
    """The tax in cents. Stripe's page would ask for an address; here the customer must have one."""
    if "customer" not in params:
        message = "The Stripe stand-in computes tax at a checkout only for a `customer` with an address."
        raise ApiError(400, message, code="customer_tax_location_invalid", param="automatic_tax")
    rule = tax.rule_for(world, world.get("customer", params["customer"], "customer"))
    return int(tax.on(world, rule, net)["amount"])


def _email(world: World, params: JSON) -> str | None:
    owner = world.store.find(params["customer"]) if "customer" in params else None
    email: str | None = params.get("customer_email") or (owner["email"] if owner else None)
    return email


def _check_url(params: JSON, name: str) -> None:
    if name not in params and name == "success_url":
        raise ApiError(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
    parts = urlsplit(params.get(name, "https://example.com"))
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ApiError(400, "Not a valid URL", code="url_invalid", param=name)


def _total(world: World, params: JSON) -> tuple[int, str]:
    """(cents, currency) of the line items. Raises ApiError 400 when there is nothing that can be paid."""
    lines = params.get("line_items")
    if not lines:
        raise ApiError(400, "Missing required param: line_items.", code="parameter_missing", param="line_items")
    prices = [_price(world, line, f"line_items[{place}]") for place, line in enumerate(lines)]
    currencies = {price["currency"].lower() for price in prices}
    if len(currencies) > 1:
        raise ApiError(400, "All line items must have the same currency.", param="line_items")
    amount = sum(price["unit_amount"] * line["quantity"] for price, line in zip(prices, lines, strict=True))
    if amount < 50:
        message = "The Checkout Session's total amount due must add up to at least $0.50 usd"
        raise ApiError(400, message, code="amount_too_small")
    if amount > 99_999_999:
        message = "The Checkout Session's total amount due must be no more than $999,999.99"
        raise ApiError(400, message, code="amount_too_large")
    return amount, currencies.pop()


def _price(world: World, line: JSON, param: str) -> JSON:
    """The line's price, given in place or by its id."""
    price: JSON = world.get("price", line["price"], "price") if "price" in line else line.get("price_data", {})
    known = "price" in line or "product_data" in price or "product" in price
    if price.get("unit_amount") is None or not known or line.get("quantity", 0) < 1:
        raise ApiError(400, _UNSUPPORTED, param=param)
    return price


def _name(world: World, params: JSON) -> str:
    """What is being done, for people."""
    if not params.get("line_items"):
        return "Save a card"
    line = params["line_items"][0]
    price = world.get("price", line["price"]) if "price" in line else line["price_data"]
    made = price.get("product_data") or world.get("product", price["product"], "product")
    return str(made["name"])


def details(email: str | None, name: str | None) -> JSON | None:
    """`customer_details`: what the customer typed."""
    if email is None:
        return None
    shown = dict.fromkeys(("address", "phone", "tax_ids", "business_name", "individual_name"))
    return {**shown, "email": email, "name": name, "tax_exempt": "none"}


def expire(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/checkout/sessions/{id}/expire."""
    session = world.get("checkout.session", reference)
    if session["status"] != "open":
        message = f'Only Checkout Sessions with a status in ["open"] can be expired. This one is {session["status"]}.'
        raise ApiError(400, message)
    return expire_now(world.of(session["customer"]), session)


def expire_now(world: World, session: JSON) -> JSON:
    """Its time is over."""
    return world.change(session, "checkout.session.expired", status="expired", url=None)


def complete(world: World, session: JSON, **members: object) -> JSON:
    """It was paid, or the card was saved."""
    paid = {"payment_status": "paid"} if session["mode"] == "payment" else {}
    return world.change(session, "checkout.session.completed", status="complete", url=None, **paid, **members)
