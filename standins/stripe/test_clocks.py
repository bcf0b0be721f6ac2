"""Test clocks: customers that live by a time of their own, which is moved forward by hand."""

from standins.stripe import due
from standins.stripe.errors import ApiError
from standins.stripe.objects import World
from standins.stripe.periods import after
from standins.stripe.shapes import tombstone
from standins.stripe.store import JSON

_DELETED_AFTER_SECONDS = 30 * 24 * 3600
_INTERVALS_AT_ONCE = 2


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/test_helpers/test_clocks."""
    frozen = params["frozen_time"]
    clock = world.create(
        "test_helpers.test_clock",
        deletes_after=world.now + _DELETED_AFTER_SECONDS,
        frozen_time=frozen,
        name=params.get("name"),
        status_details={},
    )
    world.emit("test_helpers.test_clock.created", clock)
    return clock


def advance(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/test_helpers/test_clocks/{id}/advance: all that is due on the way happens, in order.

    The answer says advancing, as Stripe's does; the clock is ready when it is next asked for.
    """
    clock = world.get("test_helpers.test_clock", reference)
    wanted = params["frozen_time"]
    if wanted <= clock["frozen_time"]:
        raise ApiError(400, "The new frozen time must be after the clock's current frozen time.", param="frozen_time")
    _check_distance(world, clock, wanted)
    world.emit("test_helpers.test_clock.advancing", {**clock, "status": "advancing"})
    due.run(world.at(wanted), reference)
    world.change(world.get("test_helpers.test_clock", reference), "test_helpers.test_clock.ready", frozen_time=wanted)
    return {**clock, "status": "advancing"} | {"status_details": {"advancing": {"target_frozen_time": wanted}}}


def _check_distance(world: World, clock: JSON, wanted: int) -> None:
    """At most two intervals of the shortest subscription at once."""
    alive = world.store.newest(
        "subscription", lambda item: item["test_clock"] == clock["id"] and item["status"] != "canceled"
    )
    spans = [item["items"]["data"][0]["price"]["recurring"] for item in alive]
    limits = [
        after(clock["frozen_time"], span["interval"], span["interval_count"], _INTERVALS_AT_ONCE) for span in spans
    ]
    if limits and wanted > min(limits):
        message = "Test clocks can be advanced by at most two intervals of their shortest subscription at once."
        raise ApiError(400, message, param="frozen_time")


def delete(world: World, _: JSON, reference: str) -> JSON:
    """DELETE /v1/test_helpers/test_clocks/{id}, with its customers."""
    clock = world.get("test_helpers.test_clock", reference)
    for customer in world.store.newest("customer", lambda item: item["test_clock"] == reference):
        for subscription in world.store.newest("subscription", customer=customer["id"]):
            world.put(tombstone(subscription))
        world.put(tombstone(customer))
    world.emit("test_helpers.test_clock.deleted", clock)
    return world.put(tombstone(clock))
