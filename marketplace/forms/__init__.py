"""The forms of the catalogue and of its prices."""

from marketplace.forms.find import Finder
from marketplace.forms.moments import MINUTE, UTC_ONLY, Zoned, moment, on_its_clocks, zones_for
from marketplace.forms.rate import NewRate
from marketplace.forms.search import CatalogueFilter, Wish
from marketplace.forms.terms import NewTerms

__all__ = [
    "MINUTE",
    "UTC_ONLY",
    "CatalogueFilter",
    "Finder",
    "NewRate",
    "NewTerms",
    "Wish",
    "Zoned",
    "moment",
    "on_its_clocks",
    "zones_for",
]
