"""Figures of the fleet on pages. Formatting only."""

from collections.abc import Mapping

from django import template

register = template.Library()


@register.filter
def count(counts: Mapping[str, int], name: str) -> int:
    """One of several counts, by its name."""
    return counts[name]
