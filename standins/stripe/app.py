"""From a request to a response: keys, limits, faults, contract, idempotency, one transaction."""

import json
import logging
import time
from dataclasses import replace

from standins.stripe import access, challenge, controls, due, idempotency, invoice_page, page, routes
from standins.stripe.clock import Clock
from standins.stripe.endpoints import ROUTES
from standins.stripe.errors import ApiError
from standins.stripe.faults import Fault, Faults
from standins.stripe.forms import unflatten
from standins.stripe.http import Request, Response, json_response
from standins.stripe.limits import InFlight, RateLimit, rate_limited
from standins.stripe.lists import expand
from standins.stripe.objects import World
from standins.stripe.shapes import new_id
from standins.stripe.store import JSON, Store
from standins.stripe.webhooks import Deliverer, Endpoint

log = logging.getLogger(__name__)
_FAILURE = {"error": {"message": "An unknown error occurred", "type": "api_error"}}
_PAGES = {"/c/pay/": page.serve, "/3ds/": challenge.serve, "/i/": invoice_page.serve}
_NO_FAULT = Fault("", "delay", seconds=0)


class App:
    """The stand-in without its sockets. `base_url` is where browsers reach it."""

    store: Store
    faults: Faults
    limit: RateLimit

    def __init__(self, store: Store, endpoint: Endpoint, base_url: str) -> None:
        self.store = store
        self.base_url = base_url
        self.clock = Clock(store)
        self.faults = Faults()
        self.limit = RateLimit()
        self.in_flight = InFlight()
        self.deliverer = Deliverer(store, self.faults, endpoint, self.pass_time, self.clock.now)

    def world(self, *, request_id: str | None = None, key: str | None = None, silent: bool = False) -> World:
        """What a handler acts on, now."""
        now, announce = self.clock.now(), self.deliverer.announce
        return World(self.store, now, self.base_url, access.API_VERSION, announce, request_id, key, silent)

    def serve(self, request: Request) -> Response:
        """The response to any request; an unforeseen failure is Stripe's 500."""
        headers = {"Request-Id": new_id("req_", 14), "Stripe-Version": access.API_VERSION}
        try:
            if request.path.startswith("/_standin/"):
                return controls.serve(self, request)
            for start in _PAGES:
                if request.path.startswith(start):
                    return self._page(request, start)
            return self._api(request, headers)
        except ApiError as refusal:
            return json_response(refusal.status, refusal.body, headers | refusal.headers)
        except Exception:
            log.exception("%s %s", request.method, request.path)
            return json_response(500, _FAILURE, headers)
        finally:
            self.deliverer.wake()

    def pass_time(self) -> None:
        """Do what is due by now."""
        with self.store.transaction():
            due.run(self.world())

    def _page(self, request: Request, start: str) -> Response:
        fault = self._fault(request)
        if fault.mode == "close":
            return Response(0, b"", close=True)
        if fault.mode == "500":
            return json_response(500, _FAILURE)
        time.sleep(fault.seconds if fault.mode == "delay" else 0)
        self.pass_time()
        with self.store.transaction():
            world = self.world(silent=fault.mode == "never_emit")
            answer = _PAGES[start](world, request, request.path.removeprefix(start))
        if fault.mode == "apply_then_500":
            return json_response(500, _FAILURE)
        return replace(answer, close=fault.mode == "apply_then_close")

    def _fault(self, request: Request) -> Fault:
        """The fault that is asked for. Raises ApiError when it is one in front of everything."""
        fault = self.faults.take(request.method, request.path) or _NO_FAULT
        match fault.mode:
            case "429":
                raise rate_limited("global-rate")
            case "lock_timeout":
                message = "This object cannot be accessed right now because another request is using it."
                raise ApiError(429, message, code="lock_timeout")
            case "hang":
                time.sleep(fault.seconds)
                return replace(fault, mode="close")
            case "503":
                raise ApiError(503, "Stripe is temporarily unavailable.", type="api_error")
        return fault

    def _api(self, request: Request, headers: dict[str, str]) -> Response:
        permissions = access.authenticate(request.headers.get("Authorization", ""), self.store)
        headers["Stripe-Version"] = access.version(request.headers.get("Stripe-Version", access.API_VERSION))
        fault = self._fault(request)
        if fault.mode == "close":
            return Response(0, b"", close=True)
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        if key:
            headers["Idempotency-Key"] = key
        route, path = routes.find(ROUTES, request.method, request.path)
        access.permit(route, permissions)
        self.limit.count(f"{route.method} {route.path}")
        with self.in_flight.hold(key and f"key {key}", idempotency.in_use(key)):
            status, body = self._once(route, path, request, key, fault, headers)
        if status == 500:
            # A retry with this key would only replay the failure, and Stripe says so.
            headers["Stripe-Should-Retry"] = "false"
        return Response(
            status, json.dumps(body, indent=2).encode(), headers=headers, close=fault.mode == "apply_then_close"
        )

    def _once(
        self,
        route: routes.Route,
        path: dict[str, str],
        request: Request,
        key: str | None,
        fault: Fault,
        headers: dict[str, str],
    ) -> idempotency.Answer:
        """Execute the request, or replay the answer kept with its key."""
        text = request.body.decode(errors="replace") if request.method == "POST" else request.query
        params = routes.check(route, unflatten(text))
        with self.in_flight.hold(route.alone(params), rate_limited("resource-specific")):
            time.sleep(fault.seconds if fault.mode == "delay" else 0)
            self.pass_time()
            with self.store.transaction():
                now = self.clock.now()
                if key and (first := idempotency.saved(self.store, key, request.path, params, now)):
                    answer, original = first
                    headers |= {"Idempotent-Replayed": "true", "Original-Request": original}
                    return answer
                world = self.world(request_id=headers["Request-Id"], key=key, silent=fault.mode == "never_emit")
                answer = (500, _FAILURE) if fault.mode == "500" else _execute(world, route, params, path)
                if fault.mode == "apply_then_500":
                    answer = (500, _FAILURE)
                if key:
                    idempotency.save(self.store, key, request.path, params, answer, now, headers["Request-Id"])
                return answer


def _execute(world: World, route: routes.Route, params: JSON, path: dict[str, str]) -> idempotency.Answer:
    paths: list[str] = params.get("expand", [])
    try:
        kept = {name: value for name, value in params.items() if name != "expand"}
        above = {name: value for name, value in path.items() if name != "id"}
        with world.store.attempt(lambda raised: isinstance(raised, ApiError) and raised.keeps):
            return 200, expand(world, route.handler(world, kept | above, path.get("id", "")), paths)
    except ApiError as refusal:
        return refusal.status, refusal.body
