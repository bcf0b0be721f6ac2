"""What changes the figures that come from outside."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from accounts.operations import record
from energy.models import Feed, Inverter, Reading
from energy.sources import Told

LONGEST_ERROR = 300
CONNECTION = ("dialect", "address", "port", "unit", "controlled")


def tell(*, feed: Feed, told: Sequence[Told], source: str, now: datetime) -> int:
    """Write down what a feed told, over what it told of the same times before. Returns how many readings that are."""
    last = {one.starts_at: one for one in told}
    rows = [
        Reading(feed=feed, starts_at=one.starts_at, ends_at=one.ends_at, value=one.value, source=source, fetched_at=now)
        for one in last.values()
    ]
    Reading.objects.bulk_create(
        rows,
        batch_size=5000,
        update_conflicts=True,
        unique_fields=["feed", "starts_at"],
        update_fields=["ends_at", "value", "source", "fetched_at"],
    )
    return len(rows)


@transaction.atomic
def read(*, feed: Feed, value: int, holds: timedelta, source: str, now: datetime) -> None:
    """
    Write down what was read of a machine just now, which holds for so long if nothing follows: the last reading goes on
    if it is the same, else ends here.
    """
    Feed.objects.select_for_update(no_key=True).get(pk=feed.pk)
    last = feed.readings.filter(starts_at__lte=now).order_by("-starts_at").first()
    since = now
    if last is not None and last.ends_at >= now:
        if (last.value, last.source) == (value, source):
            since = last.starts_at
        elif last.starts_at < now:
            feed.readings.filter(pk=last.pk).update(ends_at=now)
    tell(feed=feed, told=[Told(since, now + holds, value)], source=source, now=now)


def answered(*, feed: Feed, now: datetime) -> None:
    """The feed's address told what it should."""
    if feed.failures:
        record(organization=None, kind="feed.recovered", subject=feed.public_id, actor="system:energy", at=now)
    Feed.objects.filter(pk=feed.pk).update(failures=0, error="", tried_at=now)


def failed(*, feed: Feed, error: str, now: datetime) -> None:
    """It did not. Its last value stays, and becomes stale; staff hears of the first of a row of failures."""
    Feed.objects.filter(pk=feed.pk).update(failures=feed.failures + 1, error=error[:LONGEST_ERROR], tried_at=now)
    if feed.failures == 0:
        record(
            organization=None,
            kind="feed.failed",
            subject=feed.public_id,
            actor="system:energy",
            at=now,
            data={"feed": feed.slug, "error": error[:LONGEST_ERROR]},
            notice={
                "title": f"{feed.name}: no news",
                "text": f"{error} The last value goes on being used and is marked stale once it is too old.",
                "path": f"/operations/power/feeds/{feed.public_id}/",
            },
        )


@transaction.atomic
def told_by_staff(*, feed: Feed, told: Sequence[Told], actor: str, now: datetime) -> int:
    """As `tell`, by hand or from a file; recorded with who did it."""
    count = tell(feed=feed, told=told, source=actor, now=now)
    data = {"feed": feed.slug, "readings": count, "from": min(one.starts_at for one in told).isoformat()}
    record(organization=None, kind="feed.told", subject=feed.public_id, actor=actor, at=now, data=data)
    return count


@transaction.atomic
def connect(*, inverter: Inverter, changed: Sequence[str], actor: str, now: datetime) -> None:
    """Write down how a site's battery is spoken to: of a known one only what `changed`: looks write to it, too."""
    new = inverter.pk is None
    inverter.save(update_fields=None if new else [name for name in changed if name in CONNECTION])
    told = {name: str(getattr(inverter, name)) for name in CONNECTION}
    record(organization=None, kind="power.inverter", subject=inverter.site.slug, actor=actor, at=now, data=told)
