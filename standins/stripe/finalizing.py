"""A draft becomes final: late usage, tax, the customer's balance and a number; then it is collected."""

from standins.stripe import collecting, customers, invoices, lines, tax, usage
from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.store import JSON

SMALLEST_CENTS = 50


def settle(world: World, invoice: JSON, *, advance: bool | None = None) -> JSON:
    """The draft becomes final, and is paid at once where nothing is due or a card is charged by itself."""
    owner = world.get("customer", invoice["customer"])
    _count_late_usage(world, invoice)
    invoices.count(world, invoice)
    if invoice["automatic_tax"]["status"] == "requires_location_inputs":
        _go_on_without_tax(world, invoice)
    starting, due = _use_balance(world, owner, invoice)
    number = invoice["number"] or f"{owner['invoice_prefix']}-{owner['next_invoice_sequence']:04d}"
    world.change(owner, next_invoice_sequence=owner["next_invoice_sequence"] + (invoice["number"] is None))
    page = f"{world.base_url}/i/{invoice['id']}"
    world.change(
        invoice,
        **invoices.facts_of(world, owner),
        amount_due=due,
        amount_remaining=due,
        auto_advance=invoice["auto_advance"] if advance is None else advance,
        automatically_finalizes_at=None,
        effective_at=invoice["effective_at"] or world.now,
        ending_balance=owner["balance"],
        hosted_invoice_url=page,
        invoice_pdf=page + "/pdf",
        last_finalization_error=None,
        number=number,
        starting_balance=starting,
        status="open",
        status_transitions={**invoice["status_transitions"], "finalized_at": world.now},
    )
    world.emit("invoice.finalized", invoice)
    if due == 0:
        return collecting.mark_paid(world, invoice)
    if invoice["collection_method"] == "charge_automatically" and invoice["auto_advance"]:
        collecting.attempt(world, invoice, None)
    return invoice


def _go_on_without_tax(world: World, invoice: JSON) -> None:
    """
    Nobody knows where the customer is. A subscription's invoice goes on without tax, and so do those after it; both say
    why. Any other stays a draft. https://docs.stripe.com/tax/customer-locations
    """
    reference = ((invoice["parent"] or {}).get("subscription_details") or {}).get("subscription")
    if reference is None:
        raise _untaxed(world, invoice)
    untaxed = tax.automatic(enabled=False, disabled_reason="finalization_requires_location_inputs")
    for line in lines.of_invoice(world, invoice["id"]):
        world.change(line, taxes=[])
    invoices.count(world, world.change(invoice, automatic_tax=untaxed))
    world.emit("invoice.updated", invoice)
    from_now_on = {"enabled": False, "liability": None, "disabled_reason": "requires_location_inputs"}
    world.change(world.get("subscription", reference), "customer.subscription.updated", automatic_tax=from_now_on)


def _untaxed(world: World, invoice: JSON) -> ApiError:
    """The invoice stays a draft, and says why."""
    message = "The customer's location isn't recognized. Set a valid customer address to calculate tax."
    refusal = ApiError(400, message, code="customer_tax_location_invalid")
    refusal.keeps = True
    members: JSON = {"last_finalization_error": refusal.error, "automatically_finalizes_at": None}
    world.change(invoice, "invoice.finalization_failed", **members)
    return refusal


def _count_late_usage(world: World, invoice: JSON) -> None:
    """What the meter counted since the draft was made, for the time that the draft is about."""
    for line in lines.of_invoice(world, invoice["id"]):
        metered = world.recall(line["id"]).get("meter")
        if metered:
            meter = world.get("billing.meter", metered)
            used = usage.total(world, meter, invoice["customer"], line["period"]["start"], line["period"]["end"])
            amount = lines.cents_of(max(used, 0), line["pricing"]["unit_amount_decimal"])
            counted = {"quantity": max(used, 0), "quantity_decimal": str(max(used, 0))}
            world.change(line, **counted, amount=amount, subtotal=amount)


def _use_balance(world: World, owner: JSON, invoice: JSON) -> tuple[int, int]:
    """(the customer's balance before, what is due after it). Too little to be charged is put on the balance."""
    starting, total = owner["balance"], invoice["total"]
    due = max(total + starting, 0)
    if starting or total < 0:
        used = due - total
        customers.move_balance(world, owner, -used, "applied_to_invoice", invoice=invoice["id"])
    if 0 < due < SMALLEST_CENTS and invoice["collection_method"] == "charge_automatically":
        customers.move_balance(world, owner, due, "invoice_too_small", invoice=invoice["id"])
        due = 0
    return starting, due
