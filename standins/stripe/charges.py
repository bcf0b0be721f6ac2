"""Charges: one try of a card, paid or failed."""

from standins.stripe.cards import Decline
from standins.stripe.objects import World
from standins.stripe.shapes import FIXTURES, merged, new_id
from standins.stripe.store import JSON


def make(world: World, intent: JSON, method: JSON, decline: Decline | None) -> JSON:
    """The try: it failed if there is a decline."""
    code, decline_code, message = decline or (None, None, None)
    shown = {name: None if isinstance(value, dict) else value for name, value in _example_card().items()}
    face = {name: method["card"][name] for name in ("brand", "last4", "exp_year", "exp_month")}
    reference = new_id("ch_")
    return world.create(
        "charge",
        id=reference,
        amount=intent["amount"],
        amount_captured=0 if decline else intent["amount"],
        billing_details=method["billing_details"],
        captured=not decline,
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        failure_code=code,
        failure_message=message,
        metadata=intent["metadata"],
        outcome=_outcome(decline_code, message),
        paid=not decline,
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details={
            "type": "card",
            "card": shown | face | {"checks": _example_card()["checks"], "network": face["brand"]},
        },
        receipt_email=intent["receipt_email"],
        refunds={"object": "list", "data": [], "has_more": False, "url": f"/v1/charges/{reference}/refunds"},
        statement_descriptor_suffix=intent["statement_descriptor_suffix"],
        status="failed" if decline else "succeeded",
    )


def _example_card() -> JSON:
    example: JSON = FIXTURES["charge"]["payment_method_details"]["card"]
    return example


def _outcome(decline_code: str | None, message: str | None) -> JSON:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if decline_code else "approved_by_network",
        "reason": decline_code,
        "risk_level": "normal",
        "seller_message": message or "Payment complete.",
        "type": "issuer_declined" if decline_code else "authorized",
    }


def update(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/charges/{id}."""
    charge = world.get("charge", reference)
    members: JSON = {"metadata": merged(charge["metadata"], params.get("metadata"))}
    if "description" in params:
        members["description"] = params["description"]
    return world.change(charge, "charge.updated", **members)
