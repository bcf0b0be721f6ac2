"""Messages of the card processor's as they may come: late, in any order, twice or never, with forged ones between."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bench.billing_standin import SECRET, signed
from billing import inbox, payments
from billing.payments.base import BadSignature
from standins.stripe.store import JSON

HOUR = timedelta(hours=1)


def deliver(events: Sequence[JSON], n: int, now: datetime) -> None:
    """One in four never comes, and one in four comes twice; behind each comes a forged one."""
    for place, event in enumerate(events, n):
        for _ in range((0, 1, 1, 2)[place % 4]):
            _receive(*signed(event, now), now)
        _forge(event, place, now)


def _forge(event: JSON, n: int, now: datetime) -> None:
    """Signed by somebody else, changed behind the signature, or one of an hour ago sent again."""
    payload, signature = signed(event, now)
    messages = (
        signed(event | {"id": f"evt_forged_{n}"}, now, secret=f"{SECRET}?"),
        (payload.replace(b'"evt_', b'"evt_forged_'), signature),
        signed(event, now - HOUR),
    )
    try:
        _receive(*messages[n % len(messages)], now)
    except BadSignature as refusal:
        inbox.refuse(reason=str(refusal), now=now)
    else:
        raise AssertionError("a forged message was believed")


def _receive(payload: bytes, signature: str, now: datetime) -> None:
    inbox.receive(payload=payload, signature=signature, gateway=payments.gateway(), now=now)
