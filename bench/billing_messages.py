"""
Messages of the card processor's as they may come: late, in any order, twice or never, signed at another time than they
come at, and with forged ones between.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bench.billing_standin import SECRET, signed
from billing import inbox, payments
from billing.payments.base import BadSignature
from standins.stripe.store import JSON

HOUR = timedelta(hours=1)
Numbered = tuple[int, JSON]  # an event, and how many that matter the processor made before it
ONCE, TWICE, NEVER, EARLY, AHEAD = "once", "twice", "dropped", "signed an hour early", "signed an hour ahead"
FATES = (ONCE, TWICE, NEVER, ONCE, EARLY, AHEAD)
SIGNED = {EARLY: -HOUR, AHEAD: HOUR}


@dataclass
class Post:
    """What becomes of one life's messages. An event's fate is its own for that whole life, however often it is told."""

    turn: int | None = None  # which fate is the first event's
    newest: int = -1
    came: Counter[str] = field(default_factory=Counter)  # how often each event was believed
    missed: dict[str, str] = field(default_factory=dict)  # why an event that matters was not heard of
    odd: Counter[str] = field(default_factory=Counter)  # how many that matter were believed, and came out of turn

    def deliver(self, events: Iterable[Numbered], n: int, now: datetime) -> None:
        """Each by its fate; behind each comes a forged one."""
        self.turn = n if self.turn is None else self.turn
        for number, event in events:
            fate = FATES[(number + self.turn) % len(FATES)]
            if fate in (ONCE, TWICE):
                self._believe(number, event, now, times=1 + (fate == TWICE))
            elif matters(event):
                self.missed[event["id"]] = fate
            if fate in SIGNED:
                _refuse(signed(event, now + SIGNED[fate]), now)
            _refuse(_forged(event, number + n, now), now)

    def seen(self) -> set[str]:
        """How messages that matter came, or did not come until now."""
        return {why for event, why in self.missed.items() if event not in self.came} | set(self.odd)

    def tell(self, events: Sequence[JSON], now: datetime) -> None:
        """What was not heard of is told of at last."""
        for event in events:
            if event["id"] not in self.came:
                _receive(*signed(event, now), now)

    def _believe(self, number: int, event: JSON, now: datetime, *, times: int) -> None:
        for _ in range(times):
            _receive(*signed(event, now), now)
        first = event["id"] not in self.came
        self.came[event["id"]] += times
        if not matters(event):
            return
        self.odd["doubled"] += self.came[event["id"]] > 1
        self.odd["reordered"] += first and number < self.newest
        self.odd["late"] += first and now - datetime.fromtimestamp(event["created"], UTC) > HOUR
        self.odd = +self.odd
        self.newest = max(number, self.newest)


def matters(event: JSON) -> bool:
    """Whether it is of a kind that the product acts on: what becomes of others proves nothing."""
    return payments.gateway().read_event(event).kind in inbox.RULES


def numbered(events: Iterable[JSON]) -> Iterator[Numbered]:
    """In the order in which they were made. Fates go round among those that matter; the others share theirs."""
    before = 0
    for event in events:
        yield before, event
        before += matters(event)


def _forged(event: JSON, n: int, now: datetime) -> tuple[bytes, str]:
    """Signed by somebody else, changed behind the signature, or one of an hour ago sent again."""
    payload, signature = signed(event, now)
    messages = (
        signed(event | {"id": f"evt_forged_{n}"}, now, secret=f"{SECRET}?"),
        (payload.replace(b'"evt_', b'"evt_forged_'), signature),
        signed(event, now - HOUR),
    )
    return messages[n % len(messages)]


def _refuse(message: tuple[bytes, str], now: datetime) -> None:
    try:
        _receive(*message, now)
    except BadSignature as refusal:
        inbox.refuse(reason=str(refusal), now=now)
    else:
        raise AssertionError("a message was believed that is not of the processor's, or not of now")


def _receive(payload: bytes, signature: str, now: datetime) -> None:
    inbox.receive(payload=payload, signature=signature, gateway=payments.gateway(), now=now)
