"""What the hosted page does with the card that was typed: it is charged, or saved for later."""

from standins.stripe import checkout, methods, payments, setups
from standins.stripe.objects import World
from standins.stripe.store import JSON


def submit(world: World, session: JSON, form: dict[str, str], number: str, expiry: tuple[int, int]) -> JSON:
    """Try the card for the open session. The intent: it succeeded (the session is complete), needs an answer to the
    bank (`next_action`), or has an error."""
    world = world.of(session["customer"])
    billing = {"email": form["email"], "name": form["name"]}
    method = methods.make(world, number, expiry, billing, metadata={})
    world.remember(session["id"], email=form["email"], name=form["name"])
    back = f"{world.base_url}/c/pay/{session['id']}"
    intent = _intent(world, session)
    if session["mode"] == "setup":
        setups.attempt(world, intent, method, return_url=back)
    else:
        payments.attempt(world, intent, method, return_url=back)
    if intent["status"] == "succeeded":
        finish(world, session)
    return intent


def finish(world: World, session: JSON) -> None:
    """The session is complete, with the customer it was asked to create."""
    typed = world.recall(session["id"])
    if session["customer_creation"] == "always" and session["customer"] is None:
        customer = world.create("customer", "customer.created", email=typed["email"], name=typed["name"])
        world.change(session, customer=customer["id"])
    checkout.complete(world, session, customer_details=checkout.details(typed["email"], typed["name"]))


def _intent(world: World, session: JSON) -> JSON:
    """The session's intent; it is made at the first try."""
    kind = "payment_intent" if session["mode"] == "payment" else "setup_intent"
    if session[kind]:
        return world.get(kind, session[kind])
    private = world.recall(session["id"])
    wishes = {
        "customer": session["customer"],
        "allowed_payment_method_types": session["payment_method_types"],
        **private["payment" if kind == "payment_intent" else "setup"],
    }
    if kind == "payment_intent":
        intent = payments.new_intent(world, session["amount_total"], session["currency"], wishes)
    else:
        intent = setups.new_intent(world, wishes)
    world.remember(intent["id"], session=session["id"])
    world.change(session, **{kind: intent["id"]})
    world.emit(f"{kind}.created", intent)
    return intent
