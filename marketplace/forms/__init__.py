"""The forms of the catalogue and of its prices."""

from marketplace.forms.rate import NewRate
from marketplace.forms.search import CatalogueFilter, Wish
from marketplace.forms.terms import NewTerms

__all__ = ["CatalogueFilter", "NewRate", "NewTerms", "Wish"]
