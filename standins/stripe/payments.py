"""What becomes of a payment intent when a card is tried: charged, declined, or its owner is asked first."""

from typing import Any

from standins.stripe import balance, charges, disputes, methods
from standins.stripe.cards import UNAUTHENTICATED, Card, Decline
from standins.stripe.objects import World
from standins.stripe.shapes import merged, new_id
from standins.stripe.store import JSON

# What is copied from the parameters of the API to the intent as it is.
WISHES = ("description", "receipt_email", "setup_future_usage", "statement_descriptor", "statement_descriptor_suffix")
_AUTHENTICATION_FAILED = (
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod "
    "to attempt to fulfill this PaymentIntent again."
)


def new_intent(world: World, amount: int, currency: str, wishes: JSON) -> JSON:
    """An intent nobody has heard of yet; `wishes` are parameters of the API."""
    reference = new_id("pi_")
    return world.create(
        "payment_intent",
        **{name: wishes[name] for name in WISHES if wishes.get(name)},
        id=reference,
        amount=amount,
        automatic_payment_methods={"enabled": True, "allow_redirects": "always"},
        client_secret=f"{reference}_secret_{new_id('', 25)}",
        currency=currency,
        customer=wishes.get("customer"),
        metadata=merged(None, wishes.get("metadata")),
        payment_method_types=wishes.get("allowed_payment_method_types", ["card"]),
    )


def asks(world: World, card: Card, method: JSON, *, off_session: bool) -> bool:
    """Whether the card's bank wants to see its owner before this."""
    if card.asks == "unset":
        return not (off_session and world.recall(method["id"]).get("set_up", False))
    return card.asks == "always" or (card.asks == "present" and not off_session)


def challenge(world: World, intent: JSON, return_url: str | None) -> JSON:
    """The `next_action` that sends the owner to the bank's page, and from there to `return_url`."""
    url = f"{world.base_url}/3ds/{intent['id']}"
    if return_url is None:
        return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url}}
    return {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}


def attempt(
    world: World,
    intent: JSON,
    method: JSON,
    *,
    off_session: bool = False,
    authenticated: bool = False,
    return_url: str | None = None,
) -> JSON:
    """Try the card. The intent has then succeeded, requires action, or requires another payment method."""
    card = methods.card_behind(method)
    if not authenticated and asks(world, card, method, off_session=off_session):
        if off_session:
            return _decline(world, intent, method, UNAUTHENTICATED)
        return world.change(
            intent,
            "payment_intent.requires_action",
            status="requires_action",
            payment_method=method["id"],
            next_action=challenge(world, intent, return_url),
            last_payment_error=None,
        )
    if card.decline:
        return _decline(world, intent, method, card.decline)
    return _succeed(world, intent, method, card)


def fail_authentication(world: World, intent: JSON) -> JSON:
    """The owner did not answer the bank: nothing was charged."""
    method = world.get("payment_method", intent["payment_method"])
    error = {
        "type": "invalid_request_error",
        "code": "payment_intent_authentication_failure",
        "message": _AUTHENTICATION_FAILED,
        "payment_method": method,
    }
    return _require_another(world, intent, error)


def _require_another(world: World, intent: JSON, error: JSON, **members: Any) -> JSON:
    return world.change(
        intent,
        "payment_intent.payment_failed",
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_payment_error=error,
        **members,
    )


def _decline(world: World, intent: JSON, method: JSON, decline: Decline) -> JSON:
    charge = charges.make(world, intent, method, decline)
    world.emit("charge.failed", charge)
    code, decline_code, message = decline
    error: JSON = {"type": "card_error", "code": code, "decline_code": decline_code, "message": message}
    error |= {"charge": charge["id"], "payment_method": method}
    return _require_another(world, intent, error, latest_charge=charge["id"])


def _succeed(world: World, intent: JSON, method: JSON, card: Card) -> JSON:
    charge = charges.make(world, intent, method, None)
    fee = balance.fee_of(charge["amount"])
    world.change(charge, balance_transaction=balance.record(world, "charge", charge, charge["amount"], fee=fee))
    world.emit("charge.succeeded", charge)
    _keep(world, intent, method)
    world.change(
        intent,
        "payment_intent.succeeded",
        status="succeeded",
        amount_received=intent["amount"],
        latest_charge=charge["id"],
        payment_method=method["id"],
        next_action=None,
        last_payment_error=None,
    )
    if card.dispute:
        disputes.arise(world, charge, card.dispute)
    return intent


def _keep(world: World, intent: JSON, method: JSON) -> None:
    """A card is saved when that was asked for; one that is nobody's is spent."""
    if intent["setup_future_usage"] and intent["customer"]:
        methods.save(world, method, intent["customer"])
        world.remember(method["id"], set_up=True)
    elif method["customer"] is None:
        world.remember(method["id"], spent=True)
