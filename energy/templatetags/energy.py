"""Energy and carbon for people."""

from django import template

from energy.models import FeedKind
from energy.queries.standing import STORED
from marketplace.money import MICROS, format_micros

MEGAWATT = 1_000_000
register = template.Library()
NBSP = "\u00a0"


@register.filter
def mw(watts: int | None) -> str:
    """Watts as megawatts: 13800 -> "0.014 MW", 25000000 -> "25.0 MW"; a dash where it is not known."""
    if watts is None:
        return "–"
    return f"{watts / 1e6:,.1f}{NBSP}MW" if abs(watts) >= 10_000_000 else f"{watts / 1e6:,.3f}{NBSP}MW"


@register.filter
def mwh(watt_hours: int) -> str:
    """Watt-hours as megawatt-hours: 15500000 -> "15.500 MWh"."""
    return f"{watt_hours / 1e6:,.3f}{NBSP}MWh"


@register.filter
def battery_mw(watts: int | None) -> str:
    """A battery's watts, with the way they go: -2000000 -> "takes 2.000 MW"."""
    if watts is None:
        return "not known"
    return f"{'gives' if watts > 0 else 'takes'}{NBSP}{mw(abs(watts))}" if watts else "rests"


@register.filter
def megawatts(amount: float) -> str:
    """MW of a plan."""
    return mw(round(amount * 1e6))


@register.filter
def usd_per_mwh(amount: float | None) -> str:
    """A price of energy: 41.5 -> "$41.50/MWh"; a dash where it is not known."""
    return "not known" if amount is None else f"{'-' if amount < 0 else ''}${abs(amount):,.2f}/MWh"


@register.filter
def usd_per_ph_day(amount: float | None) -> str:
    """A hash price: 39.53 -> "$39.53/PH/day"; a dash where it is not known."""
    return "not known" if amount is None else f"${amount:,.2f}/PH/day"


@register.filter
def grams_per_kwh(amount: float) -> str:
    """Carbon of energy: 380.0 -> "380 g/kWh"."""
    return f"{amount:,.0f}{NBSP}g/kWh"


@register.filter
def told(value: int | None, kind: str) -> str:
    """What a feed tells, in the unit that people use: 42000000 of a price -> "$42.00/MWh"; of what kind nobody wrote
    down, as it is."""
    if value is None or not kind:
        return "–" if value is None else f"{value:,}"
    if kind == FeedKind.PRICE:
        return usd_per_mwh(value / MICROS)
    if kind == FeedKind.HASH_PRICE:
        return f"{format_micros(value)}/PH/day"
    if kind == FeedKind.CARBON:
        return f"{value / 1000:,.1f}{NBSP}g/kWh"
    if kind in {FeedKind.RENEWABLE, FeedKind.CHARGE}:
        return f"{value / 10:.1f}{NBSP}%"
    if kind == STORED:
        return f"{value / MEGAWATT:,.3f}{NBSP}MWh"
    return f"{value:,}{NBSP}W" if abs(value) < MEGAWATT else mw(value)


@register.filter
def of(table: dict[str, int], key: str) -> int:
    """What a table says of a key, 0 if nothing."""
    return table.get(key, 0)
