"""Billing meters: what is counted, by the name of its events."""

from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.store import JSON


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/billing/meters; two active meters never share the name of their events."""
    if active(world, params["event_name"]):
        message = f"An active meter already exists with event_name {params['event_name']}."
        raise ApiError(400, message, param="event_name")
    mapping = {"event_payload_key": "stripe_customer_id", "type": "by_id"}
    return world.create(
        "billing.meter",
        "billing.meter.created",
        customer_mapping=params.get("customer_mapping", mapping),
        default_aggregation=params["default_aggregation"],
        display_name=params["display_name"],
        event_name=params["event_name"],
        event_time_window=params.get("event_time_window"),
        status_transitions={"deactivated_at": None},
        updated=world.now,
        value_settings=params.get("value_settings", {"event_payload_key": "value"}),
    )


def active(world: World, event_name: str) -> JSON | None:
    """The meter that counts events of this name."""
    return next((meter for meter in named(world, event_name) if meter["status"] == "active"), None)


def named(world: World, event_name: str) -> list[JSON]:
    """All meters with events of this name, the newest first; at most one is active."""
    return world.store.newest("billing.meter", lambda item: item["event_name"] == event_name)


def update(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/billing/meters/{id}: nothing but the name it is shown by."""
    meter = world.get("billing.meter", reference)
    name = params.get("display_name", meter["display_name"])
    return world.change(meter, "billing.meter.updated", display_name=name, updated=world.now)


def deactivate(world: World, _: JSON, reference: str) -> JSON:
    """POST /v1/billing/meters/{id}/deactivate."""
    meter = world.get("billing.meter", reference)
    since = {"deactivated_at": world.now}
    return world.change(
        meter, "billing.meter.deactivated", status="inactive", status_transitions=since, updated=world.now
    )


def reactivate(world: World, _: JSON, reference: str) -> JSON:
    """POST /v1/billing/meters/{id}/reactivate."""
    meter = world.get("billing.meter", reference)
    if meter["status"] == "active":
        return meter
    if active(world, meter["event_name"]):
        message = f"An active meter already exists with event_name {meter['event_name']}."
        raise ApiError(400, message, param="event_name")
    never = {"deactivated_at": None}
    return world.change(
        meter, "billing.meter.reactivated", status="active", status_transitions=never, updated=world.now
    )
