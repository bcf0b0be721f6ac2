"""Invoice items: what a customer owes, on a draft or waiting for the next invoice."""

from standins.stripe import invoices, lines
from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.shapes import merged, tombstone
from standins.stripe.store import JSON


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/invoiceitems: on the draft named, or waiting for the customer's next invoice."""
    invoice = _draft(world, params["invoice"]) if "invoice" in params else None
    customer: str | None = params.get("customer") or (invoice["customer"] if invoice else None)
    if customer is None:
        raise ApiError(400, "Missing required param: customer.", code="parameter_missing", param="customer")
    world.get("customer", customer, "customer")
    world = world.of(customer)
    if invoice and invoice["customer"] != customer:
        raise ApiError(400, "The invoice belongs to another customer.", param="invoice")
    item = world.create(
        "invoiceitem",
        **lines.priced(world, params),
        customer=customer,
        date=world.now,
        description=params.get("description"),
        discountable=params.get("discountable", True),
        invoice=params.get("invoice"),
        metadata=merged(None, params.get("metadata")),
        period=params.get("period") or {"start": world.now, "end": world.now},
        test_clock=world.clock_of(customer),
    )
    world.emit("invoiceitem.created", item)
    if invoice:
        lines.put_on(world, item, invoice["id"])
        invoices.count(world, invoice)
    return item


def _draft(world: World, reference: str) -> JSON:
    invoice = world.get("invoice", reference, "invoice")
    if invoice["status"] != "draft":
        raise ApiError(400, "You can only add items to a draft invoice.", code="invoice_not_editable", param="invoice")
    return invoice


def update(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/invoiceitems/{id}, until its invoice is final."""
    item = world.get("invoiceitem", reference)
    line = _line(world, item)
    members: JSON = {name: params[name] for name in ("description", "discountable", "period") if name in params}
    members["metadata"] = merged(item["metadata"], params.get("metadata"))
    if params.keys() & {"amount", "quantity", "quantity_decimal", "unit_amount_decimal", "pricing", "price_data"}:
        members |= lines.priced(world, {"currency": item["currency"], **params})
    if line:
        shown = {name: value for name, value in members.items() if name in line}
        world.change(line, **shown, subtotal=members.get("amount", line["amount"]))
        invoices.count(world, world.get("invoice", line["invoice"]))
    return world.change(item, **members)


def delete(world: World, _: JSON, reference: str) -> JSON:
    """DELETE /v1/invoiceitems/{id}, until its invoice is final."""
    item = world.get("invoiceitem", reference)
    if line := _line(world, item):
        world.put(tombstone(line))
        invoices.count(world, world.get("invoice", line["invoice"]))
    world.emit("invoiceitem.deleted", item)
    return world.put(tombstone(item))


def _line(world: World, item: JSON) -> JSON | None:
    """The line that the item became, on an invoice that is still a draft."""
    if item["invoice"] is None:
        return None
    if world.get("invoice", item["invoice"])["status"] != "draft":
        raise ApiError(400, "This invoice item's invoice is final.", code="invoice_not_editable")
    parents = (
        (line["parent"]["invoice_item_details"] or {}, line) for line in lines.of_invoice(world, item["invoice"])
    )
    return next((line for parent, line in parents if parent.get("invoice_item") == item["id"]), None)


def add_lines(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/invoices/{id}/add_lines."""
    invoice = invoices.editable(world, reference)
    lines.expect_room(world, reference, len(params["lines"]))
    for wanted in params["lines"]:
        given = {name: value for name, value in wanted.items() if name != "invoice_item"}
        if "invoice_item" in wanted:
            lines.put_on(world, world.get("invoiceitem", wanted["invoice_item"], "invoice_item"), reference)
        else:
            create(world, {**given, "customer": invoice["customer"], "invoice": reference}, "")
    return invoices.count(world, world.get("invoice", reference))
