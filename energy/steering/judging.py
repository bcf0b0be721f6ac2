"""What came of telling a battery something: what it says of itself, and a meter's figure where there is one."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet

from energy.batteries import BatteryState
from energy.models import Feed, FeedKind, Inverter, Outcome, Reading
from energy.queries.feeds import told_at
from energy.storing import near
from marketplace.models import Site

METERS = (FeedKind.DISCHARGING, FeedKind.CHARGING)
METER_FOLLOWS = timedelta(minutes=1)  # a meter's reading of that time may still be of before


@dataclass(frozen=True, kw_only=True)
class BatteryRead:
    """The verdict of a look. `told` is what it was told now; None: its own control."""

    outcome: Outcome
    told: int | None
    state: BatteryState | None
    detail: str = ""


def judge(row: Inverter, told: int | None, state: BatteryState, why: str, refusal: str, now: datetime) -> BatteryRead:
    """What it gives counts, not what it says that it was told; and a meter's word before its own."""
    assert row.wanted_since is not None
    by_meter = metered(row.site, since=row.wanted_since + METER_FOLLOWS, now=now)
    watts = state.watts if by_meter is None else by_meter
    if refusal:
        outcome, said = Outcome.REFUSED, refusal
    elif does(replace(state, watts=watts), told):
        outcome, said = Outcome.OBEYED, why
    else:
        outcome, by = Outcome.LIED, "gives" if by_meter is None else "gives, by its meter,"
        said = f"It took the command of {told or 0:,} W and {by} {watts:,} W."
    return BatteryRead(outcome=outcome, told=told, state=state, detail=f"{said} {state.fault}".strip())


def does(state: BatteryState, watts: int | None) -> bool:
    """Whether it says that it does it."""
    if watts is None:
        return not state.commanded
    return state.commanded and near(state.watts, watts, most=state.most_given)


def has_meter(site: Site) -> bool:
    """Whether meters of their own tell what the battery gives and takes."""
    return _meters(site).exists()


def metered(site: Site, *, since: datetime, now: datetime) -> int | None:
    """Watts out of the battery less those into it, by meters of their own that were read since; None without."""
    told = {row.feed.kind: row for row in told_at(_meters(site), now=now)}
    if not told or any(row.stale or not row.reading or row.reading.fetched_at < since for row in told.values()):
        return None
    given, taken = (told[kind].value or 0 if kind in told else 0 for kind in METERS)
    return given - taken


def _meters(site: Site) -> QuerySet[Feed]:
    """Those that ever told anything."""
    ours = Feed.objects.filter(site=site, kind__in=METERS, forecast=False).exclude(source=Feed.Source.BATTERY)
    return ours.filter(Exists(Reading.objects.filter(feed=OuterRef("pk"))))
