"""A column of dollars."""

from typing import Any

from django.contrib import admin
from django.db.models import Model

from marketplace.money import format_cents, format_micros


def dollars(field: str, words: str, *, cents: bool = False) -> Any:
    """A column that shows an amount as dollars, to the last digit that it has."""

    @admin.display(description=words, ordering=field)
    def column(row: Model) -> str:
        value = getattr(row, field)
        if value is None:
            return "–"
        return format_cents(value) if cents else format_micros(value, places=6)

    return column
