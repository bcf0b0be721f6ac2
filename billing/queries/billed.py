"""Which movements an invoice bills: together they are its total, to the cent."""

from collections.abc import Mapping
from datetime import datetime

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Right

from billing.models import BESIDES_USE, Entry, Invoice, LineKind, PostingKind
from billing.queries.lines import bounds

USE = (PostingKind.USAGE, PostingKind.CORRECTION)
# By the kind of an invoice's line, what is posted for it.
ON_LINES: Mapping[str, tuple[PostingKind, ...]] = {
    LineKind.USAGE: USE,
    **{line: tuple(kind for kind, said in BESIDES_USE.items() if said == line) for line in BESIDES_USE.values()},
}
STAMP = len("2026-03-01T00:00:00.000000Z")  # with which the keys of use end: when that use began


def billed_by(invoice: Invoice, entries: QuerySet[Entry]) -> QuerySet[Entry]:
    """
    Those of its organization's `entries` that an invoice bills. Use counts in the month in which it began, also where
    it was posted behind it; a correction of what an outage changed in the month of its posting, as fees and credits.
    """
    month = bounds(invoice.period_start)
    posted = Q(posting__at__gte=month["begin"], posting__at__lt=month["end"])
    began = Q(began__gte=stamp(month["begin"]), began__lt=stamp(month["end"]))
    late = Q(posting__key__startswith="outage:")
    own = Q(posting__key__in=[f"{kind}:{invoice.public_id}" for kind in (PostingKind.ROUNDING, PostingKind.TAX)])
    used = Q(posting__kind__in=USE) & (~late & began | late & posted)
    besides = Q(posting__kind__in=list(BESIDES_USE), posting__lease__isnull=False) & posted
    dated = entries.annotate(began=Right(F("posting__key"), STAMP)).filter(posting__at__gte=month["begin"])
    return dated.filter(own | used | besides)


def stamp(moment: datetime) -> str:
    """A moment as keys of postings end with it: of one length, so that their order is that of time."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"
