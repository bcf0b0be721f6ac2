"""What is wanted of a site's battery and what came of it, as rows; and what it holds and gives, as feeds over time."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import F
from django.db.models.functions import Coalesce

from energy import operations
from energy.batteries import BatteryState
from energy.models import Feed, FeedKind, Inverter, Outcome
from energy.steering.judging import BatteryRead
from marketplace.models import Site

HOLDS, FRESH = timedelta(minutes=5), timedelta(minutes=10)  # of what was read
SOURCE, LONGEST_DETAIL, SECOND = "battery", 300, timedelta(seconds=1)
WORDS = {FeedKind.CHARGE: "charge", FeedKind.CHARGING: "what it takes", FeedKind.DISCHARGING: "what it gives"}


def want(*, site: Site, watts: int | None, until: datetime, now: datetime) -> None:
    """Write down what is wanted of the battery, before it is told. What ends now is released by the next look."""
    wish = Coalesce("wanted_watts", 0) if watts is None else watts
    ends = now if watts is None else until
    rows = Inverter.objects.filter(site=site)
    rows.update(wanted_watts=wish, wanted_until=ends, wanted_since=now, epoch=F("epoch") + 1)


def keep(row: Inverter, read: BatteryRead, now: datetime) -> bool:
    """Write a verdict down, and that a wish is over once it was released; False if something else was wanted since."""
    fields: dict[str, Any] = {"outcome": read.outcome, "detail": read.detail[:LONGEST_DETAIL]}
    if read.state:
        fields |= {"most_given": read.state.most_given, "most_taken": read.state.most_taken, "read_at": now}
    if read.told is None and read.outcome == Outcome.OBEYED:
        fields |= {"wanted_watts": None, "wanted_since": None, "wanted_until": None}
    return bool(Inverter.objects.filter(pk=row.pk, epoch=row.epoch).update(**fields))


def tell_feeds(site: Site, state: BatteryState, now: datetime) -> None:
    """What was read, over time: hours are counted from it, and the next plan begins with it."""
    taken, given = max(-state.watts, 0), max(state.watts, 0)
    values = {FeedKind.CHARGE: state.permille, FeedKind.CHARGING: taken, FeedKind.DISCHARGING: given}
    for kind, value in values.items():
        operations.read(feed=_feed(site, kind), value=value, holds=HOLDS, source=SOURCE, now=now)


def _feed(site: Site, kind: FeedKind) -> Feed:
    """Where it is written; made when the battery is first read."""
    feed, _ = Feed.objects.get_or_create(
        slug=f"battery-{kind.value}-{site.slug}"[:60],
        defaults={
            "name": f"Battery of {site.name}, {WORDS[kind]}"[:100], "kind": kind, "site": site,
            "source": Feed.Source.BATTERY, "step_seconds": HOLDS // SECOND, "age_limit_seconds": FRESH // SECOND,
        },
    )  # fmt: skip
    return feed
