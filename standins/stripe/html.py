"""The frame of all pages, and the card form: no scripts, no outside assets, errors beside their fields."""

from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qsl

from standins.stripe import cards
from standins.stripe.http import Request, Response
from standins.stripe.store import JSON

FIELDS = ("email", "number", "expiry", "cvc", "name")
PAGES = {path.stem: Template(path.read_text()) for path in (Path(__file__).parent / "pages").glob("*.html")}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'"


def page(status: int, title: str, content: str) -> Response:
    """A page in the common frame."""
    body = PAGES["layout"].substitute(title=title, content=content)
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return Response(status, body.encode(), content_type="text/html; charset=utf-8", headers=headers)


def ended(status: int, title: str, message: str, back: str | None) -> Response:
    """A page that only says something."""
    link = f'<a href="{escape(back)}">Go back</a>' if back else ""
    return page(status, title, PAGES["ended"].substitute(title=title, message=escape(message), back=link))


def redirect(location: str) -> Response:
    """See other."""
    return Response(303, b"", headers={"Location": location})


def money(cents: int, currency: str) -> str:
    """An amount for people."""
    amount = f"{'-' if cents < 0 else ''}{'$' if currency == 'usd' else ''}{abs(cents) / 100:,.2f}"
    return amount if currency == "usd" else f"{amount} {currency.upper()}"


def typed(request: Request) -> dict[str, str]:
    """What was typed into the card form."""
    sent = dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
    return {field: sent.get(field, "").strip() for field in FIELDS}


def checked(form: dict[str, str], now: int) -> tuple[dict[str, str], tuple[int, int]]:
    """What is wrong with the form, field by field, and the expiry as (year, month)."""
    today = datetime.fromtimestamp(now, UTC)
    wrong = cards.problems(form, year=today.year, month=today.month)
    return wrong, cards.expiry_of(form["expiry"]) or (0, 0)


def beside_field(error: JSON) -> dict[str, str]:
    """The card's refusal, beside the field that it is about."""
    field = {"expired_card": "expiry", "incorrect_cvc": "cvc"}.get(error["code"], "number")
    return {field: error["message"]}


def card_form(
    form: dict[str, str], wrong: dict[str, str], status: int, texts: Mapping[str, str], title: str
) -> Response:
    """The form; `texts` are name, amount, tax, note, verb, cancel_url, undone (and more, which is HTML already)."""
    values = {field: escape(form.get(field, "")) for field in FIELDS}
    content = PAGES["form"].substitute(
        {f"{field}_error": escape(wrong.get(field, "")) for field in FIELDS}
        | {f"{field}_state": _state(field, wrong) for field in FIELDS}
        | values
        | {name: escape(text) for name, text in texts.items() if name not in ("more", "cancel_url")},
        more=texts.get("more", ""),
        cancel=f'<a href="{escape(back)}" id="cancel">Cancel and go back</a>' if (back := texts["cancel_url"]) else "",
        cardholder=values["name"],
        cards="".join(_row(number, card) for number, card in cards.CARDS.items()),
        form_error=f"{texts['undone']} Please correct the field marked below." if wrong else "",
        what=escape(texts["name"]),
    )
    return page(status, f"Error: {title.lower()}" if wrong else title, content)


def _state(field: str, wrong: dict[str, str]) -> str:
    """The first wrong field takes the focus, which scrolls to it without a script."""
    if field not in wrong:
        return ""
    return 'aria-invalid="true" autofocus' if field == next(iter(wrong)) else 'aria-invalid="true"'


def _row(number: str, card: cards.Card) -> str:
    spaced = " ".join(number[start : start + 4] for start in range(0, len(number), 4))
    return f"<tr><td><code>{spaced}</code></td><td>{escape(card.says)}</td></tr>"
