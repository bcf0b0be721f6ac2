"""Meter events: counted once for each identifier, within their window of time, and read back as summaries."""

import re
from collections.abc import Callable

from standins.stripe import meters, reports
from standins.stripe.errors import ApiError
from standins.stripe.lists import paged
from standins.stripe.objects import World
from standins.stripe.shapes import build, new_id
from standins.stripe.store import JSON

_PAST_SECONDS, _FUTURE_SECONDS = 35 * 24 * 3600, 5 * 60
_UNIQUE_SECONDS = 24 * 3600
_WINDOWS = {"hour": 3600, "day": 24 * 3600}
_RECORD = "meter_record"
_FORMULAS: dict[str, Callable[[list[JSON]], int]] = {
    "sum": lambda records: sum(record["value"] for record in records),
    "count": len,
    "last": lambda records: max(records, key=lambda record: record["timestamp"])["value"] if records else 0,
}


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/billing/meter_events. Raises ApiError 400 for what would never be counted.

    Stripe counts asynchronously and tells some of these only later; here the answer says it, and counting is at once.
    What is told later here is that the meter is archived, or the customer deleted.
    """
    event_name = params["event_name"]
    meter = next(iter(meters.named(world, event_name)), None)
    meter = meters.active(world, event_name) or meter
    if meter is None:
        raise ApiError(400, f"No active meter found for event name {event_name}.", param="event_name")
    customer, value = _payload(world, meter, params["payload"])
    world = world.of(customer)
    timestamp = params.get("timestamp", world.now)
    _check_time(world, timestamp)
    identifier = params.get("identifier") or new_id("", 32)
    _once(world, event_name, identifier)
    record = {"id": new_id("mev_"), "object": _RECORD, "customer": customer, "meter": meter["id"], "value": value}
    if not _reported(world, meter, customer, identifier):
        world.store.put(record | {"timestamp": timestamp, "created": world.now})
    world.remember(_name(event_name, identifier), created=world.now, record=record["id"])
    shown = build("billing.meter_event", created=world.now, event_name=event_name, identifier=identifier)
    return shown | {"payload": params["payload"], "timestamp": timestamp}


def _reported(world: World, meter: JSON, customer: str, identifier: str) -> bool:
    """Whether the event is never counted, which is told in a report."""
    if meter["status"] != "active":
        reports.report(world, meter, identifier, "archived_meter", f"Meter {meter['id']} is archived.")
    elif (world.store.find(customer) or {}).get("deleted"):
        reports.report(world, meter, identifier, "meter_event_customer_not_found", f"No such customer: {customer}.")
    else:
        return False
    return True


def customer_of(params: JSON) -> str | None:
    """What only one request at a time may touch: a customer's meter."""
    payload = params.get("payload") or {}
    customer = payload.get("stripe_customer_id") if isinstance(payload, dict) else None
    return f"{params.get('event_name')} {customer}" if customer else None


def _name(event_name: str, identifier: str) -> str:
    return f"meter_event {event_name} {identifier}"


def _payload(world: World, meter: JSON, payload: JSON) -> tuple[str, int]:
    by, key = meter["customer_mapping"]["event_payload_key"], meter["value_settings"]["event_payload_key"]
    if by not in payload or (key not in payload and meter["default_aggregation"]["formula"] != "count"):
        message = f"The payload must have {by} and {key}."
        raise ApiError(400, message, code="parameter_missing", param="payload")
    value = payload.get(key, "1")
    if not re.fullmatch(r"-?\d{1,15}", value):
        raise ApiError(400, f"The value must be a whole number of at most 15 digits: {value}", param=f"payload[{key}]")
    if (world.store.find(payload[by], "customer") or {}).get("deleted"):
        return payload[by], int(value)
    return world.get("customer", payload[by], f"payload[{by}]")["id"], int(value)


def _check_time(world: World, timestamp: int) -> None:
    if timestamp < world.now - _PAST_SECONDS:
        raise ApiError(400, "The timestamp must be within the past 35 days.", param="timestamp")
    if timestamp > world.now + _FUTURE_SECONDS:
        raise ApiError(400, "The timestamp must not be more than 5 minutes in the future.", param="timestamp")


def _once(world: World, event_name: str, identifier: str) -> None:
    """Stripe promises a day. Afterwards the same identifier is counted again."""
    if world.recall(_name(event_name, identifier)).get("created", -_UNIQUE_SECONDS) > world.now - _UNIQUE_SECONDS:
        message = f"An event already exists with identifier {identifier}."
        raise ApiError(400, message, code="duplicate_meter_event", param="identifier")


def adjust(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/billing/meter_event_adjustments: the event counts no more, if it came within the last day."""
    identifier = (params.get("cancel") or {}).get("identifier", "")
    known = world.recall(_name(params["event_name"], identifier))
    record = world.store.find(known.get("record", ""))
    if record is None or known["created"] <= world.of(record["customer"]).now - _UNIQUE_SECONDS:
        raise ApiError(400, f"No event of the last 24 hours has the identifier {identifier}.", param="cancel")
    world.store.put({**record, "cancelled": True})
    shown = build("billing.meter_event_adjustment", created=world.now, event_name=params["event_name"])
    return shown | {"cancel": {"identifier": identifier}}


def total(world: World, meter: JSON, customer: str, start: int, end: int) -> int:
    """What the meter counted for the customer in the half-open time from `start` to `end`."""
    return _FORMULAS[meter["default_aggregation"]["formula"]](_records(world, meter, customer, start, end))


def _records(world: World, meter: JSON, customer: str, start: int, end: int) -> list[JSON]:
    def counts(record: JSON) -> bool:
        within: bool = record["meter"] == meter["id"] and start <= record["timestamp"] < end
        return within and not record.get("cancelled")

    found = world.store.newest(_RECORD, counts, customer=customer)
    window = _WINDOWS.get(meter["event_time_window"] or "")
    if window is None:
        return found
    # With a window the newest event of each hour or day takes the place of those before it.
    return list({record["timestamp"] // window: record for record in reversed(found)}.values())


def summaries(world: World, params: JSON, reference: str) -> JSON:
    """GET /v1/billing/meters/{id}/event_summaries: one for the whole time, or one for each hour or day with events."""
    meter = world.get("billing.meter", reference)
    world.get("customer", params["customer"], "customer")
    start, end = params["start_time"], params["end_time"]
    step = _WINDOWS.get(params.get("value_grouping_window", ""))
    for name in ("start_time", "end_time"):
        if params[name] % (step or 60):
            unit = params.get("value_grouping_window", "minute")
            raise ApiError(400, f"{name} must be aligned with {unit} boundaries.", param=name)
    if end <= start:
        raise ApiError(400, "end_time must be after start_time.", param="end_time")
    starts = [start]
    if step:
        records = _records(world, meter, params["customer"], start, end)
        starts = sorted({record["timestamp"] // step * step for record in records}, reverse=True)
    found = [_summary(world, meter, params["customer"], at, at + step if step else end) for at in starts]
    return paged(found, params, f"/v1/billing/meters/{reference}/event_summaries")


def _summary(world: World, meter: JSON, customer: str, start: int, end: int) -> JSON:
    value = float(total(world, meter, customer, start, end))
    shown = build("billing.meter_event_summary", created=0, meter=meter["id"], aggregated_value=value)
    # The same question gets the same name, so that pages follow each other.
    return shown | {"start_time": start, "end_time": end, "id": f"mtrusg_test_{meter['id'][-8:]}{customer[-8:]}{start}"}
