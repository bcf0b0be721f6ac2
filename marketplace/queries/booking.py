"""May this be booked, and why not? The one reader of the booking rules; search, pages and quotes ask it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from marketplace.measures import counted
from marketplace.models import Terms
from marketplace.queries.windows import Window, aligned

MOST_NODES = 256  # in one lease, on whatever terms
NODES_WORDS: dict[str, Any] = {"min_value": "At least 1 node.", "max_value": f"At most {MOST_NODES} nodes."}
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Refusal:
    """Why something may not be booked. `field` names the input at fault, `message` the limit and the way out."""

    field: str
    message: str


def why_not(terms: Terms, *, window: Window | None, now: datetime, nodes: int = 1) -> Refusal | None:
    """The first rule that forbids `nodes` nodes for `window` (None: open-ended, from now on); None where none does."""
    return next(_objections(terms, window, nodes, now), None)


def why_not_until(terms: Terms, *, window: Window) -> Refusal | None:
    """The first rule that forbids a lease that is agreed already to end at the window's end; None where none does."""
    return next(_end(terms, window), None)


def soonest(terms: Terms, now: datetime) -> datetime:
    """The earliest start of an order that is placed now."""
    return now + timedelta(seconds=terms.lead_seconds)


def first_start(terms: Terms, wanted: datetime, now: datetime) -> datetime:
    """The first start that the terms allow from `wanted` on: at once, where they allow that and nothing later is."""
    earliest = soonest(terms, now)
    if _at_once(terms) and wanted <= earliest:
        return earliest
    return aligned(terms, max(wanted, earliest + SECOND))  # a reservation starts after now


def first_end(terms: Terms, starts_at: datetime, wanted: datetime) -> datetime:
    """The first end that the terms allow from `wanted` on, for a lease that starts at `starts_at`."""
    ends_at = aligned(terms, wanted)
    seconds = _counted(terms, Window(starts_at, ends_at))
    return ends_at + timedelta(seconds=-seconds % terms.length_step(seconds))


def bookable(terms: Terms, free: Window, now: datetime) -> Window | None:
    """The longest booking within a free period; None where the terms allow none."""
    starts_at = first_start(terms, free.starts_at, now)
    found = Window(starts_at, last_end(terms, starts_at, free.ends_at))
    return None if why_not(terms, window=found, now=now) else found


def bookable_windows(terms: Terms, free: Iterable[Window], now: datetime) -> Iterator[Window]:
    """
    Of free windows, in order, the longest bookings: each can be quoted as it stands, one that begins with the order
    without its start. A plan without periods has nothing to cut. What lies in another one is left out.
    """
    if terms.plan.open_ended:
        yield from free
        return
    last = None
    for cut in filter(None, (bookable(terms, window, now) for window in free)):
        if last and cut.starts_at > last.starts_at and cut.ends_at > last.ends_at:
            yield last
            last = cut
        elif last is None or cut.ends_at > last.ends_at:
            last = cut
    if last:
        yield last


def guaranteed_until(terms: Terms, free: Iterable[Window], now: datetime) -> datetime | None:
    """How far ahead a lease without an end would be guaranteed that begins now; None for others, or if none can."""
    until = now + timedelta(seconds=terms.guarantee_seconds)
    from_now_on = (window for window in free if terms.plan.open_ended and window.starts_at <= now)
    return next((min(window.ends_at, until) for window in from_now_on), None)


def last_end(terms: Terms, starts_at: datetime, wanted: datetime) -> datetime:
    """The last end that the terms allow up to `wanted`, for a lease that starts at `starts_at`."""
    ends_at = _last_multiple(terms, min(wanted, starts_at + timedelta(seconds=terms.max_seconds)))
    seconds = _counted(terms, Window(starts_at, ends_at))
    return ends_at - timedelta(seconds=seconds % terms.length_step(seconds))


