"""From a request to a response: keys, contract, faults, idempotency, one transaction."""

import base64
import binascii
import importlib
import json
import logging
import re
import time
from typing import Any

from standins.stripe import checkout, contract, controls, idempotency, page, routes
from standins.stripe.errors import ApiError
from standins.stripe.faults import Fault, Faults
from standins.stripe.forms import unflatten
from standins.stripe.http import Request, Response, json_response
from standins.stripe.lists import expand
from standins.stripe.objects import World, new_id
from standins.stripe.store import JSON, Store
from standins.stripe.webhooks import Deliverer, Endpoint

log = logging.getLogger(__name__)
API_VERSION: str = importlib.import_module("stripe._api_version")._ApiVersion.CURRENT
_FAILURE = {"error": {"message": "An unknown error occurred", "type": "api_error"}}


class App:
    """The stand-in without its sockets. `base_url` is where browsers reach it."""

    def __init__(self, store: Store, endpoint: Endpoint, base_url: str) -> None:
        self.store = store
        self.base_url = base_url
        self.faults = Faults()
        self.keys = idempotency.KeysInUse()
        self.deliverer = Deliverer(store, self.faults, endpoint, self._expire_due)

    def world(self, *, request_id: str | None = None, key: str | None = None) -> World:
        """What a handler acts on, now."""
        now, announce = int(time.time()), self.deliverer.announce
        return World(self.store, now, self.base_url, API_VERSION, announce, request_id, key)

    def serve(self, request: Request) -> Response:
        """The response to any request; an unforeseen failure is Stripe's 500."""
        headers = {"Request-Id": new_id("req_", 14), "Stripe-Version": API_VERSION}
        try:
            if request.path.startswith("/_standin/"):
                return controls.serve(self, request)
            if request.path.startswith("/c/pay/"):
                return self._page(request)
            return self._api(request, headers)
        except ApiError as refusal:
            return json_response(refusal.status, refusal.body, headers)
        except Exception:
            log.exception("%s %s", request.method, request.path)
            return json_response(500, _FAILURE, headers)
        finally:
            self.deliverer.wake()

    def _expire_due(self) -> None:
        with self.store.transaction():
            checkout.expire_due(self.world())

    def _page(self, request: Request) -> Response:
        self._expire_due()
        with self.store.transaction():
            return page.serve(self.world(), request, request.path.removeprefix("/c/pay/"))

    def _api(self, request: Request, headers: dict[str, str]) -> Response:
        _authenticate(request.headers.get("Authorization", ""))
        headers["Stripe-Version"] = _version(request.headers.get("Stripe-Version", API_VERSION))
        fault = self.faults.take(request.method, request.path) or Fault(request.path, "delay", seconds=0)
        if fault.mode == "429":
            raise ApiError(429, "Request rate limit exceeded.", code="rate_limit")
        if fault.mode == "503":
            raise ApiError(503, "Stripe is temporarily unavailable.", type="api_error")
        if fault.mode == "close":
            return Response(0, b"", close=True)
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        if key:
            headers["Idempotency-Key"] = key
        with self.keys.hold(key):
            time.sleep(fault.seconds if fault.mode == "delay" else 0)
            status, body = self._once(request, key, fault, headers)
        if status == 500:
            # A retry with this key would only replay the failure, and Stripe says so.
            headers["Stripe-Should-Retry"] = "false"
        return Response(
            status, json.dumps(body, indent=2).encode(), headers=headers, close=fault.mode == "apply_then_close"
        )

    def _once(self, request: Request, key: str | None, fault: Fault, headers: dict[str, str]) -> idempotency.Answer:
        """Execute the request, or replay the answer kept with its key."""
        text = request.body.decode(errors="replace") if request.method == "POST" else request.query
        route, reference = routes.find(request.method, request.path)
        params = contract.check(route.contract, unflatten(text))
        self._expire_due()
        with self.store.transaction():
            first = idempotency.saved(self.store, key, request.path, params) if key else None
            if first is not None:
                headers |= {"Idempotent-Replayed": "true", "Original-Request": headers["Request-Id"]}
                return first
            world = self.world(request_id=headers["Request-Id"], key=key)
            answer = (500, _FAILURE) if fault.mode == "500" else _execute(world, route, params, reference)
            if fault.mode == "apply_then_500":
                answer = (500, _FAILURE)
            if key:
                idempotency.save(self.store, key, request.path, params, answer)
            return answer


def _execute(world: World, route: routes.Route, params: JSON, reference: str) -> idempotency.Answer:
    paths: list[str] = params.get("expand", [])
    try:
        kept = {name: value for name, value in params.items() if name != "expand"}
        return 200, expand(world, route.handler(world, kept, reference), paths)
    except ApiError as refusal:
        return refusal.status, refusal.body


def _authenticate(header: str) -> None:
    """Bearer, or Basic with the key as the user. Raises ApiError 401."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            given = ""
    if not given:
        message = "You did not provide an API key. Provide it in the Authorization header, using Bearer auth."
        raise ApiError(401, message)
    if not re.fullmatch(r"sk_test_\w+", given):
        raise ApiError(401, f"Invalid API Key provided: {given[:8]}****. The stand-in takes any sk_test_ key.")


def _version(wanted: Any) -> str:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d(\.\w+)?", str(wanted)):
        raise ApiError(400, f"Invalid Stripe API version: {wanted}")
    return str(wanted)
