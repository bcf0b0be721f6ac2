"""Credit notes: less of an open invoice is due, or what was paid is refunded, credited or given back elsewhere."""

from decimal import ROUND_HALF_UP, Decimal

from standins.stripe import collecting, customers, lines, refunds
from standins.stripe.errors import ApiError
from standins.stripe.lists import paged
from standins.stripe.objects import World
from standins.stripe.shapes import build, merged, new_id
from standins.stripe.store import JSON


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/credit_notes."""
    invoice = world.get("invoice", params["invoice"], "invoice")
    world = world.of(invoice["customer"])
    note = _counted(world, invoice, params)
    before = note["pre_payment_amount"]
    world.put(note)
    if before:
        _owe_less(world, invoice, before)
    if note["post_payment_amount"]:
        _give_back(world, invoice, note, params)
    world.change(
        invoice,
        post_payment_credit_notes_amount=invoice["post_payment_credit_notes_amount"] + note["post_payment_amount"],
    )
    world.emit("credit_note.created", note)
    return note


def preview(world: World, params: JSON, _: str) -> JSON:
    """GET /v1/credit_notes/preview."""
    invoice = world.get("invoice", params["invoice"], "invoice")
    return _counted(world.of(invoice["customer"]), invoice, params)


def _counted(world: World, invoice: JSON, params: JSON) -> JSON:
    """The note, not yet stored. Raises ApiError 400 for more than the invoice, or a wrong split."""
    if invoice["status"] not in ("open", "paid", "uncollectible"):
        message = f"You can only create credit notes on finalized invoices; this one is {invoice['status']}."
        raise ApiError(400, message, code="invoice_not_editable", param="invoice")
    rows = _rows(world, invoice, params)
    net = sum(row["amount"] for row in rows)
    tax = _tax_of(invoice, net) if params.get("lines") else _tax_within(invoice, net)
    gross = net + tax if params.get("lines") else net
    before = 0 if invoice["status"] == "paid" else min(gross, invoice["amount_remaining"])
    earlier = notes_of(world, invoice)
    _check(invoice, params, gross, gross - before, sum(note["total"] for note in earlier if note["status"] == "issued"))
    reference = new_id("cn_")
    shown = {"object": "list", "data": rows, "has_more": False, "url": f"/v1/credit_notes/{reference}/lines"}
    return build(
        "credit_note",
        id=reference,
        amount=gross,
        created=world.now,
        currency=invoice["currency"],
        customer=invoice["customer"],
        effective_at=params.get("effective_at", world.now),
        invoice=invoice["id"],
        lines=shown,
        memo=params.get("memo"),
        metadata=merged(None, params.get("metadata")),
        number=f"{invoice['number']}-CN-{len(earlier) + 1:02d}",
        out_of_band_amount=params.get("out_of_band_amount"),
        pdf=f"{world.base_url}/i/{invoice['id']}/pdf",
        post_payment_amount=gross - before,
        pre_payment_amount=before,
        pretax_credit_amounts=[],
        reason=params.get("reason"),
        refunds=[],
        subtotal=gross - tax,
        subtotal_excluding_tax=gross - tax,
        total=gross,
        total_excluding_tax=gross - tax,
        total_taxes=_taxes(invoice, tax, gross - tax),
        type="mixed" if 0 < before < gross else "pre_payment" if before else "post_payment",
        voided_at=None,
    )


def _rows(world: World, invoice: JSON, params: JSON) -> list[JSON]:
    if not params.get("lines"):
        if params.get("amount", 0) < 1:
            raise ApiError(400, "You must specify one of `amount` and `lines`.", param="amount")
        return [_row(world, "Credit", params["amount"], "custom_line_item")]
    found = {line["id"]: line for line in lines.of_invoice(world, invoice["id"])}
    return [_row_of(world, found, wanted, f"lines[{place}]") for place, wanted in enumerate(params["lines"])]


def _row_of(world: World, found: dict[str, JSON], wanted: JSON, param: str) -> JSON:
    if wanted["type"] == "custom_line_item":
        quantity: int = wanted.get("quantity", 1)
        unit = str(wanted.get("unit_amount", wanted.get("unit_amount_decimal", "0")))
        text, cents = wanted.get("description", "Credit"), lines.cents_of(quantity, unit)
        return _row(world, text, cents, "custom_line_item", quantity=quantity)
    line = found.get(wanted.get("invoice_line_item", ""))
    if line is None:
        raise ApiError(
            400, "The invoice has no such line.", code="resource_missing", param=f"{param}[invoice_line_item]"
        )
    amount: int | None = wanted.get("amount")
    if amount is None:
        quantity = wanted.get("quantity") or line["quantity"]
        amount = lines.cents_of(quantity, line["pricing"]["unit_amount_decimal"])
    if amount > line["amount"]:
        raise ApiError(400, "The credit is larger than the line.", param=f"{param}[amount]")
    return _row(world, line["description"], amount, "invoice_line_item", invoice_line_item=line["id"])


def _row(world: World, description: str | None, amount: int, kind: str, **members: object) -> JSON:
    fresh: JSON = {"pretax_credit_amounts": [], "tax_rates": [], "taxes": [], "metadata": {}, "quantity": None}
    fresh |= {"invoice_line_item": None}
    row = {"amount": amount, "description": description, "type": kind}
    return build("credit_note_line_item", created=world.now, **(fresh | row | members))


def _tax_of(invoice: JSON, net: int) -> int:
    """The tax that belongs to so much of the invoice's net amount."""
    return _share(net, invoice["total"] - invoice["subtotal"], invoice["subtotal"])


