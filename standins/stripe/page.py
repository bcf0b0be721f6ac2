"""The hosted checkout page: a card form without scripts, whose errors stand beside their fields."""

from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qsl

from standins.stripe import cards, paying
from standins.stripe.http import Request, Response
from standins.stripe.objects import World
from standins.stripe.store import JSON

_FIELDS = ("email", "number", "expiry", "cvc", "name")
_NOTE_SAVED = "The card will be saved, and may be charged later when you are not here."
PAGES = {path.stem: Template(path.read_text()) for path in (Path(__file__).parent / "pages").glob("*.html")}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'"


def serve(world: World, request: Request, reference: str) -> Response:
    """GET shows the form of an open session; POST pays and redirects to its success URL."""
    session = world.store.find(reference, "checkout.session")
    if session is None:
        return ended(404, "Not found", "There is no checkout at this address.", None)
    if session["status"] == "complete":
        return _success(session)
    if session["status"] == "expired":
        message = "This checkout has expired. Nothing was charged; go back and start again."
        return ended(410, "Expired", message, session["cancel_url"])
    if request.method == "GET":
        return _form(world, session, {"email": _known_email(session)}, _unanswered(world, session), 200)
    sent = dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
    return _submit(world, session, {field: sent.get(field, "").strip() for field in _FIELDS})


def _known_email(session: JSON) -> str:
    return str((session["customer_details"] or {}).get("email") or session["customer_email"] or "")


def _unanswered(world: World, session: JSON) -> dict[str, str]:
    """Back from the bank's page without its owner's answer."""
    intent = world.store.find(session["payment_intent"] or session["setup_intent"] or "")
    error = (intent or {}).get("last_payment_error") or (intent or {}).get("last_setup_error")
    failed = error and error["code"].endswith("_authentication_failure")
    return {"number": "Your bank could not confirm that this is you. Try again or use another card."} if failed else {}


def _submit(world: World, session: JSON, form: dict[str, str]) -> Response:
    today = datetime.fromtimestamp(world.now, UTC)
    wrong = cards.problems(form, year=today.year, month=today.month)
    expiry = cards.expiry_of(form["expiry"])
    if wrong or expiry is None:
        return _form(world, session, form, wrong, 422)
    intent = paying.submit(world, session, form, cards.digits_of(form["number"]), expiry)
    if intent["status"] == "succeeded":
        return _success(session)
    if intent["status"] == "requires_action":
        return Response(303, b"", headers={"Location": intent["next_action"]["redirect_to_url"]["url"]})
    error = intent["last_payment_error"] if session["mode"] == "payment" else intent["last_setup_error"]
    field = {"expired_card": "expiry", "incorrect_cvc": "cvc"}.get(error["code"], "number")
    return _form(world, session, form, {field: error["message"]}, 402)


def _success(session: JSON) -> Response:
    location = session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])
    return Response(303, b"", headers={"Location": location})


def _form(world: World, session: JSON, form: dict[str, str], wrong: dict[str, str], status: int) -> Response:
    values = {field: escape(form.get(field, "")) for field in _FIELDS}
    saving = session["mode"] == "setup"
    price = "" if saving else money(session["amount_total"], session["currency"])
    private = world.recall(session["id"])
    content = PAGES["form"].substitute(
        {f"{field}_error": escape(wrong.get(field, "")) for field in _FIELDS}
        | {f"{field}_state": _state(field, wrong) for field in _FIELDS}
        | values,
        cardholder=values["name"],
        name=escape(private["name"]),
        amount=f"{price} <small>{escape(session['currency'].upper())}</small>" if price else "",
        note=_NOTE_SAVED if saving or private["payment"].get("setup_future_usage") else "",
        verb=f"Pay {price}" if price else "Save card",
        cancel_url=escape(session["cancel_url"] or session["success_url"]),
        cards="".join(_row(number, card) for number, card in cards.CARDS.items()),
        form_error=_form_error(saving=saving) if wrong else "",
    )
    title = "Save a card" if saving else "Pay by card"
    return html(status, f"Error: {title.lower()}" if wrong else title, content)


def _form_error(*, saving: bool) -> str:
    what = "The card was not saved." if saving else "The payment was not made."
    return f"{what} Please correct the field marked below."


def _state(field: str, wrong: dict[str, str]) -> str:
    """The first wrong field takes the focus, which scrolls to it without a script."""
    if field not in wrong:
        return ""
    return 'aria-invalid="true" autofocus' if field == next(iter(wrong)) else 'aria-invalid="true"'


def _row(number: str, card: cards.Card) -> str:
    spaced = " ".join(number[start : start + 4] for start in range(0, len(number), 4))
    return f"<tr><td><code>{spaced}</code></td><td>{escape(card.says)}</td></tr>"


def money(cents: int, currency: str) -> str:
    """An amount for people."""
    amount = f"{cents / 100:,.2f}"
    return f"${amount}" if currency == "usd" else amount


def ended(status: int, title: str, message: str, back: str | None) -> Response:
    """A page that only says something."""
    link = f'<a href="{escape(back)}">Go back</a>' if back else ""
    return html(status, title, PAGES["ended"].substitute(title=title, message=message, back=link))


def html(status: int, title: str, content: str) -> Response:
    """A page in the common frame."""
    body = PAGES["layout"].substitute(title=title, content=content)
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return Response(status, body.encode(), content_type="text/html; charset=utf-8", headers=headers)
