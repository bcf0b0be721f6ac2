"""Products and their prices."""

from decimal import Decimal

from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.shapes import FIXTURES, merged, tombstone
from standins.stripe.store import JSON

_PRODUCT = ("active", "description", "name", "statement_descriptor", "tax_code", "unit_label", "url", "shippable")


def create_product(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/products."""
    if "id" in params and world.store.find(params["id"]):
        raise ApiError(400, "Product already exists.", code="resource_already_exists", param="id")
    members = {name: params[name] for name in ("id", *_PRODUCT) if name in params}
    fresh = {"default_price": None, "description": None, "updated": world.now, "type": "service"}
    metadata = merged(None, params.get("metadata"))
    return world.create("product", "product.created", **(fresh | members), metadata=metadata)


def update_product(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/products/{id}."""
    product = world.get("product", reference)
    members = {name: params[name] or None for name in (*_PRODUCT, "default_price") if name in params}
    if "active" in params:
        members["active"] = params["active"]
    metadata = merged(product["metadata"], params.get("metadata"))
    return world.change(product, "product.updated", **members, metadata=metadata, updated=world.now)


def delete_product(world: World, _: JSON, reference: str) -> JSON:
    """DELETE /v1/products/{id}, which must have no price."""
    product = world.get("product", reference)
    if world.store.newest("price", lambda item: item["product"] == reference):
        message = "This product cannot be deleted because it has one or more user-created prices."
        raise ApiError(400, message)
    world.emit("product.deleted", product)
    return world.put(tombstone(product))


def create_price(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/prices: so many cents (or decimals of one) for a unit, once or in each period, metered or not."""
    if params.get("billing_scheme", "per_unit") != "per_unit":
        raise ApiError(400, "The Stripe stand-in has prices per_unit only.", param="billing_scheme")
    _check_key(world, params.get("lookup_key"))
    cents = _unit_amount(params)
    whole = cents == cents.to_integral_value()
    return world.create(
        "price",
        "price.created",
        active=params.get("active", True),
        currency=params["currency"].lower(),
        lookup_key=params.get("lookup_key"),
        metadata=merged(None, params.get("metadata")),
        nickname=params.get("nickname"),
        product=_product(world, params),
        recurring=_recurring(world, params["recurring"]) if "recurring" in params else None,
        tax_behavior=params.get("tax_behavior", "unspecified"),
        type="recurring" if "recurring" in params else "one_time",
        unit_amount=int(cents) if whole else None,
        unit_amount_decimal=f"{cents.normalize():f}",
    )


def _unit_amount(params: JSON) -> Decimal:
    if ("unit_amount" in params) == ("unit_amount_decimal" in params):
        message = "You must provide exactly one of `unit_amount` and `unit_amount_decimal`."
        raise ApiError(400, message, param="unit_amount")
    return Decimal(str(params.get("unit_amount", params.get("unit_amount_decimal"))))


def _check_key(world: World, key: str | None) -> None:
    if key and world.store.newest("price", lambda item: item["lookup_key"] == key):
        message = f"A price (`{key}`) already uses that lookup key."
        raise ApiError(400, message, code="resource_already_exists", param="lookup_key")


def _product(world: World, params: JSON) -> str:
    if "product_data" in params:
        return str(create_product(world, params["product_data"], "")["id"])
    if "product" not in params:
        raise ApiError(400, "Missing required param: product.", code="parameter_missing", param="product")
    return str(world.get("product", params["product"], "product")["id"])


def _recurring(world: World, wanted: JSON) -> JSON:
    metered = wanted.get("usage_type", "licensed") == "metered"
    if metered != ("meter" in wanted):
        raise ApiError(
            400, "A metered price needs a meter, and only a metered price has one.", param="recurring[meter]"
        )
    if metered and world.get("billing.meter", wanted["meter"], "recurring[meter]")["status"] != "active":
        raise ApiError(400, "The meter is not active.", param="recurring[meter]")
    example = {name: wanted.get(name) for name in FIXTURES["price"]["recurring"]}
    return example | {
        "interval_count": wanted.get("interval_count", 1),
        "usage_type": "metered" if metered else "licensed",
    }


def update_price(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/prices/{id}: all but the amount."""
    price = world.get("price", reference)
    members = {name: params[name] for name in ("active", "nickname", "tax_behavior", "lookup_key") if name in params}
    if members.get("lookup_key") != price["lookup_key"]:
        _check_key(world, members.get("lookup_key"))
    return world.change(price, "price.updated", **members, metadata=merged(price["metadata"], params.get("metadata")))
