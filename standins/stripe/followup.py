"""What an intent that succeeded was for: a checkout is then complete, an invoice paid."""

from standins.stripe import collecting, paying
from standins.stripe.objects import World
from standins.stripe.store import JSON


def succeeded(world: World, intent: JSON) -> None:
    """Called when an intent succeeded anywhere but in the checkout or the invoice itself."""
    private = world.recall(intent["id"])
    if "session" in private:
        paying.finish(world, world.get("checkout.session", private["session"]))
    if "invoice" in private:
        invoice = world.get("invoice", private["invoice"])
        if invoice["status"] == "open":
            collecting.mark_paid(world, invoice)
