"""The lines of invoices: an amount, or a quantity at a price. Amounts are whole cents."""

from decimal import ROUND_HALF_UP, Decimal

from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.store import JSON

MOST_LINES = 250


def cents_of(quantity: Decimal | int, unit: Decimal | str) -> int:
    """Stripe rounds once, for the line; half a cent goes up."""
    return int((Decimal(quantity) * Decimal(unit)).quantize(Decimal(1), ROUND_HALF_UP))


def priced(world: World, params: JSON) -> JSON:
    """amount, currency, quantity and pricing, from whichever way the parameters say it. Raises ApiError 400."""
    if params.get("tax_behavior") == "inclusive":
        raise ApiError(400, "The Stripe stand-in adds tax to prices; none has it in it.", param="tax_behavior")
    quantity = Decimal(str(params.get("quantity", params.get("quantity_decimal", 1))))
    price: JSON = {}
    if "pricing" in params:
        price = world.get("price", params["pricing"]["price"], "pricing[price]")
    elif "price_data" in params:
        price = {"id": None, **params["price_data"]}
        world.get("product", price["product"], "price_data[product]")
    unit = params.get("unit_amount_decimal", price.get("unit_amount_decimal", price.get("unit_amount")))
    currency = str(params.get("currency") or price.get("currency") or "usd").lower()
    if "amount" in params and unit is None:
        amount, unit = params["amount"], f"{(Decimal(params['amount']) / quantity).normalize():f}"
    elif unit is not None and "amount" not in params:
        amount = cents_of(quantity, str(unit))
    else:
        message = "You must specify exactly one of `amount`, `unit_amount_decimal` and a price."
        raise ApiError(400, message, param="amount")
    return {
        "amount": amount,
        "currency": currency,
        "net_amount": amount,
        "pricing": pricing(str(unit), price.get("id"), price.get("product")),
        "quantity": int(quantity),
        "quantity_decimal": f"{quantity.normalize():f}",
    }


def pricing(unit: str, price: str | None = None, product: str | None = None) -> JSON:
    """What a line shows of its price."""
    details = {"price": price, "product": product} if price else None
    return {"type": "price_details", "unit_amount_decimal": unit, "price_details": details}


def put_on(world: World, item: JSON, invoice: str) -> JSON:
    """The item becomes a line of the draft. Raises ApiError 400 when it is full."""
    expect_room(world, invoice, 1)
    if item["invoice"] != invoice:
        world.change(item, invoice=invoice)
    copied = ("amount", "currency", "description", "discountable", "metadata", "period", "pricing", "quantity")
    details = {"invoice_item": item["id"], "proration": False, "proration_details": None, "subscription": None}
    return world.create(
        "line_item",
        **{name: item[name] for name in copied},
        invoice=invoice,
        parent={"type": "invoice_item_details", "invoice_item_details": details, "subscription_item_details": None},
        quantity_decimal=item["quantity_decimal"],
        subtotal=item["amount"],
        taxes=[],
    )


def expect_room(world: World, invoice: str, more: int) -> None:
    """Raises ApiError 400 when the invoice does not take so many lines more."""
    if len(of_invoice(world, invoice)) + more > MOST_LINES:
        raise ApiError(400, f"An invoice has at most {MOST_LINES} items.", param="invoice")


def of_invoice(world: World, invoice: str) -> list[JSON]:
    """The lines of an invoice, as they were put on it."""
    return world.store.newest("line_item", invoice=invoice)[::-1]


def waiting(world: World, customer: str) -> list[JSON]:
    """The customer's items that no invoice has yet, oldest first."""
    return world.store.newest("invoiceitem", lambda item: item["invoice"] is None, customer=customer)[::-1]
