"""The request contract, taken from the installed SDK's own parameter types, so that a new SDK re-checks the stand-in.

The SDK is loaded by name and only its types are read: nothing here calls it.
"""

import importlib
import re
import types
import typing
from decimal import Decimal
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from standins.stripe.errors import ApiError

_OPTIONS = "stripe._request_options"


@cache
def fields(declared: type) -> dict[str, Any]:
    """Parameter name -> type hint of one of the SDK's TypedDicts, without the SDK's request options."""
    module = vars(importlib.import_module(declared.__module__))
    names = {**vars(typing), "StripeContext": object, "HTTPClient": object, **module}
    options = importlib.import_module(_OPTIONS).RequestOptions.__annotations__
    hints = typing.get_type_hints(declared, localns=names)
    return {name: hint for name, hint in hints.items() if name not in options}


@cache
def load(dotted: str) -> type:
    """The TypedDict named relative to `stripe.params`, such as `_refund_create_params.RefundCreateParams`."""
    module, name = dotted.rsplit(".", 1)
    declared: type = getattr(importlib.import_module(f"stripe.params.{module}"), name)
    return declared


def check(dotted: str, params: dict[str, Any]) -> dict[str, Any]:
    """The parameters converted to their declared types. Raises ApiError 400 as Stripe would."""
    return _typed_dict(load(dotted), params, "")


def _typed_dict(declared: type, value: dict[str, Any], prefix: str) -> dict[str, Any]:
    known = fields(declared)
    for name in value:
        if name not in known:
            path = _path(prefix, name)
            raise ApiError(400, f"Received unknown parameter: {path}", code="parameter_unknown", param=path)
    required: frozenset[str] = getattr(declared, "__required_keys__", frozenset())
    for name in sorted(required & known.keys()):
        if name not in value:
            path = _path(prefix, name)
            raise ApiError(400, f"Missing required param: {path}.", code="parameter_missing", param=path)
    return {name: _convert(known[name], given, _path(prefix, name)) for name, given in value.items()}


def _path(prefix: str, name: str) -> str:
    return f"{prefix}[{name}]" if prefix else name


def _convert(hint: Any, value: Any, path: str) -> Any:
    options = _options(hint)
    literals = [text for option in options if get_origin(option) is Literal for text in get_args(option)]
    if value == "" and "" not in literals:
        raise ApiError(
            400,
            f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset a parameter; "
            f"however '{path}' cannot be unset. Remove '{path}' from your request or supply a non-empty value.",
            code="parameter_invalid_empty",
            param=path,
        )
    if isinstance(value, dict):
        return _nested(options, value, path)
    return value if value == "" else _scalar(options, [text for text in literals if text], value, path)


def _options(hint: Any) -> list[Any]:
    """The members of a union, flat; a plain hint is a union of one."""
    if get_origin(hint) in (Union, types.UnionType):
        return [option for member in get_args(hint) for option in _options(member)]
    return [hint]


def _nested(options: list[Any], value: dict[str, Any], path: str) -> Any:
    for option in options:
        if hasattr(option, "__required_keys__"):
            return _typed_dict(option, value, path)
        if get_origin(option) is dict:
            member = get_args(option)[1]
            # An empty value takes its key away.
            return {name: given and _convert(member, given, _path(path, name)) for name, given in value.items()}
        if get_origin(option) is list and all(key.isdigit() for key in value):
            places = sorted(value.items(), key=lambda item: int(item[0]))
            return [_convert(get_args(option)[0], given, f"{path}[{place}]") for place, given in places]
    raise ApiError(400, f"Invalid {'string' if str in options else 'value'}: {path}", param=path)


def _scalar(options: list[Any], literals: list[str], value: str, path: str) -> Any:
    if int in options and re.fullmatch(r"-?\d+", value):
        return int(value)
    if bool in options and value in ("true", "false"):
        return value == "true"
    # The SDK writes Stripe's enumerations as open ones (`Literal[…] | str`); Stripe itself refuses other words.
    if literals:
        if value not in literals:
            raise ApiError(400, f"Invalid {path}: must be one of {', '.join(literals)}", param=path)
        return value
    if (Decimal in options or float in options) and re.fullmatch(r"-?\d+(\.\d{1,12})?", value):
        return value if Decimal in options else float(value)
    if str in options:
        return value
    if Decimal in options or float in options:
        raise ApiError(400, f"Invalid decimal: {value}", param=path)
    if int in options:
        raise ApiError(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=path)
    kind = "boolean" if bool in options else "array" if any(get_origin(o) is list for o in options) else "object"
    raise ApiError(400, f"Invalid {kind}", param=path)