def _tax_within(invoice: JSON, gross: int) -> int:
    """The tax in so much of the invoice's gross amount."""
    return _share(gross, invoice["total"] - invoice["subtotal"], invoice["total"])


def _share(part: int, of: int, whole: int) -> int:
    return int((Decimal(part) * of / whole).quantize(Decimal(1), ROUND_HALF_UP)) if whole else 0


def _taxes(invoice: JSON, tax: int, net: int) -> list[JSON]:
    return [{**each, "amount": tax, "taxable_amount": net if tax else 0} for each in invoice["total_taxes"][:1]]


def _check(invoice: JSON, params: JSON, gross: int, after: int, credited: int) -> None:
    if gross + credited > invoice["total"]:
        message = f"The sum of credit notes on this invoice would exceed its total of {invoice['total']}."
        raise ApiError(400, message, param="amount")
    split = sum(params.get(name, 0) for name in ("credit_amount", "refund_amount", "out_of_band_amount"))
    split += sum(each.get("amount_refunded", 0) for each in params.get("refunds", []))
    if split != after:
        message = f"refund_amount, credit_amount, out_of_band_amount and refunds must add up to {after}, not {split}."
        raise ApiError(400, message, param="amount")


def _owe_less(world: World, invoice: JSON, amount: int) -> None:
    left = invoice["amount_remaining"] - amount
    credited = invoice["pre_payment_credit_notes_amount"] + amount
    due = {"amount_remaining": left, "amount_due": invoice["amount_due"] - amount}
    world.change(invoice, "invoice.updated", **due, pre_payment_credit_notes_amount=credited)
    if left == 0:
        collecting.mark_paid(world, invoice)


def _give_back(world: World, invoice: JSON, note: JSON, params: JSON) -> None:
    if params.get("credit_amount"):
        owner = world.get("customer", invoice["customer"])
        why = {"invoice": invoice["id"], "credit_note": note["id"]}
        entry = customers.move_balance(world, owner, -params["credit_amount"], "credit_note", **why)
        world.change(note, customer_balance_transaction=entry["id"])
    made = list(params.get("refunds", []))
    if params.get("refund_amount"):
        refund = refunds.give_back(world, _charge_of(world, invoice), params["refund_amount"], metadata={})
        made.append({"refund": refund["id"], "amount_refunded": params["refund_amount"]})
    shown = [{"type": "refund", "payment_record_refund": None, **each} for each in made]
    world.change(note, refunds=shown)


def _charge_of(world: World, invoice: JSON) -> JSON:
    for payment in world.store.newest("invoice_payment", lambda item: item["status"] == "paid", invoice=invoice["id"]):
        intent = world.get("payment_intent", payment["payment"]["payment_intent"])
        return world.get("charge", intent["latest_charge"])
    raise ApiError(400, "This invoice was not paid by a charge that could be refunded.", param="refund_amount")


def notes_of(world: World, invoice: JSON) -> list[JSON]:
    """The credit notes on an invoice."""
    return world.store.newest("credit_note", invoice=invoice["id"])


def update(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/credit_notes/{id}."""
    note = world.get("credit_note", reference)
    memo = params.get("memo", note["memo"])
    metadata = merged(note["metadata"], params.get("metadata"))
    return world.change(note, "credit_note.updated", memo=memo, metadata=metadata)


def void(world: World, _: JSON, reference: str) -> JSON:
    """POST /v1/credit_notes/{id}/void: while its invoice is open."""
    note = world.get("credit_note", reference)
    invoice = world.get("invoice", note["invoice"])
    world = world.of(invoice["customer"])
    if note["status"] == "void" or invoice["status"] != "open":
        raise ApiError(400, "You can only void a credit note of an open invoice, once.")
    amount = note["pre_payment_amount"]
    due = {"amount_remaining": invoice["amount_remaining"] + amount, "amount_due": invoice["amount_due"] + amount}
    credited = invoice["pre_payment_credit_notes_amount"] - amount
    world.change(invoice, "invoice.updated", **due, pre_payment_credit_notes_amount=credited)
    return world.change(note, "credit_note.voided", status="void", voided_at=world.now)


def list_lines(world: World, params: JSON, reference: str) -> JSON:
    """GET /v1/credit_notes/{id}/lines."""
    note = world.get("credit_note", reference)
    return paged(note["lines"]["data"], params, f"/v1/credit_notes/{reference}/lines")
