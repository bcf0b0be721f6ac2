"""Payment intents and charges, as a paid or declined card makes them; customers."""

from typing import Any

from standins.stripe.cards import Card, card_of
from standins.stripe.objects import FIXTURES, World, new_id
from standins.stripe.store import JSON


def create_customer(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/customers."""
    customer = world.create("customer", **_customer_members(params), invoice_prefix=new_id("", 8).upper())
    world.emit("customer.created", customer)
    return customer


def update_customer(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/customers/{id}; metadata is merged, and an empty value takes its key away."""
    customer = world.get("customer", reference)
    members = _customer_members(params)
    merged = {**customer["metadata"], **members.pop("metadata", {})}
    customer |= members | {"metadata": {key: value for key, value in merged.items() if value != ""}}
    world.store.put(customer)
    world.emit("customer.updated", customer)
    return customer


def _customer_members(params: JSON) -> JSON:
    kept = ("email", "name", "description", "phone", "address", "metadata", "preferred_locales", "shipping")
    return {name: params[name] or ({} if name == "metadata" else None) for name in kept if name in params}


def charge(
    world: World, session: JSON, wishes: JSON, form: dict[str, str], number: str, expiry: tuple[int, int]
) -> bool:
    """Try the card for the session's amount, on the payment intent of its earlier tries if it has one."""
    card = card_of(number)
    intent = _intent(world, session, wishes)
    method = _method(world, form, card, number, expiry)
    attempt = _charge(world, intent, method, card, number)
    error = _last_error(card, attempt)
    intent |= {
        "latest_charge": attempt["id"],
        "payment_method": None if error else method["id"],
        "status": "requires_payment_method" if error else "succeeded",
        "amount_received": 0 if error else intent["amount"],
        "last_payment_error": error,
    }
    world.store.put(intent)
    world.emit("charge.failed" if error else "charge.succeeded", attempt)
    world.emit("payment_intent.payment_failed" if error else "payment_intent.succeeded", intent)
    return error is None


def _intent(world: World, session: JSON, wishes: JSON) -> JSON:
    if session["payment_intent"]:
        return world.get("payment_intent", session["payment_intent"])
    intent = world.create(
        "payment_intent",
        amount=session["amount_total"],
        currency=session["currency"],
        customer=session["customer"],
        client_secret=None,
        description=wishes.get("description"),
        metadata=wishes.get("metadata") or {},
        payment_method_types=session["payment_method_types"],
        receipt_email=wishes.get("receipt_email"),
    )
    session["payment_intent"] = intent["id"]
    world.store.put(session)
    world.emit("payment_intent.created", intent)
    return intent


def _method(world: World, form: dict[str, str], card: Card, number: str, expiry: tuple[int, int]) -> JSON:
    details = FIXTURES["payment_method"]["card"] | _face(card, number, expiry) | {"display_brand": card.brand}
    details |= {"generated_from": None, "wallet": None, "networks": {"available": [card.brand], "preferred": None}}
    return world.create("payment_method", billing_details=_billing(form), card=details, metadata={})


def _charge(world: World, intent: JSON, method: JSON, card: Card, number: str) -> JSON:
    code, decline_code, message = card.decline or (None, None, None)
    face = _face(card, number, (method["card"]["exp_year"], method["card"]["exp_month"]))
    shown = {name: None if isinstance(value, dict) else value for name, value in _example_card().items()}
    reference = new_id("ch_")
    return world.create(
        "charge",
        id=reference,
        amount=intent["amount"],
        amount_captured=0 if card.decline else intent["amount"],
        billing_details=method["billing_details"],
        captured=not card.decline,
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        failure_code=code,
        failure_message=message,
        metadata=intent["metadata"],
        outcome=_outcome(decline_code, message),
        paid=not card.decline,
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details={
            "type": "card",
            "card": shown | face | {"checks": _example_card()["checks"], "network": card.brand},
        },
        refunds={"object": "list", "data": [], "has_more": False, "url": f"/v1/charges/{reference}/refunds"},
        status="failed" if card.decline else "succeeded",
    )


def _example_card() -> JSON:
    example: JSON = FIXTURES["charge"]["payment_method_details"]["card"]
    return example


def _face(card: Card, number: str, expiry: tuple[int, int]) -> JSON:
    return {"brand": card.brand, "last4": number[-4:], "exp_year": expiry[0], "exp_month": expiry[1]}


def _billing(form: dict[str, str]) -> JSON:
    return {**FIXTURES["charge"]["billing_details"], "email": form["email"], "name": form["name"]}


def _outcome(decline_code: str | None, message: str | None) -> JSON:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if decline_code else "approved_by_network",
        "reason": decline_code,
        "seller_message": message or "Payment complete.",
        "type": "issuer_declined" if decline_code else "authorized",
    }


def _last_error(card: Card, attempt: JSON) -> dict[str, Any] | None:
    if card.decline is None:
        return None
    code, decline_code, message = card.decline
    return {
        "type": "card_error",
        "code": code,
        "decline_code": decline_code,
        "message": message,
        "charge": attempt["id"],
    }
