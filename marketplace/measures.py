"""Amounts that are not money, for people: energy, carbon, and machines."""

NBSP = "\N{NO-BREAK SPACE}"


def format_energy(watt_hours: int) -> str:
    """
    Watt-hours as kilowatt-hours.

    >>> format_energy(10_200)
    '10.20\\xa0kWh'
    """
    return f"{watt_hours / 1000:,.2f}{NBSP}kWh"


def format_carbon(micrograms: int) -> str:
    """
    Micrograms as grams, in kilograms from a thousand on.

    >>> format_carbon(3_876_000_000), format_carbon(4_000_000)
    ('3.88\\xa0kg', '4.0\\xa0g')
    """
    amount = micrograms / 1_000_000
    return f"{amount / 1000:,.2f}{NBSP}kg" if amount >= 1000 else f"{amount:,.1f}{NBSP}g"


def counted(count: int, what: str) -> str:
    """
    So many of a thing.

    >>> counted(1, "GPU"), counted(1200, "disk")
    ('1 GPU', '1,200 disks')
    """
    return f"{count} {what}" if count == 1 else f"{count:,} {what}s"


def nodes_of(count: int, node_type: str) -> str:
    """
    So many nodes of a type, whose name begins with how many GPUs each has.

    >>> nodes_of(1, "1 x RTX 4090"), nodes_of(3, "8 x H100 SXM")
    ('1 × RTX 4090', '3 nodes of 8 × H100 SXM')
    """
    name = node_type.replace(" x ", " × ")
    return name if count == 1 else f"{count:,} nodes of {name}"


def nodes_of_sql(count: str, name: str) -> str:
    """The same of two SQL expressions."""
    of = f"CASE WHEN {count} = 1 THEN '' ELSE {count} || ' nodes of ' END"
    return f"({of} || replace({name}, ' x ', ' × '))"


def format_offset(offset: str) -> str:
    """
    An offset from UTC, with a true minus, at which no line breaks.

    >>> format_offset("-05:00"), format_offset("+00:00")
    ('UTC−05:00', 'UTC')
    """
    return "UTC" + offset.replace("-", "\N{MINUS SIGN}").replace("+00:00", "")
