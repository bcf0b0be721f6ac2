"""The page of the cardholder's bank (3-D Secure): yes lets the payment or the saving of a card go on, no ends it."""

from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit

from standins.stripe import followup, html, payments, setups
from standins.stripe.http import Request, Response
from standins.stripe.objects import World
from standins.stripe.store import JSON


def serve(world: World, request: Request, reference: str) -> Response:
    """GET asks; POST with `answer` yes or no goes on and redirects to where the payment came from."""
    intent = world.store.find(reference)
    if intent is None or intent["object"] not in ("payment_intent", "setup_intent"):
        return html.ended(404, "Not found", "There is nothing to confirm at this address.", None)
    world = world.of(intent["customer"])
    if intent["status"] != "requires_action":
        return html.ended(410, "Already answered", "This was answered already, or cancelled.", None)
    if request.method == "GET":
        return _ask(world, intent)
    back = intent["next_action"].get("redirect_to_url", {}).get("return_url")
    answer = dict(parse_qsl(request.body.decode(errors="replace"))).get("answer")
    _go_on(world, intent, agreed=answer == "yes")
    if back is None:
        return html.ended(200, "Thank you", "You can close this page.", None)
    return html.redirect(_location(back, intent))


def _ask(world: World, intent: JSON) -> Response:
    paying = intent["object"] == "payment_intent"
    method = world.get("payment_method", intent["payment_method"])
    content = html.PAGES["challenge"].substitute(
        what="Confirm this payment" if paying else "Confirm that your card may be saved",
        amount=escape(html.money(intent["amount"], intent["currency"])) if paying else "",
        last4=method["card"]["last4"],
    )
    return html.page(200, "Your bank asks", content)


def _go_on(world: World, intent: JSON, *, agreed: bool) -> None:
    module = payments if intent["object"] == "payment_intent" else setups
    if not agreed:
        module.fail_authentication(world, intent)
        return
    method = world.get("payment_method", intent["payment_method"])
    module.attempt(world, intent, method, authenticated=True)
    if intent["status"] == "succeeded":
        followup.succeeded(world, intent)


def _location(back: str, intent: JSON) -> str:
    """The return URL with what Stripe adds to it."""
    status = "succeeded" if intent["status"] == "succeeded" else "failed"
    kind = intent["object"]
    added = {kind: intent["id"], f"{kind}_client_secret": intent["client_secret"], "redirect_status": status}
    parts = urlsplit(back)
    return parts._replace(query="&".join(filter(None, (parts.query, urlencode(added))))).geturl()
