"""The hosted checkout page: a card is charged or saved on it."""

from standins.stripe import cards, html, paying
from standins.stripe.http import Request, Response
from standins.stripe.objects import World
from standins.stripe.store import JSON

_SAVED = "The card will be saved, and may be charged later when you are not here."


def serve(world: World, request: Request, reference: str) -> Response:
    """GET shows the form of an open session; POST pays and redirects to its success URL."""
    session = world.store.find(reference, "checkout.session")
    if session is None:
        return html.ended(404, "Not found", "There is no checkout at this address.", None)
    if session["status"] == "complete":
        return _success(session)
    if session["status"] == "expired":
        message = "This checkout has expired. Nothing was charged; go back and start again."
        return html.ended(410, "Expired", message, session["cancel_url"])
    if request.method == "GET":
        return _form(world, session, {"email": _known_email(session)}, _unanswered(world, session), 200)
    return _submit(world, session, html.typed(request))


def _known_email(session: JSON) -> str:
    return str((session["customer_details"] or {}).get("email") or session["customer_email"] or "")


def _unanswered(world: World, session: JSON) -> dict[str, str]:
    """Back from the bank's page without its owner's answer."""
    intent = world.store.find(session["payment_intent"] or session["setup_intent"] or "") or {}
    error = intent.get("last_payment_error") or intent.get("last_setup_error")
    failed = error and error["code"].endswith("_authentication_failure")
    return {"number": "Your bank could not confirm that this is you. Try again or use another card."} if failed else {}


def _submit(world: World, session: JSON, form: dict[str, str]) -> Response:
    wrong, expiry = html.checked(form, world.of(session["customer"]).now)
    if wrong:
        return _form(world, session, form, wrong, 422)
    intent = paying.submit(world, session, form, cards.digits_of(form["number"]), expiry)
    if intent["status"] == "succeeded":
        return _success(session)
    if intent["status"] == "requires_action":
        return html.redirect(intent["next_action"]["redirect_to_url"]["url"])
    error = intent["last_payment_error"] if session["mode"] == "payment" else intent["last_setup_error"]
    return _form(world, session, form, html.beside_field(error), 402)


def _success(session: JSON) -> Response:
    return html.redirect(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]))


def _form(world: World, session: JSON, form: dict[str, str], wrong: dict[str, str], status: int) -> Response:
    saving = session["mode"] == "setup"
    price = "" if saving else html.money(session["amount_total"], session["currency"])
    private = world.recall(session["id"])
    tax = (session["total_details"] or {}).get("amount_tax")
    texts = {
        "name": private["name"],
        "amount": price,
        "note": _SAVED if saving or private["payment"].get("setup_future_usage") else "",
        "tax": f"Includes {html.money(tax, session['currency'])} of tax." if tax else "",
        "verb": f"Pay {price}" if price else "Save card",
        "cancel_url": session["cancel_url"] or session["success_url"],
        "undone": "The card was not saved." if saving else "The payment was not made.",
    }
    return html.card_form(form, wrong, status, texts, "Save a card" if saving else "Pay by card")