def lengths(terms: Terms) -> str:
    """How long a lease on them lasts, for people: "Reserved lasts 1 hour to 60 days"."""
    return f"{terms.plan.name} lasts {_words(terms.min_seconds)} to {_words(terms.max_seconds)}"


def duration(length: timedelta) -> str:
    """A length for people, in its largest whole unit: "30 days", "15 minutes"."""
    seconds = length // SECOND
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds % size == 0:
            return counted(seconds // size, unit)
    raise AssertionError("unreachable")


def _objections(terms: Terms, window: Window | None, nodes: int, now: datetime) -> Iterator[Refusal]:
    most = min(MOST_NODES, terms.most_nodes)
    if not 1 <= nodes <= most:
        yield Refusal("nodes", f"Order 1 to {most} nodes at a time, not {nodes}.")
    if window:
        yield from _start(terms, window.starts_at, now)
        yield from _end(terms, window)


def _end(terms: Terms, window: Window) -> Iterator[Refusal]:
    yield from _off_the_multiples(terms, "ends_at", window.ends_at, after=window.starts_at)
    yield from _length(terms, window)


def _start(terms: Terms, starts_at: datetime, now: datetime) -> Iterator[Refusal]:
    earliest, ahead = soonest(terms, now), timedelta(seconds=terms.max_ahead_seconds)
    if not (_at_once(terms) and starts_at == earliest):
        yield from _off_the_multiples(terms, "starts_at", starts_at, after=earliest)
        if starts_at <= earliest:
            after = f"after {_moment(earliest)}, {_words(terms.lead_seconds)} ahead" if terms.lead_seconds else ""
            or_now = ", or leave it out to start at once" if terms.may_start_now else ""
            yield Refusal("starts_at", f"Choose a start {after or f'after now ({_moment(now)})'}{or_now}.")
    if starts_at > now + ahead:
        yield Refusal("starts_at", f"Choose a start before {_moment(now + ahead)}, {duration(ahead)} ahead.")


def _off_the_multiples(terms: Terms, field: str, moment: datetime, *, after: datetime) -> Iterator[Refusal]:
    """Names the multiples beside the moment, of those that come after what it must come after."""
    later = aligned(terms, moment)
    if later != moment:
        beside = (later - timedelta(seconds=terms.granularity_seconds), later)
        near = [one for one in beside if one > after] or [aligned(terms, after + timedelta(seconds=1))]
        what = f"{terms.plan.name} starts and ends on multiples of {_words(terms.granularity_seconds)}"
        yield Refusal(field, f"{what}: choose {' or '.join(map(_moment, near))}.")


def _length(terms: Terms, window: Window) -> Iterator[Refusal]:
    shortest, longest = timedelta(seconds=terms.min_seconds), timedelta(seconds=terms.max_seconds)
    if not shortest <= window.length <= longest:
        first = first_end(terms, window.starts_at, window.starts_at + shortest)
        last = _last_multiple(terms, window.starts_at + longest)
        yield Refusal("ends_at", f"{lengths(terms)}: choose an end from {_moment(first)} to {_moment(last)}.")
    seconds = _counted(terms, window)
    step = terms.length_step(seconds)
    if seconds % step:
        earlier = window.ends_at - timedelta(seconds=seconds % step)
        either = f"{_moment(earlier)} or {_moment(earlier + timedelta(seconds=step))}"
        yield Refusal("ends_at", f"A lease of this length lasts a multiple of {_words(step)}: choose {either}.")


def _at_once(terms: Terms) -> bool:
    return terms.may_start_now or terms.plan.open_ended


def _counted(terms: Terms, window: Window) -> int:
    """The seconds whose number the steps of length rule: a start at once has the time to the first multiple on top."""
    return max(window.ends_at - aligned(terms, window.starts_at), timedelta()) // SECOND


def _last_multiple(terms: Terms, moment: datetime) -> datetime:
    later = aligned(terms, moment)
    return later if later == moment else later - timedelta(seconds=terms.granularity_seconds)


def _words(seconds: int) -> str:
    return duration(timedelta(seconds=seconds))


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
