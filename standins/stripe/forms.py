"""Stripe's form encoding: nested parameters as `line_items[0][price_data][currency]=usd`."""

import re
from typing import Any
from urllib.parse import parse_qsl


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
