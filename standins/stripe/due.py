"""What time does to objects, in the order of the moments at which it does it (they are in moments.py)."""

from collections.abc import Callable

from standins.stripe import balance, checkout, disputes, invoice_steps, subscriptions, tax_ids
from standins.stripe.objects import World
from standins.stripe.store import JSON

_DO: dict[str, Callable[[World, JSON], object]] = {
    "balance_transaction": balance.become_available,
    "checkout.session": checkout.expire_now,
    "dispute": lambda world, item: disputes.end(world, item, "lost"),
    "invoice": invoice_steps.advance,
    "subscription": subscriptions.turn,
    "tax_id": tax_ids.answer,
}


def run(world: World, clock: str | None = None) -> None:
    """Do everything that is due up to the world's time, on the server's clock or a test clock."""
    while found := world.store.next_due(world.now, clock):
        at, item = found
        if clock:
            # Whoever lives by the clock sees the moment itself, not the one that the clock is on its way to.
            world.change(world.get("test_helpers.test_clock", clock), frozen_time=at)
        _DO[item["object"]](world.at(at), item)
        left = world.store.next_due(at, clock)
        if left and left[1]["id"] == item["id"] and left[0] == at:
            raise RuntimeError(f"{item['id']} is due at {at} for ever")
