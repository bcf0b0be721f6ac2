"""What can be read of the catalogue: offers that match, their rates, and when their nodes are free."""

from marketplace.queries.booking import (
    MOST_NODES,
    Refusal,
    bookable,
    duration,
    first_end,
    first_start,
    last_end,
    soonest,
    why_not,
    why_not_until,
)
from marketplace.queries.calendar import Day, Hour, calendar, hours_of
from marketplace.queries.criteria import BadPeriod, Criteria, Sort, check_period
from marketplace.queries.earliest import Search, earliest
from marketplace.queries.finding import Hit, stock_of
from marketplace.queries.firm import Level, Limited, firm_power, levels
from marketplace.queries.openings import Opening, OpeningRow, OpeningSort, opening_rows, openings, reach_of
from marketplace.queries.power import power_of, with_power
from marketplace.queries.search import (
    OfferRow,
    counted_on,
    current_rate,
    find,
    listed_offers,
    offer_row,
    offer_rows,
    rates_for,
    rows,
    search,
    starts,
)
from marketplace.queries.size import CatalogueSize, catalogue_size, largest_fabric_group
from marketplace.queries.terms import all_announced, all_terms, plans_open_to, terms_of
from marketplace.queries.windows import HORIZON, Window, aligned, free_nodes, free_windows, is_held, occupied

__all__ = [
    "HORIZON",
    "MOST_NODES",
    "BadPeriod",
    "CatalogueSize",
    "Criteria",
    "Day",
    "Hit",
    "Hour",
    "Level",
    "Limited",
    "OfferRow",
    "Opening",
    "OpeningRow",
    "OpeningSort",
    "Refusal",
    "Search",
    "Sort",
    "Window",
    "aligned",
    "all_announced",
    "all_terms",
    "bookable",
    "calendar",
    "catalogue_size",
    "check_period",
    "counted_on",
    "current_rate",
    "duration",
    "earliest",
    "find",
    "firm_power",
    "first_end",
    "first_start",
    "free_nodes",
    "free_windows",
    "hours_of",
    "is_held",
    "largest_fabric_group",
    "last_end",
    "levels",
    "listed_offers",
    "occupied",
    "offer_row",
    "offer_rows",
    "opening_rows",
    "openings",
    "plans_open_to",
    "power_of",
    "rates_for",
    "reach_of",
    "rows",
    "search",
    "soonest",
    "starts",
    "stock_of",
    "terms_of",
    "why_not",
    "why_not_until",
    "with_power",
]
