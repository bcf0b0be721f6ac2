"""How places and machines are written on pages. Formatting only."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django import template

from marketplace.measures import format_carbon, format_energy, format_offset, nodes_of
from marketplace.models import NodeType
from marketplace.queries import duration

register = template.Library()

NBSP = "\N{NO-BREAK SPACE}"
COUNTRIES = {
    "AE": "United Arab Emirates",
    "AR": "Argentina",
    "BH": "Bahrain",
    "BR": "Brazil",
    "CA": "Canada",
    "CL": "Chile",
    "ET": "Ethiopia",
    "KE": "Kenya",
    "OM": "Oman",
    "PY": "Paraguay",
    "SA": "Saudi Arabia",
    "TZ": "Tanzania",
    "UG": "Uganda",
    "US": "United States",
    "UY": "Uruguay",
}


@register.filter
def zone_name(zone: object) -> str:
    """A time zone in words, as forms offer it: "America/New York"."""
    return str(zone).replace("_", " ")


@register.filter
def country(code: str) -> str:
    """The name of a country in which there are sites; its code for any other."""
    return COUNTRIES.get(code, code)


@register.filter
def machine(node_type: NodeType) -> str:
    """What makes the node worth leasing: "8 × H100 SXM"."""
    gpu = node_type.gpu_model
    return _whole(f"{node_type.gpu_count} × {gpu.name}") if gpu else node_type.name


@register.filter
def gigabytes(amount: int) -> str:
    """Gigabytes, in terabytes from ten thousand on: 30720 -> "30.7 TB"."""
    return f"{amount / 1000:,.1f}{NBSP}TB" if amount >= 10_000 else f"{amount:,}{NBSP}GB"


@register.filter
def per_second(gigabytes: int) -> str:
    """Memory bandwidth in GB/s: 3350 -> "3.35 TB/s"."""
    if gigabytes < 1000:
        return f"{gigabytes}{NBSP}GB/s"
    return f"{gigabytes / 1000:.2f}".rstrip("0").rstrip(".") + f"{NBSP}TB/s"


@register.filter
def kilowatts(watts: int) -> str:
    """Watts, in kilowatts from a thousand on, with a true minus: 10200 -> "10.2 kW", -200000 -> "−200.0 kW"."""
    amount, sign = abs(watts), "\N{MINUS SIGN}" if watts < 0 else ""
    return f"{sign}{amount / 1000:,.1f}{NBSP}kW" if amount >= 1000 else f"{sign}{amount}{NBSP}W"


@register.filter
def time_at(moment: datetime, zone: str) -> str:
    """A moment on the clocks of a place: "Sun 09:31, UTC−05:00"."""
    there = moment.astimezone(ZoneInfo(zone))
    return f"{there:%a %H:%M}, {format_offset(there.isoformat()[-6:])}"


@register.filter
def clock(moment: datetime) -> str:
    """A moment on the clocks that it is given in: "Sun 1 Nov, 01:00, UTC−04:00"."""
    return f"{moment:%a %-d %b, %H:%M}, {format_offset(moment.isoformat()[-6:])}"


@register.filter
def length(seconds: int) -> str:
    """A length of time in its largest whole unit, unbroken: 3600 -> "1 hour"."""
    return duration(timedelta(seconds=seconds)).replace(" ", NBSP)


@register.filter
def kwh(watt_hours: int) -> str:
    """Energy: 10200 -> "10.20 kWh"."""
    return format_energy(watt_hours)


@register.filter
def grams(micrograms: int) -> str:
    """Carbon: 3876000000 -> "3.88 kg"."""
    return format_carbon(micrograms)


@register.filter
def nodes_of_type(count: int, node_type: NodeType) -> str:
    """So many nodes of a type, neither part broken: "3 nodes of 8 × H100 SXM"; of one node only what it is."""
    return " of ".join(map(_whole, nodes_of(count, node_type.name).split(" of ", maxsplit=1)))


@register.filter
def type_name(name: str) -> str:
    """The name of a node type, unbroken: "8 x H100 SXM" -> "8 × H100 SXM"."""
    return _whole(nodes_of(1, name))


def _whole(words: str) -> str:
    """On one line, but for a break after a comma."""
    return words.replace(" ", NBSP).replace(f",{NBSP}", ", ")
