"""The hosted checkout page: a card form without scripts, whose errors stand beside their fields."""

from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qsl

from standins.stripe import cards, checkout
from standins.stripe.http import Request, Response
from standins.stripe.objects import World
from standins.stripe.store import JSON

_FIELDS = ("email", "number", "expiry", "cvc", "name")
_PAGES = {path.stem: Template(path.read_text()) for path in (Path(__file__).parent / "pages").glob("*.html")}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'"


def serve(world: World, request: Request, reference: str) -> Response:
    """GET shows the form of an open session; POST pays and redirects to its success URL."""
    session = world.store.find(reference, "checkout.session")
    if session is None:
        return _ended(404, "Not found", "There is no checkout at this address.", None)
    if session["status"] == "complete":
        return _success(session)
    if session["status"] == "expired":
        message = "This checkout has expired. Nothing was charged; go back and start again."
        return _ended(410, "Expired", message, session["cancel_url"])
    if request.method == "GET":
        return _form(world, session, {"email": session["customer_email"] or ""}, {}, 200)
    sent = dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
    return _submit(world, session, {field: sent.get(field, "").strip() for field in _FIELDS})


def _submit(world: World, session: JSON, form: dict[str, str]) -> Response:
    today = datetime.fromtimestamp(world.now, UTC)
    wrong = cards.problems(form, year=today.year, month=today.month)
    expiry = cards.expiry_of(form["expiry"])
    if wrong or expiry is None:
        return _form(world, session, form, wrong, 422)
    declined = checkout.pay(world, session, form, cards.digits_of(form["number"]), expiry)
    if declined is None or declined.decline is None:
        return _success(session)
    code, _, message = declined.decline
    return _form(world, session, form, {"expiry" if code == "expired_card" else "number": message}, 402)


def _success(session: JSON) -> Response:
    location = session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])
    return Response(303, b"", headers={"Location": location})


def _form(world: World, session: JSON, form: dict[str, str], wrong: dict[str, str], status: int) -> Response:
    values = {field: escape(form.get(field, "")) for field in _FIELDS}
    content = _PAGES["form"].substitute(
        {f"{field}_error": escape(wrong.get(field, "")) for field in _FIELDS}
        | {f"{field}_state": _state(field, wrong) for field in _FIELDS}
        | values,
        cardholder=values["name"],
        name=escape(checkout.private_of(world, session)["name"]),
        amount=_money(session),
        currency=escape(session["currency"].upper()),
        cancel_url=escape(session["cancel_url"] or session["success_url"]),
        cards="".join(_row(number, card) for number, card in cards.CARDS.items()),
        form_error="The payment was not made. Please correct the field marked below." if wrong else "",
    )
    return _html(status, "Error: pay by card" if wrong else "Pay by card", content)


def _state(field: str, wrong: dict[str, str]) -> str:
    """The first wrong field takes the focus, which scrolls to it without a script."""
    if field not in wrong:
        return ""
    return 'aria-invalid="true" autofocus' if field == next(iter(wrong)) else 'aria-invalid="true"'


def _row(number: str, card: cards.Card) -> str:
    spaced = " ".join(number[start : start + 4] for start in range(0, len(number), 4))
    return f"<tr><td><code>{spaced}</code></td><td>{escape(card.says)}</td></tr>"


def _money(session: JSON) -> str:
    amount = f"{session['amount_total'] / 100:,.2f}"
    return f"${amount}" if session["currency"] == "usd" else amount


def _ended(status: int, title: str, message: str, back: str | None) -> Response:
    link = f'<a href="{escape(back)}">Go back</a>' if back else ""
    return _html(status, title, _PAGES["ended"].substitute(title=title, message=message, back=link))


def _html(status: int, title: str, content: str) -> Response:
    body = _PAGES["layout"].substitute(title=title, content=content)
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return Response(status, body.encode(), content_type="text/html; charset=utf-8", headers=headers)
