"""
What meters could not count is told later, in a report: an event of the newer kind, which is sent thin; its data are
asked for. https://docs.stripe.com/billing/subscriptions/usage-based/recording-usage-api
"""

from datetime import UTC, datetime

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


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
