"""The forms of the catalogue and of its prices."""

from marketplace.forms.rate import NewRate
from marketplace.forms.search import CatalogueFilter, Wish

__all__ = ["CatalogueFilter", "NewRate", "Wish"]
