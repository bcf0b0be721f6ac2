"""The calendar of subscriptions: periods are counted from an anchor, and the 31st becomes the last day of a month."""

import calendar
from datetime import UTC, datetime, timedelta

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}


def after(anchor: int, interval: str, each: int, number: int) -> int:
    """The start of the period with this number (0 starts at the anchor), in seconds since 1970; each lasts `each`
    intervals."""
    start = datetime.fromtimestamp(anchor, UTC)
    if interval in _DAYS:
        return int((start + timedelta(days=_DAYS[interval] * each * number)).timestamp())
    months = start.month - 1 + _MONTHS[interval] * each * number
    year, month = start.year + months // 12, months % 12 + 1
    day = min(start.day, calendar.monthrange(year, month)[1])
    return int(start.replace(year=year, month=month, day=day).timestamp())


def following(anchor: int, interval: str, each: int, now: int) -> int:
    """The end of the period in which `now` is."""
    number = 1
    while (end := after(anchor, interval, each, number)) <= now:
        number += 1
    return end
