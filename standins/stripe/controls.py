"""The stand-in's own controls under /_standin/, for tests and for people."""

import json
from typing import TYPE_CHECKING

from standins.stripe import idempotency, refunds
from standins.stripe.errors import ApiError
from standins.stripe.http import Request, Response, json_response
from standins.stripe.store import JSON

if TYPE_CHECKING:
    from standins.stripe.app import App


def serve(app: "App", request: Request) -> Response:
    """Run one control. Raises ApiError 404 for an unknown one."""
    name, _, argument = request.path.removeprefix("/_standin/").partition("/")
    match request.method, name:
        case "GET", "health":
            return json_response(200, {"ok": True})
        case "GET", "faults":
            return json_response(200, app.faults.listing())
        case "POST", "faults":
            app.faults.add(_json(request))
            return json_response(200, app.faults.listing())
        case "DELETE", "faults":
            app.faults.clear()
            return json_response(200, [])
        case "GET", "deliveries":
            return json_response(200, _deliveries(app))
        case "POST", "deliver":
            return _deliver(app, argument)
        case "POST", "webhook":
            wanted = _json(request)
            app.deliverer.endpoint.url, app.deliverer.endpoint.secret = wanted["url"], wanted["secret"]
            return json_response(200, {"url": wanted["url"]})
        case "POST", "settle":
            with app.store.transaction():
                return json_response(200, refunds.settle(app.world()))
        case "POST", "forget_keys":
            with app.store.transaction():
                idempotency.forget(app.store)
            return json_response(200, {})
    raise ApiError(404, f"No such control: {request.method} {request.path}")


def _json(request: Request) -> JSON:
    try:
        value = json.loads(request.body)
    except ValueError as wrong:
        raise ApiError(400, f"The body must be JSON: {wrong}") from wrong
    if not isinstance(value, dict):
        raise ApiError(400, "The body must be a JSON object.")
    return value


def _deliveries(app: "App") -> list[JSON]:
    """Every delivery in the order it was queued; `state` is pending, held, dropped, delivered or failed."""
    sql = (
        "SELECT d.*, json_extract(o.body, '$.type') AS type"
        " FROM deliveries d JOIN objects o ON o.id = d.event ORDER BY d.id"
    )
    with app.store.transaction():
        return [dict(row) | {"forged": bool(row["forged"])} for row in app.store.execute(sql)]


def _deliver(app: "App", event: str) -> Response:
    """Send the event once more, whatever became of it before."""
    with app.store.transaction():
        app.world().get("event", event)
        app.deliverer.queue(event)
    return json_response(200, {"event": event})
