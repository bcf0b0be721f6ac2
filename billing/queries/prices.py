"""Which price of a lease holds when, and what an agreed window costs. The meter, extensions and moves read it here."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.models import Meter
from marketplace.money import price_of
from marketplace.queries import Window


@dataclass(frozen=True)
class Price:
    """Micro-dollars per node-hour, from a moment until the next price of the lease."""

    since: datetime
    micros_per_node_hour: int


def prices_of(meter: Meter, *, agreed_by: datetime | None = None) -> list[Price]:
    """
    A meter's prices in order of time; the first is that of its order, or what a move has put in its place. With
    `agreed_by`, as they were agreed then.
    """
    prices = [Price(meter.lease.starts_at, meter.micros_per_node_hour)]
    for row in sorted(meter.prices.all(), key=lambda row: row.pk):
        if agreed_by is None or row.agreed_at <= agreed_by:
            prices = with_price(prices, Price(row.from_at, row.micros_per_node_hour))
    return prices


def with_price(prices: Sequence[Price], later: Price) -> list[Price]:
    """Prices once another one was agreed: it holds from its moment on. One that is as before changes nothing."""
    kept = [price for price in prices if price.since < later.since]
    same = bool(kept) and kept[-1].micros_per_node_hour == later.micros_per_node_hour
    return kept if same else [*kept, later]


def price_at(prices: Sequence[Price], moment: datetime) -> int:
    """Micro-dollars per node-hour at a moment; before all prices the first."""
    place = bisect_right(prices, moment, key=lambda price: price.since)
    return prices[max(0, place - 1)].micros_per_node_hour


def price_of_window(prices: Sequence[Price], *, window: Window, nodes: int) -> int:
    """Micro-dollars for all of a window on `nodes` nodes. What an extension adds is the longer window's less this."""
    return price_of_windows(prices, windows=[window], nodes=nodes)


def price_of_windows(prices: Sequence[Price], *, windows: Sequence[Window], nodes: int) -> int:
    """Micro-dollars for windows together; seconds at each price are rounded down once, on their sum."""
    borders = [price.since for price in prices[1:]]
    return price_of(
        (price.micros_per_node_hour, _seconds_within(windows, begin, end) * nodes)
        for price, begin, end in zip(prices, [None, *borders], [*borders, None], strict=True)
    )


def _seconds_within(windows: Sequence[Window], begin: datetime | None, end: datetime | None) -> int:
    """Whole seconds of the windows from `begin` to `end`; None is no border."""
    lengths = (
        min(window.ends_at, end or window.ends_at) - max(window.starts_at, begin or window.starts_at)
        for window in windows
    )
    return sum((max(length, timedelta()) for length in lengths), timedelta()) // timedelta(seconds=1)
