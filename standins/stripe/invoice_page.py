"""The hosted invoice: what is on it, and a card form while it is open; and its PDF."""

from html import escape

from standins.stripe import cards, collecting, html, lines, methods, payments, pdf
from standins.stripe.http import Request, Response
from standins.stripe.objects import World
from standins.stripe.store import JSON


def serve(world: World, request: Request, reference: str) -> Response:
    """GET shows the invoice (or its PDF, below it); POST pays it."""
    name, _, below = reference.partition("/")
    invoice = world.store.find(name, "invoice")
    if invoice is None or invoice["number"] is None:
        return html.ended(404, "Not found", "There is no invoice at this address.", None)
    world = world.of(invoice["customer"])
    if below == "pdf":
        return Response(200, pdf.document(_text(world, invoice)), content_type="application/pdf")
    if invoice["status"] not in ("open", "uncollectible"):
        content = html.PAGES["invoice"].substitute(_shown(world, invoice))
        return html.page(200, f"Invoice {invoice['number']}", f"<main>{content}</main>")
    if request.method == "GET":
        return _form(world, invoice, {"email": invoice["customer_email"] or ""}, {}, 200)
    form = html.typed(request)
    wrong, expiry = html.checked(form, world.now)
    return _form(world, invoice, form, wrong, 422) if wrong else _pay(world, invoice, form, expiry)


def _pay(world: World, invoice: JSON, form: dict[str, str], expiry: tuple[int, int]) -> Response:
    billing = {"email": form["email"], "name": form["name"]}
    method = methods.make(world, cards.digits_of(form["number"]), expiry, billing, metadata={})
    intent = collecting.intent_of(world, invoice)
    payments.attempt(world, intent, method, return_url=invoice["hosted_invoice_url"])
    if intent["status"] == "requires_action":
        return html.redirect(intent["next_action"]["redirect_to_url"]["url"])
    if intent["last_payment_error"]:
        return _form(world, invoice, form, html.beside_field(intent["last_payment_error"]), 402)
    collecting.mark_paid(world, invoice)
    return html.redirect(invoice["hosted_invoice_url"])


def _form(world: World, invoice: JSON, form: dict[str, str], wrong: dict[str, str], status: int) -> Response:
    price = html.money(invoice["amount_remaining"], invoice["currency"])
    texts = {
        "name": f"Invoice {invoice['number']}",
        "amount": price,
        "note": "",
        "tax": "",
        "verb": f"Pay {price}",
        "cancel_url": "",
        "undone": "The payment was not made.",
        "more": html.PAGES["invoice"].substitute(_shown(world, invoice)),
    }
    return html.card_form(form, wrong, status, texts, f"Invoice {invoice['number']}")


def _rows(world: World, invoice: JSON) -> list[tuple[str, str]]:
    """(what, how much) of the lines, the taxes, and the sums."""
    currency = invoice["currency"]
    rows = [(line["description"] or "Item", line["amount"]) for line in lines.of_invoice(world, invoice["id"])]
    rows += [
        (f"Tax ({each['taxability_reason'].replace('_', ' ')})", each["amount"]) for each in invoice["total_taxes"]
    ]
    rows += [("Total", invoice["total"]), ("Amount due", invoice["amount_remaining"])]
    return [(what, html.money(amount, currency)) for what, amount in rows]


def _shown(world: World, invoice: JSON) -> dict[str, str]:
    rows = "".join(
        f'<tr><th scope="row">{escape(what)}</th><td>{escape(amount)}</td></tr>'
        for what, amount in _rows(world, invoice)
    )
    pdf_url = escape(f"{invoice['hosted_invoice_url']}/pdf")
    return {"number": escape(invoice["number"]), "status": escape(invoice["status"]), "rows": rows, "pdf": pdf_url}


def _text(world: World, invoice: JSON) -> list[str]:
    head = [f"Invoice {invoice['number']}", f"Status: {invoice['status']}", f"To: {invoice['customer_name'] or '-'}"]
    reverse = any(each["taxability_reason"] == "reverse_charge" for each in invoice["total_taxes"])
    foot = ["Tax to be paid on reverse charge basis"] if reverse else []
    return [*head, "", *(f"{what}: {amount}" for what, amount in _rows(world, invoice)), "", *foot, "No real money."]
