"""The money of a final invoice: a card is tried, tried again, and the invoice paid."""

from standins.stripe import methods, payments
from standins.stripe.objects import World
from standins.stripe.store import JSON

_DAY = 24 * 3600
# Days until the next try, after the first, second and third failure; then Stripe gives up.
_RETRIES_AFTER_DAYS = (3, 5, 7)


def attempt(world: World, invoice: JSON, wanted: str | None, *, off_session: bool = True) -> JSON | None:
    """Charge what is due to the card wanted, or the one that is the default; None when there is none."""
    reference = wanted or _default_method(world, invoice)
    intent = intent_of(world, invoice)
    tries = invoice["attempt_count"] + 1
    retry = _RETRIES_AFTER_DAYS[tries - 1] if invoice["auto_advance"] and tries <= len(_RETRIES_AFTER_DAYS) else None
    later = {"next_payment_attempt": world.now + retry * _DAY if retry else None}
    if reference is None:
        world.change(invoice, "invoice.payment_failed", attempt_count=tries, attempted=True, **later)
        _subscription(world, invoice, "past_due")
        return None
    method = methods.usable(world, reference, invoice["customer"])
    payments.attempt(world, intent, method, off_session=off_session, return_url=invoice["hosted_invoice_url"])
    world.change(invoice, attempt_count=tries, attempted=True)
    if intent["status"] == "succeeded":
        mark_paid(world, invoice)
        return intent
    world.change(invoice, "invoice.payment_failed", **later)
    asked = (intent["last_payment_error"] or {}).get("code") == "authentication_required"
    if asked or intent["status"] == "requires_action":
        world.emit("invoice.payment_action_required", invoice)
    _subscription(world, invoice, "past_due")
    return intent


def _default_method(world: World, invoice: JSON) -> str | None:
    owner = world.get("customer", invoice["customer"])
    parent = (invoice["parent"] or {}).get("subscription_details") or {}
    subscription = world.store.find(parent.get("subscription") or "") or {}
    found: str | None = (
        invoice["default_payment_method"]
        or subscription.get("default_payment_method")
        or owner["invoice_settings"]["default_payment_method"]
    )
    return found


def intent_of(world: World, invoice: JSON) -> JSON:
    """The payment intent that pays the invoice, for what is left of it; it is made when it is first needed."""
    for payment in world.store.newest("invoice_payment", lambda item: item["status"] == "open", invoice=invoice["id"]):
        intent = world.get("payment_intent", payment["payment"]["payment_intent"])
        if intent["status"] != "canceled":
            return world.change(intent, amount=invoice["amount_remaining"])
        _cancel(world, payment, intent)
    wishes = {"customer": invoice["customer"], "description": f"Invoice {invoice['number']}"}
    intent = payments.new_intent(world, invoice["amount_remaining"], invoice["currency"], wishes)
    world.remember(intent["id"], invoice=invoice["id"])
    world.emit("payment_intent.created", intent)
    world.create(
        "invoice_payment",
        amount_requested=invoice["amount_remaining"],
        currency=invoice["currency"],
        invoice=invoice["id"],
        payment={"type": "payment_intent", "payment_intent": intent["id"]},
        status="open",
        status_transitions={"canceled_at": None, "paid_at": None},
    )
    return intent


def mark_paid(world: World, invoice: JSON, *, charged: bool = True) -> JSON:
    """Nothing is due any more: by a card, by a credit, or out of band."""
    for payment in world.store.newest("invoice_payment", lambda item: item["status"] == "open", invoice=invoice["id"]):
        intent = world.get("payment_intent", payment["payment"]["payment_intent"])
        if intent["status"] == "succeeded":
            ended = {"canceled_at": None, "paid_at": world.now}
            world.change(payment, status="paid", amount_paid=intent["amount"], status_transitions=ended)
            world.emit("invoice_payment.paid", payment)
        else:
            _cancel(world, payment, intent)
    world.change(
        invoice,
        amount_paid=invoice["amount_paid"] + invoice["amount_remaining"],
        amount_remaining=0,
        attempted=True,
        next_payment_attempt=None,
        status="paid",
        status_transitions={**invoice["status_transitions"], "paid_at": world.now},
    )
    world.emit("invoice.paid", invoice)
    if charged:
        world.emit("invoice.payment_succeeded", invoice)
    _subscription(world, invoice, "active")
    return invoice


def _cancel(world: World, payment: JSON, intent: JSON) -> None:
    if intent["status"] != "canceled":
        world.change(
            intent,
            "payment_intent.canceled",
            status="canceled",
            canceled_at=world.now,
            cancellation_reason="void_invoice",
        )
    world.change(payment, status="canceled", status_transitions={"canceled_at": world.now, "paid_at": None})


def _subscription(world: World, invoice: JSON, status: str) -> None:
    """A subscription follows its invoices: past due (or never begun) when one was not paid, active when it was."""
    parent = (invoice["parent"] or {}).get("subscription_details") or {}
    subscription = world.store.find(parent.get("subscription") or "")
    if status == "past_due" and invoice["billing_reason"] == "subscription_create":
        status = "incomplete"
    if subscription and subscription["status"] in ("active", "past_due", "incomplete"):
        events = [] if subscription["status"] == status else ["customer.subscription.updated"]
        world.change(subscription, *events, status=status)


def drop_payments(world: World, invoice: JSON) -> None:
    """Nobody pays this invoice any more."""
    for payment in world.store.newest("invoice_payment", lambda item: item["status"] == "open", invoice=invoice["id"]):
        _cancel(world, payment, world.get("payment_intent", payment["payment"]["payment_intent"]))
