"""What an endpoint is, and how a request finds its own; which there are is in endpoints.py."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from standins.stripe import contract
from standins.stripe.errors import ApiError
from standins.stripe.lists import Handler
from standins.stripe.store import JSON


@dataclass(frozen=True)
class Route:
    """`path` may hold {id}, and {names} of parameters; `contract` is relative to the SDK's `stripe.params`; `takes`
    names the parameters that do something (all, when empty); `alone` names what one request at a time may touch."""

    method: str
    path: str
    contract: str
    handler: Handler
    takes: str = ""
    alone: Callable[[JSON], str | None] = field(default=lambda params: None)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What the path of a request looks like."""
        return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>\\w+)", self.path))

    @cached_property
    def resource(self) -> str:
        """What a restricted key is given rights on: `customer`, `checkout_session`, `billing_meter_event`, …"""
        names = self.path.removeprefix("/v1/").removeprefix("/v2/core/").partition("/{")[0].split("/")
        return "_".join(name.removesuffix("s") for name in names if not name.startswith("create_"))

    @cached_property
    def taken(self) -> frozenset[str]:
        """The parameters that do something."""
        return frozenset((self.takes or " ".join(contract.fields(contract.load(self.contract)))).split())


def find(routes: list[Route], method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route and what stands in its path. Raises ApiError 404."""
    for route in routes:
        match = route.pattern.fullmatch(path) if route.method == method else None
        if match:
            return route, match.groupdict()
    raise ApiError(404, f"Unrecognized request URL ({method}: {path}).")


def check(route: Route, params: JSON) -> JSON:
    """The parameters in their declared types. Raises ApiError 400 as Stripe would, and for those of Stripe's that do
    nothing here: better refused than ignored."""
    checked = contract.check(route.contract, params)
    for name in checked:
        if name not in route.taken and name != "expand":
            raise ApiError(400, f"The Stripe stand-in does not have this parameter: {name}", param=name)
    return checked
