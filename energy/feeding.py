"""Feeds that are asked for over HTTP: which are due, and one at a time asked, with no transaction open meanwhile."""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from energy import operations
from energy.models import Feed
from energy.sources import BadSource, get, parse

log = logging.getLogger(__name__)
SOURCE = "http"
LONGEST_PAUSE = timedelta(hours=1)  # between tries of a feed that fails


def fetch_due(*, now: datetime) -> int:
    """Ask for every feed that is due, once. Returns how many those were. Two at once share the work."""
    fetched = 0
    while (feed := take(now=now)) is not None:
        fetch(feed=feed, now=now)
        fetched += 1
    return fetched


@transaction.atomic
def take(*, now: datetime) -> Feed | None:
    """The feed that is due for longest, put off until its next time so that nobody else takes it; None if none is."""
    due = Feed.objects.filter(Q(next_at=None) | Q(next_at__lte=now), source=Feed.Source.HTTP)
    feed = due.select_for_update(skip_locked=True).order_by("next_at", "pk").first()
    if feed is not None:
        feed.next_at = now + pause(feed)
        feed.save(update_fields=["next_at"])
    return feed


def pause(feed: Feed) -> timedelta:
    """How long until it is asked again: twice as long with each failure in a row, up to an hour or its own time."""
    usual = timedelta(seconds=feed.every_seconds)
    return max(usual, min(usual * (1 << min(feed.failures, 12)), LONGEST_PAUSE))


def fetch(*, feed: Feed, now: datetime) -> None:
    """Ask for a taken feed, and write down what it told or why it did not."""
    try:
        body = get(feed.url, private=feed.private_addresses)
        told = parse(body, form=feed.form, mapping=feed.mapping, step=feed.step)
        if not told:
            raise BadSource("The answer has no rows.")
        operations.tell(feed=feed, told=told, source=SOURCE, now=now)
    except BadSource as error:
        operations.failed(feed=feed, error=str(error), now=now)
    except Exception as error:
        log.exception("%s", feed)
        operations.failed(feed=feed, error=f"The answer cannot be used ({type(error).__name__}).", now=now)
    else:
        operations.answered(feed=feed, now=now)
