"""What each site may sell firm is counted anew all day, and written down to where orders look."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from accounts.operations import for_each
from energy.models import Battery, Generation, PowerContract
from energy.queries.firm import Power, power, supply
from marketplace.models import PowerWindow, Site
from marketplace.operations import set_power

HOUR = timedelta(hours=1)
HOURS_AHEAD = 48  # hour by hour; behind them what holds in every hour of the day
HOURS_OF_A_DAY = 24


def write_windows(*, now: datetime) -> None:
    """The power of every site that has, or had, a contract. Safe to run twice, late, or never."""
    sites = Site.objects.filter(pk__in=PowerContract.objects.values("site"))
    for_each(sites, lambda site: set_power(site=site, windows=windows(site, now=now), now=now))


def windows(site: Site, *, now: datetime) -> list[PowerWindow]:
    """The site's windows from this hour on, equal neighbours joined; none without a contract."""
    found: list[PowerWindow] = []
    first = now.replace(minute=0, second=0, microsecond=0)
    changes = [first, *sorted(_changes(site, first))]
    supplies = {at: supply(site, at=at, now=now) for at in changes}
    for start, end in _spans(changes):
        known = supplies[max(at for at in changes if at <= start)]
        if known is None:
            continue
        counted = power(known, hours=_hours(start, end))
        if found and found[-1].period.upper == start and _same(found[-1], counted):
            found[-1].period = DateTimeTZRange(found[-1].period.lower, end)
        else:
            found.append(_window(site, start, end, counted, now))
    return found


def _changes(site: Site, after: datetime) -> set[datetime]:
    """When rows begin that supersede others."""
    return {
        starts_at
        for model in (PowerContract, Generation, Battery)
        for starts_at in model.objects.filter(site=site, starts_at__gt=after).values_list("starts_at", flat=True)
    }


def _spans(changes: Sequence[datetime]) -> Iterator[tuple[datetime, datetime | None]]:
    """Hours, then from change to change, then for good."""
    near = {changes[0] + place * HOUR for place in range(HOURS_AHEAD + 1)}
    edges = sorted(near.union(changes))
    yield from zip(edges, [*edges[1:], None], strict=True)


def _hours(start: datetime, end: datetime | None) -> list[datetime]:
    """The hours of the day that the span touches."""
    count = HOURS_OF_A_DAY if end is None else min(HOURS_OF_A_DAY, -(-(end - start) // HOUR))
    return [start + place * HOUR for place in range(count)]


def _same(window: PowerWindow, counted: Power) -> bool:
    return (window.firm_watts, window.likely_watts, window.surplus_watts) == (
        counted.firm_watts,
        counted.likely_watts,
        counted.surplus_watts,
    )


def _window(site: Site, start: datetime, end: datetime | None, counted: Power, now: datetime) -> PowerWindow:
    return PowerWindow(
        site=site,
        period=DateTimeTZRange(start, end),
        firm_watts=counted.firm_watts,
        likely_watts=counted.likely_watts,
        surplus_watts=counted.surplus_watts,
        derivation=[{"what": what, "watts": watts} for what, watts in counted.steps],
        counted_at=now,
    )
