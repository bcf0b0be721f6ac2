"""The receipt of a lease: what it was, what it cost, and why."""

from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from billing.models import HandBack, Quote, RuleCredit, Usage
from billing.queries import Reading, read, readable
from billing.queries.credits import Credit, credited
from billing.queries.freed import hand_backs
from billing.queries.meters import Part
from billing.queries.promises import rule_credits
from leasing.models import Interruption, Lease
from leasing.states import LeaseState
from marketplace.measures import counted

WHY_NOTHING = {
    LeaseState.HELD: "The order is not confirmed yet. Nothing is charged.",
    LeaseState.SCHEDULED: "The lease has not begun. Nothing is charged before a node is ready.",
    LeaseState.PROVISIONING: "The nodes are being made ready. The meter starts when they pass their health check.",
    LeaseState.EXPIRED: "The hold ran out before the order was confirmed. Nothing is charged.",
    LeaseState.CANCELLED: "The lease was called off before it began. No use is charged.",
    LeaseState.FAILED: "The nodes could not be started. A start that fails costs nothing.",
}
GIVEN_BACK = "The lease was given back before a node was ready. No use is charged."


@dataclass(frozen=True)
class Line:
    """The use of one UTC day."""

    day: date
    seconds: int
    micros: int
    outage_node_seconds: int = 0


@dataclass(frozen=True)
class Receipt:
    """
    What a lease cost up to `at`: `seconds` × `nodes` - `outage_node_seconds`, each of the `parts` at its price, and in
    `hand_backs` what handing back agreed time has cost and brought; `rule_credits` are for promises not kept. Amounts
    are micro-dollars; times are UTC. The credits sum to the outage's node-seconds, and to what they would have cost.
    The `interruptions` are those for which it was paused; what their notice was short is among the `rule_credits`.
    """

    lease: Lease
    state: str
    reason: str
    started_at: datetime | None
    ended_at: datetime | None
    seconds: int
    nodes: int
    micros_per_node_hour: int
    charged_micros: int
    final: bool
    explanation: str
    lines: tuple[Line, ...]
    list_micros_per_node_hour: int
    discount_percent: int
    parts: tuple[Part, ...] = ()
    outage_node_seconds: int = 0
    credits: tuple[Credit, ...] = ()
    hand_backs: tuple[HandBack, ...] = ()
    rule_credits: tuple[RuleCredit, ...] = ()
    interruptions: tuple[Interruption, ...] = ()

    @property
    def total_micros(self) -> int:
        """
        Use, and of agreed time that was handed back what was kept, less what others' use of it has brought; less
        credits for promises not kept.
        """
        kept = sum(row.fee_micros - row.credited_micros for row in self.hand_backs)
        return self.charged_micros + kept - self.promise_micros

    @property
    def promise_micros(self) -> int:
        """Credited for promises not kept."""
        return sum(row.micros for row in self.rule_credits)


def receipt(*, lease: Lease, now: datetime) -> Receipt:
    """
    The receipt of a lease at `now`; final once the lease is over.

    :raises Meter.DoesNotExist: if the lease was not ordered through a checkout
    """
    reading = read(readable().get(lease=lease), at=now)
    row, spans = reading.meter, reading.spans
    quote = Quote.objects.filter(lease=lease).first()
    return Receipt(
        lease=row.lease,
        state=row.lease.state,
        reason=row.lease.reason,
        started_at=spans[0].since if spans else None,
        ended_at=spans[-1].until if spans and reading.over else None,
        seconds=reading.seconds,
        nodes=row.nodes,
        micros_per_node_hour=reading.micros_per_node_hour,
        charged_micros=reading.due_micros,
        final=reading.over,
        explanation=_explanation(reading),
        lines=_lines(reading, now),
        list_micros_per_node_hour=quote.list_micros_per_node_hour if quote else row.micros_per_node_hour,
        discount_percent=_discount(quote, reading),
        parts=tuple(part for part in reading.parts if part.seconds),
        outage_node_seconds=reading.outage_seconds,
        credits=tuple(credited(reading)),
        hand_backs=tuple(hand_backs(row.lease)),
        rule_credits=tuple(rule_credits(row.lease)),
        interruptions=tuple(row.lease.interruptions.filter(paused_at__isnull=False).order_by("paused_at")),
    )


def _discount(quote: Quote | None, reading: Reading) -> int:
    """Of the agreed length; none once it is charged at another price than was quoted."""
    same = quote is not None and quote.micros_per_node_hour == reading.micros_per_node_hour
    return quote.discount_percent if quote and same else 0


def _explanation(reading: Reading) -> str:
    if not reading.spans:
        return WHY_NOTHING.get(LeaseState(reading.meter.lease.state), GIVEN_BACK)
    one = reading.meter.nodes == 1
    what, they = ("1 node", "it was") if one else (f"{reading.meter.nodes} nodes", "they were")
    until = f"until {they} given back, pauses left out" if reading.over else "so far"
    less = f", less {counted(reading.outage_seconds, 'node-second')} of outages" if reading.outage_seconds else ""
    return f"{reading.seconds:,} s of {what}, from when {they} ready {until}{less}."


def _lines(reading: Reading, now: datetime) -> tuple[Line, ...]:
    """Posted usage by day, and behind it what is not posted yet."""
    meter = reading.meter
    posted = Usage.objects.filter(lease=meter.lease).order_by("from_at")
    rows = [Line(row.from_at.date(), row.seconds, row.micros, row.outage_node_seconds) for row in posted]
    begin = meter.metered_until or (reading.spans[0].since if reading.spans else now)
    outage = reading.outage_seconds - meter.outage_node_seconds
    rows.append(Line(begin.date(), reading.seconds - meter.seconds, reading.accrued_micros, outage))
    days = [(day, list(same)) for day, same in groupby(sorted(rows, key=_day), key=_day)]
    lines = [
        Line(
            day,
            sum(row.seconds for row in same),
            sum(row.micros for row in same),
            sum(row.outage_node_seconds for row in same),
        )
        for day, same in days
    ]
    return tuple(line for line in lines if line.seconds or line.outage_node_seconds)


def _day(line: Line) -> date:
    return line.day
