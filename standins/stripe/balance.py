"""Every movement of money, with its fee: what the account's balance is made of. Amounts are cents."""

from standins.stripe.objects import World
from standins.stripe.shapes import FIXTURES
from standins.stripe.store import JSON

# 2.9 % + 30 cents, rounded half up; 15 dollars for each dispute, kept even when it is won.
_PER_MILLE, _FIXED_CENTS = 29, 30
DISPUTE_FEE_CENTS = 1500
_AVAILABLE_AFTER_SECONDS = 2 * 24 * 3600
_CATEGORIES = {
    "adjustment": "dispute",
    "payment": "charge",
    "refund_failure": "refund_failure",
}


def fee_of(amount: int) -> int:
    """What a charge of so many cents costs."""
    return (amount * _PER_MILLE + 500) // 1000 + _FIXED_CENTS


def record(world: World, type: str, source: JSON, amount: int, *, fee: int = 0, category: str | None = None) -> str:
    """Enter a movement; its id. A charge's money is available after two days, all else at once."""
    details = {"amount": fee, "application": None, "currency": source["currency"], "type": "stripe_fee"}
    waits = type == "charge"
    movement = world.create(
        "balance_transaction",
        amount=amount,
        available_on=world.now + (_AVAILABLE_AFTER_SECONDS if waits else 0),
        currency=source["currency"],
        description=source.get("description"),
        fee=fee,
        fee_details=[{**details, "description": "Stripe processing fees" if waits else "Dispute fee"}] if fee else [],
        net=amount - fee,
        reporting_category=category or _CATEGORIES.get(type, type),
        source=source["id"],
        status="pending" if waits else "available",
        type=type,
    )
    # The clock of the money is that of the customer who paid it.
    world.schedule(movement, source.get("customer"))
    return str(movement["id"])


def become_available(world: World, movement: JSON) -> None:
    """Two days later."""
    world.change(movement, status="available")


def retrieve(world: World, _: JSON, __: str) -> JSON:
    """GET /v1/balance."""
    net = {"available": 0, "pending": 0}
    for movement in world.store.newest("balance_transaction"):
        net[movement["status"]] += movement["net"]
    shown = {
        name: [{"amount": amount, "currency": "usd", "source_types": {"card": amount}}] for name, amount in net.items()
    }
    return {**FIXTURES["balance"], **shown}
