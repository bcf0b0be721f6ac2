"""Energy and carbon for people."""

from django import template

register = template.Library()
NBSP = "\u00a0"


@register.filter
def kwh(watt_hours: int) -> str:
    """Watt-hours as kilowatt-hours: 10200 -> "10.20 kWh"."""
    return f"{watt_hours / 1000:,.2f}{NBSP}kWh"


@register.filter
def grams(micrograms: int) -> str:
    """Micrograms as grams, in kilograms from a thousand on: 3876000000 -> "3.88 kg"."""
    amount = micrograms / 1_000_000
    return f"{amount / 1000:,.2f}{NBSP}kg" if amount >= 1000 else f"{amount:,.1f}{NBSP}g"


@register.filter
def mw(watts: int | None) -> str:
    """Watts as megawatts: 13800 -> "0.014 MW", 25000000 -> "25.0 MW"; a dash where it is not known."""
    if watts is None:
        return "–"
    return f"{watts / 1e6:,.1f}{NBSP}MW" if abs(watts) >= 10_000_000 else f"{watts / 1e6:,.3f}{NBSP}MW"


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
def of(table: dict[str, int], key: str) -> int:
    """What a table says of a key, 0 if nothing."""
    return table.get(key, 0)
