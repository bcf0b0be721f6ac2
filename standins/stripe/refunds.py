"""Refunds: whole or partial, never more than was paid; some test cards' refunds end later, when settled."""

from standins.stripe.cards import CARDS
from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.store import JSON

_BY_LAST4 = {number[-4:]: card for number, card in CARDS.items()}


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/refunds."""
    charge = _charge(world, params)
    left = charge["amount"] - charge["amount_refunded"]
    if charge["status"] != "succeeded":
        raise ApiError(400, f"Charge {charge['id']} has not been paid.", code="charge_not_refundable", param="charge")
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise ApiError(400, message, code="charge_already_refunded")
    amount = params.get("amount", left)
    if amount < 1:
        message = "This value must be greater than or equal to 1."
        raise ApiError(400, message, code="parameter_invalid_integer", param="amount")
    if amount > left:
        text = f"Refund amount (${amount / 100:.2f}) is greater than unrefunded amount on charge (${left / 100:.2f})"
        raise ApiError(400, text, param="amount")
    refund = world.create(
        "refund",
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        metadata=params.get("metadata") or {},
        payment_intent=charge["payment_intent"],
        reason=params.get("reason"),
        status="pending" if _later(charge) == "pends" else "succeeded",
    )
    _change(world, charge, amount)
    world.emit("refund.created", refund)
    world.emit("charge.refunded", charge)
    return refund


def _charge(world: World, params: JSON) -> JSON:
    if "charge" in params:
        return world.get("charge", params["charge"], "charge")
    if "payment_intent" not in params:
        raise ApiError(
            400, "One of the following params should be provided for this request: payment_intent or charge."
        )
    intent = world.get("payment_intent", params["payment_intent"], "payment_intent")
    if intent["latest_charge"] is None:
        message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        raise ApiError(400, message, code="payment_intent_unexpected_state", param="payment_intent")
    return world.get("charge", intent["latest_charge"])


def _later(charge: JSON) -> str:
    return _BY_LAST4[charge["payment_method_details"]["card"]["last4"]].refund


def _change(world: World, charge: JSON, amount: int) -> None:
    refunded = charge["amount_refunded"] + amount
    charge |= {"amount_refunded": refunded, "refunded": refunded == charge["amount"]}
    world.store.put(charge)


def settle(world: World) -> list[JSON]:
    """End every refund that Stripe would end later: pending ones succeed, those to the failing card fail."""
    return [
        settled
        for refund in world.store.newest("refund", lambda item: item["status"] in ("pending", "succeeded"))
        if (settled := _settle(world, refund))
    ]


def _settle(world: World, refund: JSON) -> JSON | None:
    charge = world.get("charge", refund["charge"])
    later = _later(charge)
    if later == "fails" and refund["status"] == "succeeded":
        refund |= {"status": "failed"}
        refund["failure_reason"] = "expired_or_canceled_card"
        _change(world, charge, -refund["amount"])
    elif later == "pends" and refund["status"] == "pending":
        refund |= {"status": "succeeded"}
    else:
        return None
    world.store.put(refund)
    world.emit("refund.failed" if refund["status"] == "failed" else "refund.updated", refund)
    return refund
