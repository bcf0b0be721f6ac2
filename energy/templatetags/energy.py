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
