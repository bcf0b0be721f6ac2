"""Money is integers: micro-dollars everywhere, cents once on an invoice line. The one pricing function lives here."""

from collections.abc import Iterable

MICROS = 1_000_000  # micro-dollars in a dollar
MICROS_PER_CENT = 10_000
SECONDS_PER_HOUR = 3600


def price(*, micros_per_node_hour: int, seconds: int, nodes: int = 1) -> int:
    """
    The price in micro-dollars of `nodes` nodes for `seconds` seconds, a fraction of a micro-dollar left off.

    Catalogue, quote, meter and invoice all call this. Bill a running lease as the price to date less what was charged
    so far: then slicing never moves the total.
    """
    if min(seconds, nodes) < 0:
        raise ValueError("A price needs seconds and nodes that are not negative.")
    return price_of([(micros_per_node_hour, seconds * nodes)])


def price_of(parts: Iterable[tuple[int, int]]) -> int:
    """
    The price of stretches at different rates, each (micro-dollars per node-hour, node-seconds): summed first, divided
    once, so that a change of the rate moves nothing by rounding.
    """
    summed = list(parts)
    if any(min(part) < 0 for part in summed):
        raise ValueError("A price needs rates and node-seconds that are not negative.")
    return sum(rate * node_seconds for rate, node_seconds in summed) // SECONDS_PER_HOUR


def discounted(*, micros_per_node_hour: int, percent: int) -> int:
    """A rate less a discount of whole per cent, half a micro-dollar up: the only time that a rate is rounded."""
    return (2 * micros_per_node_hour * (100 - percent) + 100) // 200


def cents_of(micros: int) -> int:
    """Whole cents of an amount in micro-dollars, half a cent away from zero. Called once, on an invoice line."""
    cents = (2 * abs(micros) + MICROS_PER_CENT) // (2 * MICROS_PER_CENT)
    return cents if micros >= 0 else -cents


def format_micros(micros: int, *, places: int = 2) -> str:
    """
    Dollars for people, rounded half away from zero to `places` decimals (at most six).

    >>> format_micros(2_490_000), format_micros(-1_500), format_micros(1_500, places=4)
    ('$2.49', '-$0.00', '$0.0015')
    """
    unit = 10 ** (6 - places)
    whole = (2 * abs(micros) + unit) // (2 * unit)
    dollars, rest = divmod(whole, 10**places)
    sign = "-" if micros < 0 else ""
    return f"{sign}${dollars:,}.{rest:0{places}d}" if places else f"{sign}${dollars:,}"


def format_cents(cents: int) -> str:
    """
    Whole cents for people.

    >>> format_cents(249), format_cents(-5)
    ('$2.49', '-$0.05')
    """
    return format_micros(cents * MICROS_PER_CENT)


def dollars(micros: int) -> str:
    """
    Exact dollars for programs: no sign but a minus, no comma, six decimals.

    >>> dollars(2_490_000), dollars(-60_000)
    ('2.490000', '-0.060000')
    """
    whole, rest = divmod(abs(micros), MICROS)
    return f"{'-' if micros < 0 else ''}{whole}.{rest:06}"
