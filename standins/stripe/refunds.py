"""Refunds: whole or partial, never more than was paid; some test cards' refunds end later, when settled."""

from standins.stripe import balance
from standins.stripe.cards import BY_LAST4
from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.shapes import merged
from standins.stripe.store import JSON


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/refunds."""
    charge = _charge(world, params)
    world = world.of(charge["customer"])
    left = charge["amount"] - charge["amount_refunded"]
    if charge["status"] != "succeeded":
        raise ApiError(400, f"Charge {charge['id']} has not been paid.", code="charge_not_refundable", param="charge")
    if charge["disputed"]:
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise ApiError(400, message, code="charge_disputed", param="charge")
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
    return give_back(world, charge, amount, metadata=merged(None, params.get("metadata")), reason=params.get("reason"))


def give_back(world: World, charge: JSON, amount: int, **members: object) -> JSON:
    """Refund so many cents of the charge, which has them."""
    refund = world.create(
        "refund",
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        destination_details={"type": "card", "card": {"type": "refund"}},
        payment_intent=charge["payment_intent"],
        status="pending" if _later(charge) == "pends" else "succeeded",
        **members,
    )
    world.change(refund, balance_transaction=balance.record(world, "refund", refund, -amount))
    _change(world, charge, amount)
    world.emit("refund.created", refund)
    world.emit("charge.refunded", charge)
    return refund


def update(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/refunds/{id}."""
    refund = world.get("refund", reference)
    return world.change(refund, "refund.updated", metadata=merged(refund["metadata"], params.get("metadata")))


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
    return BY_LAST4[charge["payment_method_details"]["card"]["last4"]].refund


def _change(world: World, charge: JSON, amount: int) -> None:
    refunded = charge["amount_refunded"] + amount
    made = world.store.newest("refund", charge=charge["id"])
    shown = {**charge["refunds"], "data": made[:10], "has_more": len(made) > 10}
    world.change(charge, amount_refunded=refunded, refunded=refunded == charge["amount"], refunds=shown)


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
    world = world.of(charge["customer"])
    if later == "fails" and refund["status"] == "succeeded":
        entry = balance.record(world, "refund_failure", refund, refund["amount"])
        why = {"failure_reason": "expired_or_canceled_card", "failure_balance_transaction": entry}
        world.change(refund, status="failed", **why)
        _change(world, charge, -refund["amount"])
        world.emit("refund.failed", refund)
        return refund
    if later == "pends" and refund["status"] == "pending":
        world.change(refund, "refund.updated", status="succeeded")
        _change(world, charge, 0)
        return refund
    return None
