"""Payment intents through the API: created, confirmed on or off session, changed, cancelled."""

from standins.stripe import followup, methods, payments
from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.shapes import merged
from standins.stripe.store import JSON

SMALLEST_CENTS, LARGEST_CENTS = 50, 99_999_999
_CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/payment_intents."""
    if params.get("customer"):
        world.get("customer", params["customer"], "customer")
    if "off_session" in params and not params.get("confirm"):
        raise ApiError(400, "You cannot provide `off_session` without setting `confirm=true`.", param="off_session")
    method = methods.usable(world, params["payment_method"], params.get("customer")) if _given(params) else None
    world = world.of(params.get("customer"))
    intent = payments.new_intent(world, _checked(params["amount"]), params["currency"].lower(), params)
    if method:
        world.change(intent, payment_method=method["id"], status="requires_confirmation")
    world.emit("payment_intent.created", intent)
    return confirm(world, params, intent["id"]) if params.get("confirm") else intent


def _given(params: JSON) -> bool:
    return bool(params.get("payment_method"))


def _checked(amount: int) -> int:
    if amount < SMALLEST_CENTS:
        raise ApiError(400, "Amount must be at least $0.50 usd", code="amount_too_small", param="amount")
    if amount > LARGEST_CENTS:
        raise ApiError(400, "Amount must be no more than $999,999.99", code="amount_too_large", param="amount")
    return amount


def confirm(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/payment_intents/{id}/confirm. Raises ApiError 402, with the intent in it, when the card declines."""
    intent = world.get("payment_intent", reference)
    _expect(intent, _CONFIRMABLE, "confirm")
    wanted = params.get("payment_method") or intent["payment_method"]
    if wanted is None:
        message = (
            "You cannot confirm this PaymentIntent because it's missing a payment method. "
            "Update the PaymentIntent with a payment method and then confirm it again."
        )
        raise ApiError(400, message, code="payment_intent_unexpected_state", payment_intent=intent)
    if params.get("setup_future_usage"):
        intent["setup_future_usage"] = params["setup_future_usage"]
    world = world.of(intent["customer"])
    method = methods.usable(world, wanted, intent["customer"])
    absent = bool(params.get("off_session")) or params.get("error_on_requires_action", False)
    payments.attempt(world, intent, method, off_session=absent, return_url=params.get("return_url"))
    if intent["last_payment_error"]:
        raise declined(intent)
    if intent["status"] == "succeeded":
        followup.succeeded(world, intent)
    return intent


def declined(intent: JSON) -> ApiError:
    """The card error of an intent whose card was just declined."""
    error = intent["last_payment_error"]
    members = {name: value for name, value in error.items() if name not in ("message", "type", "code")}
    return ApiError(402, error["message"], type="card_error", code=error["code"], payment_intent=intent, **members)


def update(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/payment_intents/{id}."""
    intent = world.get("payment_intent", reference)
    members = {name: params[name] or None for name in payments.WISHES if name in params}
    members["metadata"] = merged(intent["metadata"], params.get("metadata"))
    if "amount" in params or "payment_method" in params:
        _expect(intent, _CONFIRMABLE, "update")
    if "amount" in params:
        members["amount"] = _checked(params["amount"])
    if _given(params):
        method = methods.usable(world, params["payment_method"], intent["customer"])
        members |= {"payment_method": method["id"], "status": "requires_confirmation", "next_action": None}
    return world.change(intent, **members)


def cancel(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/payment_intents/{id}/cancel."""
    intent = world.get("payment_intent", reference)
    _expect(intent, _CONFIRMABLE, "cancel")
    return world.of(intent["customer"]).change(
        intent,
        "payment_intent.canceled",
        status="canceled",
        canceled_at=world.of(intent["customer"]).now,
        cancellation_reason=params.get("cancellation_reason"),
        next_action=None,
    )


def _expect(intent: JSON, statuses: tuple[str, ...], verb: str) -> None:
    if intent["status"] not in statuses:
        message = (
            f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}. "
            f"Only a PaymentIntent with one of the following statuses may be used: {', '.join(statuses)}."
        )
        raise ApiError(400, message, code="payment_intent_unexpected_state", payment_intent=intent)
