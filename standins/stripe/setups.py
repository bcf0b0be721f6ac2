"""Setup intents: a card is saved for later without being charged."""

from standins.stripe import methods, payments
from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.shapes import merged, new_id
from standins.stripe.store import JSON

_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
_AUTHENTICATION_FAILED = (
    "The latest attempt to set up the payment method has failed because authentication failed. You can provide "
    "payment_method_data or a new PaymentMethod to attempt to fulfill this SetupIntent again."
)


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/setup_intents."""
    if params.get("customer"):
        world.get("customer", params["customer"], "customer")
    world = world.of(params.get("customer"))
    method = (
        methods.usable(world, params["payment_method"], params.get("customer")) if "payment_method" in params else None
    )
    intent = new_intent(world, params)
    if method:
        world.change(intent, payment_method=method["id"], status="requires_confirmation")
    world.emit("setup_intent.created", intent)
    return confirm(world, params, intent["id"]) if params.get("confirm") else intent


def new_intent(world: World, wishes: JSON) -> JSON:
    """An intent nobody has heard of yet."""
    reference = new_id("seti_")
    return world.create(
        "setup_intent",
        id=reference,
        automatic_payment_methods={"enabled": True, "allow_redirects": "always"},
        client_secret=f"{reference}_secret_{new_id('', 31)}",
        customer=wishes.get("customer"),
        description=wishes.get("description"),
        metadata=merged(None, wishes.get("metadata")),
        payment_method_types=wishes.get("allowed_payment_method_types", ["card"]),
        usage=wishes.get("usage", "off_session"),
    )


def confirm(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/setup_intents/{id}/confirm. Raises ApiError 402, with the intent in it, when the card declines."""
    intent = world.get("setup_intent", reference)
    _expect(intent, "confirm")
    wanted = params.get("payment_method") or intent["payment_method"]
    if wanted is None:
        message = "You cannot confirm this SetupIntent because it's missing a payment method."
        raise ApiError(400, message, code="setup_intent_unexpected_state", setup_intent=intent)
    world = world.of(intent["customer"])
    method = methods.usable(world, wanted, intent["customer"])
    attempt(world, intent, method, return_url=params.get("return_url"))
    if error := intent["last_setup_error"]:
        members = {name: value for name, value in error.items() if name not in ("message", "type", "code")}
        raise ApiError(402, error["message"], type="card_error", code=error["code"], setup_intent=intent, **members)
    return intent


def attempt(
    world: World, intent: JSON, method: JSON, *, authenticated: bool = False, return_url: str | None = None
) -> JSON:
    """Try to save the card; the intent has then succeeded, requires action, or requires another payment method."""
    card = methods.card_behind(method)
    if card.decline and not card.saves:
        code, decline_code, message = card.decline
        error = {"type": "card_error", "code": code, "decline_code": decline_code, "message": message}
        return _fail(world, intent, error | {"payment_method": method})
    if card.asks in ("unset", "always") and not authenticated:
        return world.change(
            intent,
            "setup_intent.requires_action",
            status="requires_action",
            payment_method=method["id"],
            next_action=payments.challenge(world, intent, return_url),
            last_setup_error=None,
        )
    if intent["customer"]:
        methods.save(world, method, intent["customer"])
    world.remember(method["id"], set_up=True)
    return world.change(
        intent,
        "setup_intent.succeeded",
        status="succeeded",
        payment_method=method["id"],
        next_action=None,
        last_setup_error=None,
    )


def fail_authentication(world: World, intent: JSON) -> JSON:
    """The owner did not answer the bank: nothing was saved."""
    error = {
        "type": "invalid_request_error",
        "code": "setup_intent_authentication_failure",
        "message": _AUTHENTICATION_FAILED,
        "payment_method": world.get("payment_method", intent["payment_method"]),
    }
    return _fail(world, intent, error)


def _fail(world: World, intent: JSON, error: JSON) -> JSON:
    return world.change(
        intent,
        "setup_intent.setup_failed",
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_setup_error=error,
    )


def update(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/setup_intents/{id}."""
    intent = world.get("setup_intent", reference)
    members: JSON = {"metadata": merged(intent["metadata"], params.get("metadata"))}
    if "description" in params:
        members["description"] = params["description"]
    return world.change(intent, **members)


def cancel(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/setup_intents/{id}/cancel."""
    intent = world.get("setup_intent", reference)
    _expect(intent, "cancel")
    reason = params.get("cancellation_reason")
    members = {"status": "canceled", "cancellation_reason": reason, "next_action": None}
    return world.of(intent["customer"]).change(intent, "setup_intent.canceled", **members)


def _expect(intent: JSON, verb: str) -> None:
    if intent["status"] not in _OPEN:
        message = (
            f"You cannot {verb} this SetupIntent because it has a status of {intent['status']}. "
            f"Only a SetupIntent with one of the following statuses may be used: {', '.join(_OPEN)}."
        )
        raise ApiError(400, message, code="setup_intent_unexpected_state", setup_intent=intent)
