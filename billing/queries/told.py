"""
As which hour the processor is told what is posted on a wallet, so that its invoice of a month has the use that ours of
the month has (`billing.queries.billed`). Use is posted behind its hour; all else is of the hour of its posting.

Only the hour just before is gone back to. What is posted later than that, since workers stood still, is of the hour of
its posting: the days before have been compared by then.
"""

from datetime import UTC, datetime, timedelta

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Right

from billing.models import Entry
from billing.queries.billed import STAMP

HOUR = timedelta(hours=1)
USE = ("usage:", "correction:")  # how keys begin that end with when their use began


def hour_of(moment: datetime) -> datetime:
    """The first moment of its UTC hour."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def hour_told(*, at: datetime, key: str) -> datetime:
    """The hour of a posting, by its time and key: the one before it, if that is when its use began."""
    posted = hour_of(at)
    before = posted - HOUR
    return before if key.startswith(USE) and key[-STAMP:].startswith(_hour(before)) else posted


def told_within(entries: QuerySet[Entry], *, since: datetime, until: datetime) -> QuerySet[Entry]:
    """Those of entries that are told as hours from `since` to `until`, both full hours."""
    dated = entries.filter(posting__at__gte=since, posting__at__lt=until + HOUR)
    posted = Q(posting__at__lt=until) & ~_used_before(since)
    return dated.annotate(began=Right(F("posting__key"), STAMP)).filter(posted | _used_before(until))


def _used_before(border: datetime) -> Q:
    """Posted in the hour behind a border, and used in the one before it."""
    use = Q(posting__key__startswith=USE[0]) | Q(posting__key__startswith=USE[1])
    posted = Q(posting__at__gte=border, posting__at__lt=border + HOUR)
    return use & posted & Q(began__startswith=_hour(border - HOUR))


def _hour(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H}"
