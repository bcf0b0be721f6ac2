"""The stand-in's own controls under /_standin/, for tests and for people."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from standins.stripe import access, disputes, due, idempotency, refunds
from standins.stripe.errors import ApiError
from standins.stripe.http import Request, Response, json_response
from standins.stripe.store import JSON

if TYPE_CHECKING:
    from standins.stripe.app import App


def serve(app: "App", request: Request) -> Response:
    """Run one control. Raises ApiError 404 for an unknown one."""
    name, _, argument = request.path.removeprefix("/_standin/").partition("/")
    control = _CONTROLS.get((request.method, name))
    if control is None:
        raise ApiError(404, f"No such control: {request.method} {request.path}")
    wanted = _json(request) if request.body else {}
    try:
        with app.store.transaction():
            return json_response(200, control(app, wanted, argument))
    except KeyError as missing:
        raise ApiError(400, f"This control needs {missing}.") from missing


def _add_fault(app: "App", wanted: JSON, _: str) -> list[JSON]:
    app.faults.add(wanted)
    return app.faults.listing()


def _clear_faults(app: "App", _: JSON, __: str) -> list[JSON]:
    app.faults.clear()
    return []


def _webhook(app: "App", wanted: JSON, _: str) -> JSON:
    """Where events go from now on: {url, secret}; url null for nowhere."""
    app.deliverer.endpoint.url, app.deliverer.endpoint.secret = wanted["url"], wanted["secret"]
    return {"url": wanted["url"]}


def _forget_keys(app: "App", _: JSON, __: str) -> JSON:
    idempotency.forget(app.store)
    return {}


def _clock(app: "App", wanted: JSON, _: str) -> JSON:
    """{now} moves the server's time there (seconds since 1970, null for the computer's) and does what is then due."""
    app.clock.move(wanted["now"])
    due.run(app.world())
    return {"now": app.clock.now()}


def _rate_limit(app: "App", wanted: JSON, _: str) -> JSON:
    """{per_second} for each endpoint; null for none."""
    app.limit.per_second = wanted["per_second"]
    return wanted


def _restricted_key(app: "App", wanted: JSON, _: str) -> JSON:
    """{key, permissions: {resource: read or write}}."""
    access.make_key(app.store, wanted["key"], wanted["permissions"])
    return wanted


def _dispute(app: "App", wanted: JSON, _: str) -> JSON:
    """{charge, reason}."""
    return disputes.open_by_hand(app.world(), wanted["charge"], wanted["reason"])


def _end_dispute(app: "App", wanted: JSON, reference: str) -> JSON:
    """{status: won or lost}: the bank decides now."""
    if wanted["status"] not in ("won", "lost"):
        raise ApiError(400, "status must be won or lost.", param="status")
    return disputes.decide(app.world(), reference, wanted["status"])


def _json(request: Request) -> JSON:
    try:
        value = json.loads(request.body)
    except ValueError as wrong:
        raise ApiError(400, f"The body must be JSON: {wrong}") from wrong
    if not isinstance(value, dict):
        raise ApiError(400, "The body must be a JSON object.")
    return value


def _deliveries(app: "App", _: JSON, __: str) -> list[JSON]:
    """Every delivery in the order it was queued; `state` is pending, held, dropped, delivered or failed."""
    sql = (
        "SELECT d.*, json_extract(o.body, '$.type') AS type"
        " FROM sendings d JOIN objects o ON o.id = d.event ORDER BY d.id"
    )
    return [dict(row) | {"forged": bool(row["forged"])} for row in app.store.execute(sql)]


def _deliver(app: "App", wanted: JSON, event: str) -> JSON:
    """Send the event once more, whatever became of it before; forged if {forged: true}."""
    app.world().get("event", event)
    app.deliverer.queue(event, forged=bool(wanted.get("forged")))
    return {"event": event}


_CONTROLS: dict[tuple[str, str], Callable[["App", JSON, str], Any]] = {
    ("GET", "health"): lambda app, wanted, argument: {"ok": True},
    ("GET", "faults"): lambda app, wanted, argument: app.faults.listing(),
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "deliveries"): _deliveries,
    ("POST", "deliver"): _deliver,
    ("POST", "webhook"): _webhook,
    ("POST", "settle"): lambda app, wanted, argument: refunds.settle(app.world()),
    ("POST", "forget_keys"): _forget_keys,
    ("POST", "clock"): _clock,
    ("POST", "rate_limit"): _rate_limit,
    ("POST", "restricted_key"): _restricted_key,
    ("POST", "dispute"): _dispute,
    ("POST", "end_dispute"): _end_dispute,
}
