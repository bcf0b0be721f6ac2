"""What can be read of the catalogue: offers that match, their rates, and when their nodes are free."""

from marketplace.queries.criteria import MOST_NODES, BadPeriod, Criteria, Sort, check_period
from marketplace.queries.search import (
    Hit,
    OfferRow,
    current_rate,
    find,
    listed_offers,
    offer_row,
    offer_rows,
    rows,
    search,
)
from marketplace.queries.size import CatalogueSize, catalogue_size, largest_fabric_group
from marketplace.queries.terms import all_announced, all_terms, terms_of
from marketplace.queries.windows import HORIZON, Window, aligned, earliest, free_nodes, free_windows, occupied

__all__ = [
    "HORIZON",
    "MOST_NODES",
    "BadPeriod",
    "CatalogueSize",
    "Criteria",
    "Hit",
    "OfferRow",
    "Sort",
    "Window",
    "aligned",
    "all_announced",
    "all_terms",
    "catalogue_size",
    "check_period",
    "current_rate",
    "earliest",
    "find",
    "free_nodes",
    "free_windows",
    "largest_fabric_group",
    "listed_offers",
    "occupied",
    "offer_row",
    "offer_rows",
    "rows",
    "search",
    "terms_of",
]
