"""Stripe's form encoding: nested parameters as `line_items[0][price_data][currency]=usd`."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode


def unflatten(text: str) -> dict[str, Any]:
    """The nested parameters of an encoded form or query. Lists stay dicts keyed "0", "1", … until the contract
    says what they are; `name[]=value` counts its values in order."""
    params: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        *path, last = re.findall(r"[^\[\]]+|(?<=\[)(?=\])", name) or [name]
        place = params
        for key in path:
            inner = place.setdefault(key or str(len(place)), {})
            if not isinstance(inner, dict):
                inner = place[key] = {}
            place = inner
        place[last or str(len(place))] = value
    return params


def flatten(params: dict[str, Any]) -> str:
    """The reverse: nested parameters, encoded."""
    return urlencode(list(_flat(params)))


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict | list):
        yield name, value
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _flat(inner, f"{name}[{key}]" if name else str(key))
