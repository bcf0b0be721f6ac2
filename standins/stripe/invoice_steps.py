"""What happens to an invoice after it was a draft: final, paid, sent, void, given up."""

from standins.stripe import collecting, customers, finalizing, intents
from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.store import JSON


def finalize(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/invoices/{id}/finalize. Raises ApiError 400 for one that is final, empty or cannot be taxed."""
    invoice = world.get("invoice", reference)
    if invoice["status"] != "draft":
        message = "This invoice is already finalized, you can't re-finalize a non-draft invoice."
        raise ApiError(400, message, code="invoice_not_editable")
    if not invoice["lines"]["data"] and invoice["billing_reason"] == "manual":
        message = "You cannot finalize an invoice that has no lines."
        raise ApiError(400, message, code="invoice_no_customer_line_items")
    return finalizing.settle(world.of(invoice["customer"]), invoice, advance=params.get("auto_advance"))


def pay(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/invoices/{id}/pay. Raises ApiError 402 when the card declines; the invoice stays open then."""
    invoice = world.get("invoice", reference)
    world = world.of(invoice["customer"])
    if invoice["status"] == "draft":
        finalizing.settle(world, invoice, advance=False)
    if invoice["status"] == "paid":
        raise ApiError(400, "Invoice is already paid")
    if invoice["status"] not in ("open", "uncollectible"):
        raise ApiError(400, f"You can't pay an invoice with status {invoice['status']}.", code="invoice_not_editable")
    if params.get("paid_out_of_band"):
        return collecting.mark_paid(world, invoice, charged=False)
    intent = collecting.attempt(
        world, invoice, params.get("payment_method"), off_session=params.get("off_session", True)
    )
    if intent is None:
        message = "There is no `default_payment_method` set on this Customer or Invoice. Please set one."
        raise ApiError(400, message)
    if intent["last_payment_error"]:
        raise intents.declined(intent)
    return invoice


def void(world: World, _: JSON, reference: str) -> JSON:
    """POST /v1/invoices/{id}/void: what was taken from the customer's balance goes back to it."""
    invoice = _owed(world, reference, ("open", "uncollectible"), "void")
    world = world.of(invoice["customer"])
    owner = world.get("customer", invoice["customer"])
    used = world.store.newest(
        "customer_balance_transaction", lambda item: item["invoice"] == reference, customer=owner["id"]
    )
    taken = sum(entry["amount"] for entry in used)
    if taken:
        customers.move_balance(world, owner, -taken, "unapplied_from_invoice", invoice=reference)
    collecting.drop_payments(world, invoice)
    ended = {**invoice["status_transitions"], "voided_at": world.now}
    return world.change(invoice, "invoice.voided", status="void", next_payment_attempt=None, status_transitions=ended)


def mark_uncollectible(world: World, _: JSON, reference: str) -> JSON:
    """POST /v1/invoices/{id}/mark_uncollectible."""
    invoice = _owed(world, reference, ("open",), "mark uncollectible")
    now = world.of(invoice["customer"]).now
    ended = {**invoice["status_transitions"], "marked_uncollectible_at": now}
    return world.of(invoice["customer"]).change(
        invoice,
        "invoice.marked_uncollectible",
        status="uncollectible",
        next_payment_attempt=None,
        status_transitions=ended,
    )


def send(world: World, _: JSON, reference: str) -> JSON:
    """POST /v1/invoices/{id}/send: the letter itself is not written."""
    invoice = world.get("invoice", reference)
    world = world.of(invoice["customer"])
    if invoice["collection_method"] != "send_invoice":
        message = "You can only send an invoice with collection_method=send_invoice."
        raise ApiError(400, message, code="invoice_not_editable")
    if invoice["status"] == "draft":
        finalizing.settle(world, invoice)
    world.emit("invoice.sent", invoice)
    return invoice


def advance(world: World, invoice: JSON) -> None:
    """Time finalizes a draft, and tries an open invoice's card again."""
    world = world.of(invoice["customer"])
    if invoice["status"] == "open":
        collecting.attempt(world, invoice, None)
        return
    try:
        finalizing.settle(world, invoice)
    except ApiError:
        # It has told of it; somebody has to mend the customer's address.
        return


def _owed(world: World, reference: str, statuses: tuple[str, ...], verb: str) -> JSON:
    invoice = world.get("invoice", reference)
    if invoice["status"] not in statuses:
        message = f"You can't {verb} an invoice with status {invoice['status']}."
        raise ApiError(400, message, code="invoice_not_editable")
    return invoice
