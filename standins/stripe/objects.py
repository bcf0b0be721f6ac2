"""The world a request acts on: what there is, what time it is, and the one place from which events come."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from standins.stripe.errors import no_such
from standins.stripe.moments import moment_of
from standins.stripe.shapes import ACCOUNT, build
from standins.stripe.store import JSON, Store


@dataclass(frozen=True)
class World:
    """What a handler acts on, inside one transaction: the store, the time (seconds since 1970), where this server
    is reached, which request is served, and what to call with an event that has to be delivered."""

    store: Store
    now: int
    base_url: str
    api_version: str
    announce: Callable[[JSON], None]
    request_id: str | None = None
    idempotency_key: str | None = None
    silent: bool = False

    def of(self, customer: str | None) -> "World":
        """The same world at the time this customer lives by: that of its test clock, if it has one."""
        clock = self.clock_of(customer)
        return self.at(self.get("test_helpers.test_clock", clock)["frozen_time"]) if clock else self

    def at(self, now: int) -> "World":
        """The same world at this time."""
        return replace(self, now=now)

    def clock_of(self, customer: str | None) -> str | None:
        """The test clock that the customer is attached to."""
        owner = self.store.find(customer, "customer") if customer else None
        return owner.get("test_clock") if owner else None

    def create(self, kind: str, *events: str, **members: Any) -> JSON:
        """Build and store a new object, and emit what it made happen."""
        return self.put(build(kind, created=self.now, **members), *events)

    def change(self, item: JSON, *events: str, **members: Any) -> JSON:
        """Give the object new members, store it and emit what happened to it."""
        before = {name: item.get(name) for name, value in members.items() if item.get(name) != value}
        item |= members
        self.put(item)
        for event in events:
            self.emit(event, item, before)
        return item

    def put(self, item: JSON, *events: str) -> JSON:
        """Store the object as it is, with the moment at which time will do something to it."""
        self.store.put(item)
        self.schedule(item, item.get("customer"))
        for event in events:
            self.emit(event, item)
        return item

    def schedule(self, item: JSON, customer: str | None) -> None:
        """Note the moment at which time will do something to the object, on the clock of this customer."""
        due_at = moment_of(item)
        self.store.schedule(item["id"], due_at, self.clock_of(customer) if due_at is not None else None)

    def get(self, kind: str, reference: str, param: str = "id") -> JSON:
        """The object. Raises ApiError 404 that names `param`."""
        item = self.store.find(reference, kind)
        if item is None or item.get("deleted"):
            raise no_such(kind, reference, param)
        return item

    def remember(self, reference: str, **members: Any) -> None:
        """Keep what the stand-in must know about an object and does not show."""
        self.store.put({"id": f"private_{reference}", "object": "private", **self.recall(reference), **members})

    def recall(self, reference: str) -> JSON:
        """What was remembered about the object."""
        return self.store.find(f"private_{reference}", "private") or {}

    def emit(self, type: str, item: JSON, before: JSON | None = None) -> None:
        """Record the event that something happened to the object, as it is now, and have it delivered."""
        if self.silent:
            return
        data = {"object": item}
        if before and type.endswith(".updated"):
            data["previous_attributes"] = before
        event = build(
            "event",
            created=self.now,
            type=type,
            account=ACCOUNT,
            api_version=self.api_version,
            data=data,
            pending_webhooks=0,
            request={"id": self.request_id, "idempotency_key": self.idempotency_key},
        )
        self.tell(event)

    def tell(self, event: JSON) -> None:
        """Record an event, and have it delivered."""
        if not self.silent:
            self.announce(self.store.put(event))
