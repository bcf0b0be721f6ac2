"""
Calculations of tax on what is invoiced elsewhere. They are kept for 90 days and change nothing.
https://docs.stripe.com/tax/custom
"""

from standins.stripe import tax
from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.shapes import FIXTURES, build
from standins.stripe.store import JSON

LASTS_SECONDS = 90 * 24 * 3600
TAX_CODE: str = FIXTURES["tax.settings"]["defaults"]["tax_code"]
_EXEMPT = {"customer_exempt": "exempt", "reverse_charge": "reverse"}
_ADDRESS = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/tax/calculations."""
    details = params.get("customer_details", {})
    ids = details.get("tax_ids", [])
    override = details.get("taxability_override", "none")
    rule = tax.rule_at(
        details.get("address"),
        "customer_details[address]",
        exempt=_EXEMPT.get(override, "none"),
        business=tax.is_business(each["type"] for each in ids),  # whether it is known to a register, nobody asks here
    )
    lines = [_line(world, item, place, rule) for place, item in enumerate(params["line_items"])]
    net, owed = sum(line["amount"] for line in lines), sum(line["amount_tax"] for line in lines)
    shown = {
        "address": {**_ADDRESS, **details["address"]},
        "address_source": details.get("address_source"),
        "ip_address": details.get("ip_address"),
        "tax_ids": ids,
        "taxability_override": override,
    }
    calculation = world.create(
        "tax.calculation",
        amount_total=net + owed,
        currency=params["currency"].lower(),
        customer_details=shown,
        expires_at=world.now + LASTS_SECONDS,
        tax_amount_exclusive=owed,
        tax_amount_inclusive=0,
        tax_breakdown=[_summed(rule, net, owed)],
        tax_date=world.now,
    )
    url = f"/v1/tax/calculations/{calculation['id']}/line_items"
    world.remember(calculation["id"], line_items={"object": "list", "data": lines, "has_more": False, "url": url})
    return calculation


def _line(world: World, item: JSON, place: int, rule: tax.Rule) -> JSON:
    """One line, and what of its tax goes to whom. Raises ApiError 400."""
    if item.get("tax_behavior") == "inclusive":
        message = "The Stripe stand-in adds tax to amounts; none has it in it."
        raise ApiError(400, message, param=f"line_items[{place}][tax_behavior]")
    if item["amount"] < 0:
        message = f"Invalid non-negative integer: {item['amount']}"
        raise ApiError(400, message, code="parameter_invalid_integer", param=f"line_items[{place}][amount]")
    line = build(
        "tax.calculation_line_item",
        created=world.now,
        amount=item["amount"],
        amount_tax=tax.amount_on(rule, item["amount"]),
        product=None,
        quantity=item.get("quantity", 1),
        reference=item.get("reference", f"L{place + 1}"),
        tax_behavior="exclusive",
        tax_code=item.get("tax_code", TAX_CODE),
    )
    world.remember(line["id"], tax_breakdown=tax.parts_of(rule, item["amount"]))
    return line


def _summed(rule: tax.Rule, net: int, owed: int) -> JSON:
    """The tax of all lines, which all have the same."""
    details = {
        "country": rule.country,
        "flat_amount": None,
        "percentage_decimal": str(rule.percent) if rule.percent else "0.0",
        "rate_type": "percentage" if rule.percent else None,
        "state": rule.state,
        "tax_type": rule.kind,
    }
    return {
        "amount": owed,
        "inclusive": False,
        "tax_rate_details": details,
        "taxability_reason": rule.reason,
        "taxable_amount": net if rule.percent else 0,
    }
