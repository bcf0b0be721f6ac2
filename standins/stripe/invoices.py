"""Invoices while they are drafts: made, changed, counted, thrown away. What follows is in invoice_steps.py."""

from standins.stripe import lines, tax
from standins.stripe.errors import ApiError
from standins.stripe.lists import paged
from standins.stripe.objects import World
from standins.stripe.shapes import merged, tombstone
from standins.stripe.store import JSON

_FINALIZES_AFTER_SECONDS = 3600
_DAY = 24 * 3600
_SHOWN_LINES = 10
_SETTABLE = (
    "auto_advance",
    "automatically_finalizes_at",
    "collection_method",
    "custom_fields",
    "default_payment_method",
    "description",
    "due_date",
    "effective_at",
    "footer",
    "number",
)


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/invoices."""
    if "customer" not in params:
        raise ApiError(400, "Missing required param: customer.", code="parameter_missing", param="customer")
    owner = world.get("customer", params["customer"], "customer")
    world = world.of(owner["id"])
    by_hand = params.get("collection_method", "charge_automatically") == "send_invoice"
    if by_hand != bool(params.keys() & {"days_until_due", "due_date"}):
        message = "`days_until_due` or `due_date` goes with collection_method=send_invoice, and with no other."
        raise ApiError(400, message, param="days_until_due")
    _check_number(world, params)
    invoice = draft(world, owner, "manual", params)
    if params.get("pending_invoice_items_behavior") == "include":
        for item in lines.waiting(world, owner["id"]):
            lines.put_on(world, item, invoice["id"])
        count(world, invoice)
    return announced(world, invoice)


def draft(world: World, owner: JSON, reason: str, wishes: JSON, **members: object) -> JSON:
    """An empty draft for the customer that nobody has heard of; `wishes` are parameters of the API."""
    given = {name: wishes[name] for name in _SETTABLE if wishes.get(name) is not None}
    if "days_until_due" in wishes:
        given["due_date"] = world.now + wishes["days_until_due"] * _DAY
    if given.get("auto_advance"):
        given.setdefault("automatically_finalizes_at", world.now + _FINALIZES_AFTER_SECONDS)
    taxed = (wishes.get("automatic_tax") or {}).get("enabled", False)
    fresh = {
        "amount_overpaid": 0,
        "account_name": "Gridlease stand-in",
        "automatic_tax": tax.automatic(enabled=taxed),
        "billing_reason": reason,
        "currency": wishes.get("currency", "usd").lower(),
        "customer": owner["id"],
        "due_date": None,
        "effective_at": None,
        "issuer": {"type": "self"},
        "metadata": merged(None, wishes.get("metadata")),
        "next_payment_attempt": None,
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": world.now,
        "period_start": world.now,
        "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
        "test_clock": owner["test_clock"],
        "webhooks_delivered_at": None,
    }
    return count(world, world.create("invoice", **(fresh | facts_of(world, owner) | given | members)))


def announced(world: World, invoice: JSON) -> JSON:
    """The draft is there."""
    world.emit("invoice.created", invoice)
    return invoice


def facts_of(world: World, owner: JSON) -> JSON:
    """What an invoice copies from its customer."""
    found = world.store.newest("tax_id", customer=owner["id"])
    facts = {
        f"customer_{name}": owner[name] for name in ("address", "email", "name", "phone", "shipping", "tax_exempt")
    }
    return facts | {"customer_tax_ids": [{"type": item["type"], "value": item["value"]} for item in found]}


def count(world: World, invoice: JSON) -> JSON:
    """Add the lines up: net, tax, gross, and what is due while nothing was paid or credited."""
    found = lines.of_invoice(world, invoice["id"])
    automatic = invoice["automatic_tax"]
    if automatic["enabled"]:
        automatic = {**automatic, "status": _tax_lines(world, invoice, found)}
    taxes = tax.added([each for line in found for each in line["taxes"] or []])
    net = sum(line["amount"] for line in found)
    gross = net + sum(each["amount"] for each in taxes)
    url = f"/v1/invoices/{invoice['id']}/lines"
    shown = {"object": "list", "data": found[:_SHOWN_LINES], "has_more": len(found) > _SHOWN_LINES, "url": url}
    return world.change(
        invoice,
        amount_due=max(gross, 0),
        amount_remaining=max(gross, 0),
        automatic_tax=automatic,
        lines=shown,
        subtotal=net,
        subtotal_excluding_tax=net,
        total=gross,
        total_excluding_tax=net,
        total_taxes=taxes,
    )


def _tax_lines(world: World, invoice: JSON, found: list[JSON]) -> str:
    """Put the tax on the lines; Stripe's word for how that went."""
    try:
        rule = tax.rule_for(world, world.get("customer", invoice["customer"]))
    except ApiError:
        return "requires_location_inputs"
    for line in found:
        world.change(line, taxes=[tax.on(world, rule, line["amount"])])
    return "complete"


def update(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/invoices/{id}: a final invoice keeps all but its metadata and how it is collected."""
    invoice = world.get("invoice", reference)
    late = {"metadata", "auto_advance", "default_payment_method"}
    if not params.keys() <= late:
        editable(world, reference)
    _check_number(world, params)
    members: JSON = {name: params[name] or None for name in _SETTABLE if name in params}
    if "auto_advance" in params:
        members["auto_advance"] = params["auto_advance"]
    if "days_until_due" in params:
        members["due_date"] = invoice["created"] + params["days_until_due"] * _DAY
    if params.get("auto_advance") and invoice["status"] == "draft":
        now = world.of(invoice["customer"]).now
        members.setdefault("automatically_finalizes_at", now + _FINALIZES_AFTER_SECONDS)
    if "automatic_tax" in params:
        members["automatic_tax"] = tax.automatic(enabled=params["automatic_tax"]["enabled"])
    metadata = merged(invoice["metadata"], params.get("metadata"))
    world.change(invoice, "invoice.updated", **members, metadata=metadata)
    return count(world, invoice) if invoice["status"] == "draft" else invoice


def editable(world: World, reference: str) -> JSON:
    """The invoice, which must be a draft. Raises ApiError 400."""
    invoice = world.get("invoice", reference)
    if invoice["status"] != "draft":
        message = "Finalized invoices can't be updated in this way."
        raise ApiError(400, message, code="invoice_not_editable")
    return invoice


def _check_number(world: World, params: JSON) -> None:
    number = params.get("number")
    if number and world.store.newest("invoice", lambda item: item["number"] == number):
        raise ApiError(400, f"Invoice number {number} is already in use.", param="number")


def delete(world: World, _: JSON, reference: str) -> JSON:
    """DELETE /v1/invoices/{id}: of a draft that no subscription made; its items wait again."""
    invoice = editable(world, reference)
    for line in lines.of_invoice(world, reference):
        world.put(tombstone(line))
    for item in world.store.newest("invoiceitem", invoice=reference):
        world.put(tombstone(item))
    world.emit("invoice.deleted", invoice)
    return world.put(tombstone(invoice))


def list_lines(world: World, params: JSON, reference: str) -> JSON:
    """GET /v1/invoices/{id}/lines."""
    world.get("invoice", reference)
    return paged(lines.of_invoice(world, reference), params, f"/v1/invoices/{reference}/lines")
