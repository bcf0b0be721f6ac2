"""Customers, their balance (cents; below zero is credit) and their deletion."""

from standins.stripe import methods, tax, tax_ids
from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.shapes import merged, new_id, tombstone
from standins.stripe.store import JSON

_KEPT = ("email", "name", "description", "phone", "address", "preferred_locales", "shipping", "tax_exempt")
_ADDRESS = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
CUSTOMERS_OF_A_CLOCK = 3


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/customers."""
    clock = params.get("test_clock")
    if clock:
        world = _join(world, clock)
    prefix = params.get("invoice_prefix") or new_id("", 8).upper()
    members = _members(world, params)
    if _validates(params) == "immediately":
        tax.expect_location(members.get("address"), "address")
    customer = world.create("customer", **members, test_clock=clock, invoice_prefix=prefix)
    if "payment_method" in params:
        methods.attach(world, {"customer": customer["id"]}, params["payment_method"])
    _set_default(world, customer, params)
    for wanted in params.get("tax_id_data", []):
        tax_ids.create(world, {**wanted, "customer": customer["id"]}, "")
    world.put(customer, "customer.created")
    if params.get("balance"):
        move_balance(world, customer, params["balance"], "adjustment")
    return customer


def _join(world: World, clock: str) -> World:
    found = world.get("test_helpers.test_clock", clock, "test_clock")
    if len(world.store.newest("customer", lambda item: item["test_clock"] == clock)) >= CUSTOMERS_OF_A_CLOCK:
        message = f"You cannot attach more than {CUSTOMERS_OF_A_CLOCK} customers to a test clock."
        raise ApiError(400, message, param="test_clock")
    return world.at(found["frozen_time"])


def update(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/customers/{id}."""
    customer = world.get("customer", reference)
    world = world.of(reference)
    if "balance" in params and params["balance"] != customer["balance"]:
        move_balance(world, customer, params["balance"] - customer["balance"], "adjustment")
    _set_default(world, customer, params)
    members = _members(world, params, customer)
    if _validates(params) == "immediately" or (_validates(params) == "auto" and _is_taxed(world, customer)):
        tax.expect_location(members.get("address", customer["address"]), "address")
    if "invoice_prefix" in params:
        members["invoice_prefix"] = params["invoice_prefix"]
    return world.change(customer, "customer.updated", **members)


def _validates(params: JSON) -> str:
    """When it is seen whether tax can be worked out for the address."""
    return str((params.get("tax") or {}).get("validate_location", "auto"))


def _is_taxed(world: World, customer: JSON) -> bool:
    """Whether tax is worked out on a subscription of the customer's, for an address that is good for it."""
    taxed = world.store.newest(
        "subscription",
        lambda item: item["automatic_tax"]["enabled"] and item["status"] != "canceled",
        customer=customer["id"],
    )
    return bool(taxed) and tax.located(customer["address"])


def _members(world: World, params: JSON, old: JSON | None = None) -> JSON:
    members = {name: params[name] or None for name in _KEPT if name in params}
    if members.get("address"):
        members["address"] = {**_ADDRESS, **params["address"]}
    if "tax_exempt" in members:
        members["tax_exempt"] = members["tax_exempt"] or "none"
    return members | {"metadata": merged(old and old["metadata"], params.get("metadata"))}


def _set_default(world: World, customer: JSON, params: JSON) -> None:
    """The payment method with which invoices are paid; it must be the customer's own."""
    settings = params.get("invoice_settings") or {}
    if settings.get("default_payment_method"):
        methods.owned(world, settings["default_payment_method"], customer["id"])
    known = {name: settings[name] or None for name in ("default_payment_method", "footer") if name in settings}
    customer["invoice_settings"] = {**customer["invoice_settings"], **known}


def delete(world: World, _: JSON, reference: str) -> JSON:
    """DELETE /v1/customers/{id}: its subscriptions end and its payment methods are let go."""
    customer = world.get("customer", reference)
    for method in world.store.newest("payment_method", customer=reference):
        methods.detach(world, {}, method["id"])
    world.emit("customer.deleted", customer)
    return world.put(tombstone(customer))


def retrieve(world: World, _: JSON, reference: str) -> JSON:
    """GET /v1/customers/{id}; a deleted one is told as such."""
    return world.store.find(reference, "customer") or world.get("customer", reference)


def move_balance(world: World, customer: JSON, amount: int, type: str, **members: object) -> JSON:
    """Change the customer's balance by so many cents, with the transaction that says why."""
    customer["balance"] += amount
    customer["currency"] = customer["currency"] or "usd"
    world.put(customer)
    return world.create(
        "customer_balance_transaction",
        "customer_balance_transaction.created",
        amount=amount,
        customer=customer["id"],
        currency=customer["currency"],
        ending_balance=customer["balance"],
        type=type,
        **members,
    )


def adjust_balance(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/customers/{customer}/balance_transactions."""
    customer = world.get("customer", params["customer"])
    members = {"description": params.get("description"), "metadata": merged(None, params.get("metadata"))}
    return move_balance(world.of(customer["id"]), customer, params["amount"], "adjustment", **members)
