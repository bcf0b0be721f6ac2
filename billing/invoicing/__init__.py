"""Monthly invoices: closed for all organizations at once, guarded, numbered without gaps; and shown beforehand."""

from billing.invoicing.asking import question
from billing.invoicing.closing import ClockBehind, Closed, PeriodNotReady, close, due, past_months
from billing.invoicing.parking import AlreadyReleased, park_left_behind, release
from billing.invoicing.preview import preview

__all__ = [
    "AlreadyReleased",
    "ClockBehind",
    "Closed",
    "PeriodNotReady",
    "close",
    "due",
    "park_left_behind",
    "past_months",
    "preview",
    "question",
    "release",
]
