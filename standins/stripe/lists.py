"""What all kinds share: retrieve, list with cursors and filters, `expand`."""

from collections.abc import Callable
from typing import Any

from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.store import JSON

Handler = Callable[[World, JSON, str], JSON]
_PAGING = {"limit", "starting_after", "ending_before", "expand", "created", "types"}
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}


def retrieve(kind: str) -> Handler:
    """GET of one object."""
    return lambda world, params, reference: world.get(kind, reference)


def listing(kind: str, url: str) -> Handler:
    """GET of a list, newest first, ten at a time unless `limit` says otherwise."""

    def handler(world: World, params: JSON, _: str) -> JSON:
        limit = params.get("limit", 10)
        if not 1 <= limit <= 100:
            raise ApiError(400, f"Invalid limit: {limit}. It must be from 1 to 100.", param="limit")
        found = world.store.newest(kind, lambda item: _wanted(item, params))
        backwards = "ending_before" in params
        if backwards:
            found = list(reversed(found[: _place(world, kind, found, params, "ending_before")]))
        elif "starting_after" in params:
            found = found[_place(world, kind, found, params, "starting_after") + 1 :]
        page = found[:limit]
        data = list(reversed(page)) if backwards else page
        return {"object": "list", "data": data, "has_more": len(found) > limit, "url": url}

    return handler


def _place(world: World, kind: str, found: list[JSON], params: JSON, cursor: str) -> int:
    world.get(kind, params[cursor], cursor)
    identifiers = [item["id"] for item in found]
    return identifiers.index(params[cursor]) if params[cursor] in identifiers else len(found)


def _wanted(item: JSON, params: JSON) -> bool:
    created = params.get("created", {})
    if isinstance(created, int):
        created = {"gte": created, "lte": created}
    return (
        all(_COMPARE[name](item["created"], bound) for name, bound in created.items())
        and ("types" not in params or item["type"] in params["types"])
        and all(_equal(item.get(name), value) for name, value in params.items() if name not in _PAGING)
    )


def _equal(actual: Any, wanted: Any) -> bool:
    """A nested filter such as customer_details[email] compares only the members that it names."""
    if isinstance(wanted, dict):
        return isinstance(actual, dict) and all(actual.get(name) == value for name, value in wanted.items())
    return bool(actual == wanted)


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
    if not isinstance(item, dict) or first not in item:
        raise ApiError(400, f"This property cannot be expanded ({path}).", param="expand")
    if isinstance(item[first], str):
        found = world.store.find(item[first])
        if found is None:
            raise ApiError(400, f"This property cannot be expanded ({path}).", param="expand")
        item[first] = found
    if rest and item[first] is not None:
        _expand(world, item[first], rest, path)
