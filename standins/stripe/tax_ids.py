"""Tax ids: the shape is checked at once, the registers (EU, UK, Australia) answer a moment later.

Stripe's magic values decide that answer: 111111111 is not known to the register, 222222222 is never answered.
"""

import re

from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.shapes import tombstone
from standins.stripe.store import JSON

# The shapes of those that this stand-in's users meet; any other type is taken as it comes, unverified.
_SHAPES = {
    "eu_vat": r"(AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK|XI)[A-Z0-9]{8,12}",
    "gb_vat": r"(GB)(\d{9}|\d{12})",
    "au_abn": r"\d{11}",
    "us_ein": r"\d{2}-\d{7}",
    "ch_vat": r"CHE-?\d{3}\.?\d{3}\.?\d{3} ?(MWST|TVA|IVA)",
    "no_vat": r"\d{9}MVA",
}
_VERIFIED_TYPES = ("eu_vat", "gb_vat", "au_abn")


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/customers/{customer}/tax_ids and POST /v1/tax_ids with an owner."""
    owner = params.get("customer") or params.get("owner", {}).get("customer")
    if owner is None:
        raise ApiError(400, "Missing required param: owner.", code="parameter_missing", param="owner")
    world.get("customer", owner, "customer")
    kind, value = params["type"], params["value"].upper()
    if kind != "ch_vat":
        value = value.replace(" ", "")
    if kind in _SHAPES and not re.fullmatch(_SHAPES[kind], value):
        raise ApiError(400, f"Invalid value for {kind}.", code="tax_id_invalid", param="value")
    waits = kind in _VERIFIED_TYPES
    status = {"status": "pending" if waits else "unavailable", "verified_address": None, "verified_name": None}
    return world.of(owner).create(
        "tax_id",
        "customer.tax_id.created",
        country=value[:2] if kind in ("eu_vat", "gb_vat") else kind[:2].upper(),
        customer=owner,
        owner={"type": "customer", "customer": owner, "account": None, "application": None, "customer_account": None},
        type=kind,
        value=value,
        verification=status,
    )


def answer(world: World, item: JSON) -> None:
    """The register's answer."""
    known = "111111111" not in item["value"]
    found = (
        {"status": "verified", "verified_name": "STAND-IN GMBH", "verified_address": "1 TEST STREET"}
        if known
        else {"status": "unverified", "verified_name": None, "verified_address": None}
    )
    world.change(item, "customer.tax_id.updated", verification=found)


def delete(world: World, _: JSON, reference: str) -> JSON:
    """DELETE of a customer's tax id."""
    item = world.get("tax_id", reference)
    world.emit("customer.tax_id.deleted", item)
    return world.put(tombstone(item))
