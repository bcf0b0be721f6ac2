"""
What meters could not count is told later, in a report: an event of the newer kind, which is sent thin; its data are
asked for. https://docs.stripe.com/billing/subscriptions/usage-based/recording-usage-api
"""

from datetime import UTC, datetime

from standins.stripe.forms import flatten
from standins.stripe.objects import World
from standins.stripe.shapes import new_id
from standins.stripe.store import JSON

_TYPE = "v1.billing.meter.error_report_triggered"
_WINDOW_SECONDS = 10


def report(world: World, meter: JSON, identifier: str, code: str, message: str) -> None:
    """Tell that the event of this identifier was not counted, and why."""
    since = world.now // _WINDOW_SECONDS * _WINDOW_SECONDS
    sample = {"error_message": message, "request": {"identifier": identifier}}
    data = {
        "developer_message_summary": "There is 1 invalid event",
        "reason": {
            "error_count": 1,
            "error_types": [{"code": code, "error_count": 1, "sample_errors": [sample]}],
        },
        "validation_end": _moment(since + _WINDOW_SECONDS),
        "validation_start": _moment(since),
    }
    event: JSON = {
        "id": new_id("evt_test_", 32),
        "object": "v2.core.event",
        "context": None,
        "created": _moment(world.now),
        "livemode": False,
        "reason": None,
        "related_object": {
            "id": meter["id"],
            "type": "billing.meter",
            "url": f"/v1/billing/meters/{meter['id']}",
        },
        "type": _TYPE,
    }
    world.remember(event["id"], data=data)
    world.tell(event)


def retrieve(world: World, _: JSON, reference: str) -> JSON:
    """GET /v2/core/events/{id}: the event, with its data."""
    return {**world.get("v2.core.event", reference), "data": world.recall(reference)["data"]}


def listing(world: World, params: JSON, _: str) -> JSON:
    """GET /v2/core/events, newest first. Events of one moment stay on one page, which may be longer for it."""
    bounds, types = params.get("created", {}), params.get("types")
    found = [
        event
        for event in world.store.newest("v2.core.event")
        if bounds.get("gte", "") <= event["created"] < bounds.get("lt", "9")
        and (types is None or event["type"] in types)
        and params.get("object_id", event["related_object"]["id"]) == event["related_object"]["id"]
    ]
    page = found[: params.get("limit", 20)]
    page += [event for event in found[len(page) :] if event["created"] == page[-1]["created"]]
    left = {**params, "created": {**bounds, "lt": page[-1]["created"]}} if len(found) > len(page) else None
    following = f"/v2/core/events?{flatten(left)}" if left else None
    shown = [retrieve(world, {}, event["id"]) for event in page]
    return {"data": shown, "next_page_url": following, "previous_page_url": None}


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
