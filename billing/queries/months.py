"""UTC calendar months, each named by its first day."""

from datetime import UTC, date, datetime, time


def month_of(moment: datetime) -> date:
    """The first day of the UTC month of a moment."""
    return moment.astimezone(UTC).date().replace(day=1)


def next_month(first: date) -> date:
    """The first day of the month after the one that begins on `first`."""
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)


def previous_month(first: date) -> date:
    """The first day of the month before the one that begins on `first`."""
    return date(first.year - (first.month == 1), (first.month - 2) % 12 + 1, 1)


def start_of(day: date) -> datetime:
    """The first moment of a UTC day, such as a month's first."""
    return datetime.combine(day, time(), UTC)


def months_between(begin: datetime, end: datetime) -> list[date]:
    """Every month that has a moment in the half-open time from `begin` to `end`; none where that has no moment."""
    month, found = month_of(begin), list[date]()
    while max(begin, start_of(month)) < end:
        found.append(month)
        month = next_month(month)
    return found
