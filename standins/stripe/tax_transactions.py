"""
Tax that was invoiced elsewhere, as Stripe's reports have it, and what was taken back of it. A reference is given once.
https://docs.stripe.com/tax/custom
"""

from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.shapes import build, merged
from standins.stripe.store import JSON

_COPIED = ("currency", "customer", "customer_details", "ship_from_details", "shipping_cost", "tax_date")
_OF_LINES = ("product", "quantity", "reference", "tax_behavior", "tax_code")


def record(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/tax/transactions/create_from_calculation."""
    calculation = world.get("tax.calculation", params["calculation"], "calculation")
    if calculation["expires_at"] <= world.now:
        raise ApiError(400, f"The tax calculation `{calculation['id']}` has expired.", param="calculation")
    lines = world.recall(calculation["id"])["line_items"]["data"]
    made = [_line(world, line, line["amount"], line["amount_tax"]) for line in lines]
    return _put(world, params, calculation, made, "transaction", None)


def reverse(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/tax/transactions/create_reversal: all that is left, or a flat amount of it with its part of the tax."""
    original = world.get("tax.transaction", params["original_transaction"], "original_transaction")
    if original["type"] == "reversal":
        raise ApiError(400, "A reversal cannot be reversed.", param="original_transaction")
    lines = original["line_items"]["data"]
    if len(lines) > 1:
        raise ApiError(400, "The Stripe stand-in reverses transactions of one line.", param="original_transaction")
    earlier = _reversals(world, original)
    gross, left = _gross([original]), _gross([original, *earlier])
    back = left if params["mode"] == "full" else _flat(params, left)
    if not back:
        raise ApiError(400, "Nothing is left to be reversed.", param="original_transaction")
    taxed = _share(lines[0]["amount_tax"], gross - left + back, gross)  # of all reversals, this one too
    tax_back = taxed + sum(each["line_items"]["data"][0]["amount_tax"] for each in earlier)
    made = _line(world, lines[0], tax_back - back, -tax_back, reverses=lines[0]["id"])
    return _put(world, params, original, [made], "reversal", {"original_transaction": original["id"]})


def _share(cents: int, part: int, whole: int) -> int:
    """That part of the cents; half a cent is rounded up."""
    return (2 * cents * part + whole) // (2 * whole)


def _flat(params: JSON, left: int) -> int:
    if "flat_amount" not in params:
        raise ApiError(400, "Missing required param: flat_amount.", code="parameter_missing", param="flat_amount")
    amount: int = params["flat_amount"]
    if not -left <= amount < 0:
        raise ApiError(400, f"flat_amount must be below 0 and at least {-left}, what is left.", param="flat_amount")
    return -amount


def _reversals(world: World, original: JSON) -> list[JSON]:
    """What was taken back of a transaction so far."""
    reversal = {"original_transaction": original["id"]}
    return world.store.newest("tax.transaction", lambda item: item["reversal"] == reversal)


def _gross(transactions: list[JSON]) -> int:
    lines = (line for each in transactions for line in each["line_items"]["data"])
    return sum(line["amount"] + line["amount_tax"] for line in lines)


def _line(world: World, of: JSON, amount: int, amount_tax: int, *, reverses: str | None = None) -> JSON:
    return build(
        "tax.transaction_line_item",
        created=world.now,
        **{name: of[name] for name in _OF_LINES},
        amount=amount,
        amount_tax=amount_tax,
        reversal={"original_line_item": reverses} if reverses else None,
        type="reversal" if reverses else "transaction",
    )


def _put(world: World, params: JSON, of: JSON, lines: list[JSON], type: str, reversal: JSON | None) -> JSON:
    """Raises ApiError 400 for a reference that was given before."""
    reference = params["reference"]
    if world.store.newest("tax.transaction", lambda item: item["reference"] == reference):
        message = f"A tax transaction with the reference `{reference}` already exists."
        raise ApiError(400, message, code="resource_already_exists", param="reference")
    made = build(
        "tax.transaction",
        created=world.now,
        **{name: of[name] for name in _COPIED},
        metadata=merged(None, params.get("metadata")),
        posted_at=world.now,
        reference=reference,
        reversal=reversal,
        type=type,
    )
    url = f"/v1/tax/transactions/{made['id']}/line_items"
    return world.put(made | {"line_items": {"object": "list", "data": lines, "has_more": False, "url": url}})
