"""Every answer of the stand-in that a test sees is held to the SDK's own object types and to Stripe's fixtures.

`Checked` is the SDK's HTTP client; what is wrong with an answer is an assertion error in the test that asked for it.
"""

import ast
import importlib
import inspect
import json
import types
import typing
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

import stripe
from stripe._object_classes import OBJECT_CLASSES
from stripe.events import V1BillingMeterErrorReportTriggeredEvent
from stripe.v2.core import Event

from standins.stripe.shapes import FIXTURES, GONE_KEYS, MORE_KEYS

# Keys that are there only when asked for by `expand`.
_INCLUDED = {
    "customer": {"tax", "tax_ids"},
    "invoice": {"payments"},
    "checkout.session": {"line_items"},
    "tax.calculation": {"line_items"},
    "tax.calculation_line_item": {"tax_breakdown"},
}
_ERROR_KEYS = {"payment_intent", "setup_intent", "payment_method", "charge", "decline_code", "param", "code", "type"}


class Checked(stripe.RequestsClient):
    """Looks at every answer before the SDK does."""

    def request(self, method: str, url: str, headers: Any, post_data: Any = None) -> Any:  # type: ignore[override]
        body, status, answered = super().request(method, url, headers, post_data)
        shown = json.loads(body)
        found = wrong(shown) if status == 200 else wrong_error(shown["error"])
        assert not found, "\n".join(found)
        return body, status, answered


def wrong(item: Any, path: str = "") -> list[str]:
    """What is not as Stripe has it, in an object with an `object` name or a list of such."""
    if item.keys() == {"data", "next_page_url", "previous_page_url"}:  # a list of the newer kind
        return [text for n, member in enumerate(item["data"]) for text in wrong(member, f"{path}[{n}]")]
    if item["object"] == "list":
        return [text for n, member in enumerate(item["data"]) for text in wrong(member, f"{path}[{n}]")]
    if item.get("deleted"):
        return [] if item.keys() == {"id", "object", "deleted"} else [f"{path}: a deleted object shows {item.keys()}"]
    if item["object"] == "v2.core.event":
        return _unlike({**_hints(Event), **_hints(V1BillingMeterErrorReportTriggeredEvent)}, {}, item, path)
    kind, declared = item["object"], _class(item["object"])
    published = (FIXTURES[kind].keys() | MORE_KEYS.get(kind, set())) - GONE_KEYS.get(kind, set())
    extra = item.keys() - published - _INCLUDED.get(kind, set())
    missing = (FIXTURES[kind].keys() - GONE_KEYS.get(kind, set())) - item.keys()
    found = [f"{path}{kind} has no {name}" for name in sorted(missing)]
    found += [f"{path}{kind} has {name}, which Stripe has not" for name in sorted(extra)]
    found += [] if item.get("livemode", False) is False else [f"{path}{kind} is live"]
    if kind == "event":
        return found + wrong(item["data"]["object"], f"{path}event.")
    return found + _members(declared, item, f"{path}{kind}")


def wrong_error(error: Any) -> list[str]:
    """What is not as Stripe has it, in an error: its code must be one of those that the SDK lists."""
    codes = _literals(_hints(stripe.SetupIntent.LastSetupError)["code"])
    found = [] if error.get("code", codes[0]) in (*codes, "duplicate_meter_event") else [f"no such code: {error}"]
    for kind in ("payment_intent", "setup_intent", "payment_method"):
        found += wrong(error[kind], "error.") if isinstance(error.get(kind), dict) else []
    return found + [f"error has {name}" for name in sorted(error.keys() - _ERROR_KEYS - {"message"})]


def _class(kind: str) -> type:
    module, name = OBJECT_CLASSES[kind]
    declared: type = getattr(importlib.import_module(module), name)
    return declared


@cache
def _hints(declared: type) -> dict[str, Any]:
    """Key -> type of one of the SDK's object classes."""
    module = importlib.import_module(declared.__module__)
    names: dict[str, Any] = {**vars(typing), **_type_checking_names(module)}
    outer: Any = module
    for part in declared.__qualname__.split("."):
        outer = getattr(outer, part)
        names |= {name: value for name, value in vars(outer).items() if inspect.isclass(value)}
    hints = {name: hint for name, hint in declared.__annotations__.items() if not name.startswith("_")}
    hints.pop("OBJECT_NAME", None)
    holder = type("Hints", (), {"__annotations__": hints, "__module__": declared.__module__})
    return typing.get_type_hints(holder, localns=names)


@cache
def _type_checking_names(module: types.ModuleType) -> dict[str, Any]:
    """What the module imports for type checkers only."""
    names: dict[str, Any] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            exec(compile(ast.Module(node.body, []), module.__name__, "exec"), names)
    return names


def _options(hint: Any) -> list[Any]:
    if get_origin(hint) in (Union, types.UnionType):
        return [option for member in get_args(hint) for option in _options(member)]
    return [hint]


def _literals(hint: Any) -> list[Any]:
    return [text for option in _options(hint) if get_origin(option) is Literal for text in get_args(option)]


def _members(declared: type, value: dict[str, Any], path: str) -> list[str]:
    return _unlike(_hints(declared), FIXTURES.get(value.get("object", ""), {}), value, path)


def _unlike(hints: dict[str, Any], published: Any, value: dict[str, Any], path: str) -> list[str]:
    found = [f"{path}.{name} is unknown" for name in value if name not in hints and name not in published]
    found += [
        f"{path}.{name} is missing"
        for name, hint in hints.items()
        if name not in value and type(None) not in _options(hint) and name not in ("deleted",) and not published
    ]
    for name in value.keys() & hints.keys():
        found += _fits(hints[name], value[name], f"{path}.{name}")
    return found


def _fits(hint: Any, value: Any, path: str) -> list[str]:
    options = _options(hint)
    if value is None:
        return [] if type(None) in options or Any in options else [f"{path} is null"]
    if Any in options or any(getattr(option, "__name__", "") == "UntypedStripeObject" for option in options):
        return []
    if isinstance(value, dict):
        return _object_fits(options, value, path)
    if isinstance(value, list):
        member = next((get_args(option)[0] for option in options if get_origin(option) is list), None)
        if member is None:
            return [f"{path} is a list"]
        return [text for n, each in enumerate(value) for text in _fits(member, each, f"{path}[{n}]")]
    literals = _literals(hint)
    if literals and isinstance(value, str):
        return [] if value in literals else [f"{path} is {value!r}, not one of {literals}"]
    return [] if _scalar_fits(options, value) else [f"{path} is {value!r}"]


def _object_fits(options: list[Any], value: dict[str, Any], path: str) -> list[str]:
    for option in options:
        if (get_origin(option) or option) is stripe.ListObject:
            return wrong(value, f"{path}: ")
        if get_origin(option) is dict or option is dict:
            return []
        if inspect.isclass(option) and issubclass(option, stripe.StripeObject):
            named = "object" in value and value["object"] in FIXTURES
            return wrong(value, f"{path}: ") if named else _members(option, value, path)
    return [f"{path} is an object"]


def _scalar_fits(options: list[Any], value: Any) -> bool:
    if isinstance(value, bool):
        return bool in options
    if isinstance(value, int | float):
        return type(value) in options or float in options
    if Decimal in options:
        try:
            return Decimal(value).is_finite()
        except InvalidOperation:
            return False
    return str in options
