"""What can be read of the catalogue: offers that match, their rates, and when their nodes are free."""

from marketplace.queries.search import Criteria, OfferRow, current_rate, listed_offers, offer_row, search
from marketplace.queries.windows import Window, earliest, free_nodes, free_windows, occupied

__all__ = [
    "Criteria",
    "OfferRow",
    "Window",
    "current_rate",
    "earliest",
    "free_nodes",
    "free_windows",
    "listed_offers",
    "occupied",
    "offer_row",
    "search",
]
