"""What all kinds share: retrieve, list with cursors and filters, `expand`."""

from collections.abc import Callable
from fnmatch import fnmatch
from typing import Any

from standins.stripe import tax
from standins.stripe.errors import ApiError, no_such
from standins.stripe.objects import World
from standins.stripe.store import INDEXED, JSON

Handler = Callable[[World, JSON, str], JSON]
_PAGING = {"limit", "starting_after", "ending_before", "expand"}
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}


def retrieve(kind: str) -> Handler:
    """GET of one object, of the owner in its path if there is one."""

    def handler(world: World, above: JSON, reference: str) -> JSON:
        item = world.get(kind, reference)
        if any(name in item and item[name] != value for name, value in above.items()):
            raise no_such(kind, reference)
        return item

    return handler


def listing(kind: str, url: str) -> Handler:
    """GET of a list, newest first, ten at a time unless `limit` says otherwise."""

    def handler(world: World, params: JSON, reference: str) -> JSON:
        above = {name: params[name] for name in INDEXED if name in params and (kind, name) not in _SPECIAL}
        filters = {**_DEFAULTS.get(kind, {}), **params}
        found = world.store.newest(kind, lambda item: _wanted(item, filters), **above)
        return paged(found, params, url.format(**params, id=reference))

    return handler


def paged(found: list[JSON], params: JSON, url: str) -> JSON:
    """One page of what was found, newest first."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise ApiError(400, f"Invalid limit: {limit}. It must be from 1 to 100.", param="limit")
    backwards = "ending_before" in params
    if backwards:
        found = list(reversed(found[: _place(found, params, "ending_before")]))
    elif "starting_after" in params:
        found = found[_place(found, params, "starting_after") + 1 :]
    page = found[:limit]
    data = list(reversed(page)) if backwards else page
    return {"object": "list", "data": data, "has_more": len(found) > limit, "url": url}


def _place(found: list[JSON], params: JSON, cursor: str) -> int:
    for place, item in enumerate(found):
        if item["id"] == params[cursor]:
            return place
    raise no_such("object", params[cursor], cursor)


def _wanted(item: JSON, params: JSON) -> bool:
    return all(_fits(item, name, value) for name, value in params.items() if name not in _PAGING)


def _fits(item: JSON, name: str, wanted: Any) -> bool:
    special = _SPECIAL.get((item["object"], name))
    if special is not None:
        return special(item, wanted)
    actual = item.get(name)
    if isinstance(wanted, dict) and wanted.keys() <= _COMPARE.keys():
        return actual is not None and all(_COMPARE[sign](actual, bound) for sign, bound in wanted.items())
    if isinstance(wanted, dict):
        # A nested filter such as customer_details[email] compares only the members that it names.
        return isinstance(actual, dict) and all(actual.get(inner) == value for inner, value in wanted.items())
    return bool(actual == wanted)


def _event_type(item: JSON, wanted: str) -> bool:
    return fnmatch(item["type"], wanted)


def _subscription_status(actual: str, wanted: str) -> bool:
    if wanted == "current":
        return actual != "canceled"
    return wanted == "all" or actual == ("canceled" if wanted == "ended" else wanted)


def _subscription_of(invoice: JSON) -> str | None:
    details: JSON = (invoice["parent"] or {}).get("subscription_details") or {}
    return details.get("subscription")


# What a list shows unless it is asked for more.
_DEFAULTS: dict[str, JSON] = {"subscription": {"status": "current"}}
_SPECIAL: dict[tuple[str, str], Callable[[JSON, Any], bool]] = {
    ("event", "type"): _event_type,
    ("event", "types"): lambda item, wanted: item["type"] in wanted,
    ("subscription", "status"): lambda item, wanted: _subscription_status(item["status"], wanted),
    ("subscription", "price"): lambda item, wanted: any(
        each["price"]["id"] == wanted for each in item["items"]["data"]
    ),
    ("invoice", "subscription"): lambda item, wanted: wanted == _subscription_of(item),
    ("invoiceitem", "pending"): lambda item, wanted: (item["invoice"] is None) == wanted,
    ("price", "lookup_keys"): lambda item, wanted: item["lookup_key"] in wanted,
    ("product", "ids"): lambda item, wanted: item["id"] in wanted,
    ("event", "delivery_success"): lambda item, wanted: (item["pending_webhooks"] == 0) == wanted,
}


# Lists that are shown only when they are asked for by `expand`, and the kind and member by which they are found.
_INCLUDABLE = {
    ("customer", "tax_ids"): ("tax_id", "customer", "/v1/customers/{id}/tax_ids"),
    ("invoice", "payments"): ("invoice_payment", "invoice", "/v1/invoice_payments?invoice={id}"),
}
# The same, of what was remembered about the object.
_RECALLED = {("tax.calculation", "line_items"), ("tax.calculation_line_item", "tax_breakdown")}


def expand(world: World, item: JSON, paths: list[str]) -> JSON:
    """Replace identifiers by their objects along each dotted path (`data.` steps into a list)."""
    for path in paths:
        _expand(world, item, path.split("."), path)
    return item


def _expand(world: World, item: Any, steps: list[str], path: str) -> None:
    if isinstance(item, list):
        for member in item:
            _expand(world, member, steps, path)
        return
    first, *rest = steps
    if isinstance(item, dict) and (item.get("object"), first) in _INCLUDABLE:
        kind, member, url = _INCLUDABLE[item["object"], first]
        found = world.store.newest(kind, **{member: item["id"]})
        item[first] = {"object": "list", "data": found[:10], "has_more": len(found) > 10, "url": url.format(**item)}
    if isinstance(item, dict) and (item.get("object"), first) == ("customer", "tax"):
        item[first] = tax.of_customer(item)
    if isinstance(item, dict) and (item.get("object"), first) in _RECALLED:
        item[first] = world.recall(item["id"])[first]
    if not isinstance(item, dict) or first not in item:
        raise ApiError(400, f"This property cannot be expanded ({path}).", param="expand")
    if isinstance(item[first], str):
        whole = world.store.find(item[first])
        if whole is None:
            raise ApiError(400, f"This property cannot be expanded ({path}).", param="expand")
        item[first] = whole
    if rest and item[first] is not None:
        _expand(world, item[first], rest, path)
