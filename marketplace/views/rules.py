"""The terms of a plan in words, each rule with its units: what one agrees to is read before it is bought."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from marketplace.measures import counted
from marketplace.models import PlanKind, Terms
from marketplace.queries import MOST_NODES
from marketplace.templatetags.places import NBSP, length

Rules = list[tuple[str, str]]
DAY = 86_400
# Only a lease without an end can run out of money.
SHORT = {
    PlanKind.SURPLUS: "paused first, when less than an hour of it is left; not an interruption, and not credited",
    PlanKind.ON_DEMAND: "paused when nothing is left; surplus leases stop before",
}


def rules(terms: Terms) -> Rules:
    """Every rule that matters to a customer, by its name."""
    return [*_booking(terms), *_obligations(terms), *_costs(terms)]


def changes(before: Terms, after: Terms) -> list[tuple[str, str, str]]:
    """The rules that differ: name, words until the change, words from then on; a dash where there is no such rule."""
    old, new = dict(rules(before)), dict(rules(after))
    names = [*old, *(name for name in new if name not in old)]
    return [(name, old.get(name, "–"), new.get(name, "–")) for name in names if old.get(name) != new.get(name)]


def _booking(terms: Terms) -> Iterator[tuple[str, str]]:
    steps = "".join(f", from {length(start)} on in steps of {length(step)}" for start, step in terms.length_steps)
    yield "Length", f"{length(terms.min_seconds)} to {length(terms.max_seconds)}{steps}"
    if terms.plan.open_ended:
        yield "Starts", "at once"
    else:
        yield "Starts and ends", _multiples(terms)
        least = f"at least {length(terms.lead_seconds)}, " if terms.lead_seconds else ""
        yield "Ordered ahead", f"{least}at most {length(terms.max_ahead_seconds)}"
    yield "Nodes in one order", f"1 to {min(MOST_NODES, terms.most_nodes)}"
    new = f", {terms.nodes_at_once_new} of a new one" if terms.nodes_at_once_new < terms.nodes_at_once else ""
    yield "Nodes at once", f"{terms.nodes_at_once} of one organization{new}"
    if terms.hold_seconds:
        kept = length(terms.hold_seconds)
        yield (
            "While you decide",
            f"a price can keep its nodes for {kept}; if you let that pass, others go first for as long",
        )
    if terms.approval_required:
        yield "Approval", f"by the operator, within {length(terms.approval_seconds)}; else the order ends and is free"


def _multiples(terms: Terms) -> str:
    """When a lease may start or end."""
    first = f"{timedelta(seconds=terms.offset_seconds % DAY)}"[:-3].zfill(5)
    if terms.granularity_seconds == DAY:
        words = f"every day at {first}{NBSP}UTC"
    else:
        words = f"on multiples of {length(terms.granularity_seconds)}, "
        words += f"counted from {first}{NBSP}UTC" if terms.offset_seconds else "UTC"
    return f"{words}; a start also at once" if terms.may_start_now else words


def _obligations(terms: Terms) -> Iterator[tuple[str, str]]:
    yield "Ready within", f"{length(terms.start_deadline_seconds)}, else another node is tried once, then refunded"
    if terms.plan.open_ended:
        yield "Guaranteed", f"{length(terms.guarantee_seconds)} ahead, renewed while nobody booked behind you"
    else:
        yield "Extended", _extensions(terms)
    yield from pauses(terms) or [("Pauses", "never by the operator"), *_short(terms)]


def _extensions(terms: Terms) -> str:
    until = f"{length(terms.extend_until_seconds)} before the end" if terms.extend_until_seconds else "the end"
    since = "" if terms.extend_from_seconds is None else f"from {length(terms.extend_from_seconds)} before the end, "
    return f"{since}until {until}, as far as nobody booked behind you"


def pauses(terms: Terms) -> Rules:
    """What the operator may take of a lease for want of power, and what it gives for that; nothing where it never does.

    An order says this again, so that nobody buys it unawares."""
    if not terms.notice_seconds:
        return []
    more = f", {length(terms.more_notice_seconds)} later if you ask" if terms.more_notice_seconds else ""
    times = counted(terms.interruptions_per_30_days, "interruption")
    most = f"at most {times} and {length(terms.interruption_seconds_per_30_days)} in 30{NBSP}days"
    return [
        ("Pauses", f"{length(terms.notice_seconds)} after a notice{more}; {most}"),
        ("While paused", "free; node, data, address and keys are kept, and it goes on by itself"),
        ("Notice that was short", "credited by rule, also what is left of it when you are ready early"),
        *_short(terms),
    ]


def _short(terms: Terms) -> Rules:
    words = SHORT.get(PlanKind(terms.plan.kind))
    return [("When money runs short", words)] if words else []


def _costs(terms: Terms) -> Iterator[tuple[str, str]]:
    yield "Start fee", "none"
    if terms.plan.open_ended:
        yield "Given back", "at any time; what is not used is not paid"
        return
    off = [f"{percent}{NBSP}% from {length(start)} on" for start, percent in terms.discounts if percent]
    kept = "; shortened before its start, a lease has that of its new length" if off else ""
    yield "Discount", (", ".join(off) or "none") + kept
    yield "Cancelling", _cancelled(terms.cancel_refunds)
    resold = f", and {terms.resale_percent}{NBSP}% of what somebody else then uses" if terms.resale_percent else ""
    yield "Handing back", f"{_share(terms.return_refund_percent)} of the price of the rest back{resold}"


def _cancelled(refunds: Sequence[Sequence[int]]) -> str:
    """How much of the price comes back, the most first."""
    if not refunds:
        return "until the start, all of the price back"
    parts = [
        _share(percent) + (f" until {length(start)} before" if start else " from then until it has begun")
        for start, percent in reversed(refunds)
    ]
    return f"Of the price back: {', '.join(parts)}" if len(parts) > 1 else f"{_share(refunds[0][1])} of the price back"


def _share(percent: int) -> str:
    return {0: "nothing", 100: "all"}.get(percent, f"{percent}{NBSP}%")
