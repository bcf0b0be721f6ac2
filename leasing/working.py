"""
Work on hosts: take a row (a short transaction), act on its host (none), apply the result if still mine (a short one).

A worker that dies leaves a row whose `work_until` passes; the next one takes it with a higher epoch, looks at the host,
and goes on. A worker that only slept writes nothing: its epoch is old, here and on the host. It keeps the epoch that it
took: what it reads of the row afterwards, it reads by way of `mine`.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from accounts import clock
from leasing.models.work import Worked

Row = TypeVar("Row", bound=Worked)

WORK_FOR = timedelta(seconds=60)  # a holder that has not renewed for so long is taken to be dead
RENEW_EVERY = 20.0  # seconds
LONGEST_PAUSE = 30  # seconds between two attempts


def free(*, now: datetime) -> Q:
    """The rows that are due and that nobody works on."""
    return (Q(work_until=None) | Q(work_until__lte=now)) & Q(next_attempt_at__lte=now)


@transaction.atomic
def take(rows: QuerySet[Row], *, now: datetime) -> Row | None:
    """The longest waiting of the rows, for this worker alone until `now` + 60 s (renewed while it acts)."""
    row = rows.order_by("next_attempt_at", "pk").select_for_update(skip_locked=True, of=("self",), no_key=True).first()
    if row is None:
        return None
    every(row).update(work_epoch=F("work_epoch") + 1, work_until=now + WORK_FOR)
    return every(row).get()


def let_go(row: Worked) -> None:
    """Somebody else may have it now."""
    every(row).update(work_until=None)


def note(row: Worked, step: str) -> None:
    """Tell whoever looks what is being done, if the row is still this worker's."""
    mine(row).update(step=step)


def again_later(row: Worked, *, error: Exception, now: datetime) -> int:
    """Put the row, which failed, off for a while that grows with each attempt. Returns how many there were."""
    attempts = row.attempts + 1
    pause = timedelta(seconds=min(2**attempts, LONGEST_PAUSE))
    row.detail = str(error)[:300]
    every(row).update(attempts=attempts, detail=row.detail, next_attempt_at=now + pause)
    return attempts


def renew(row: Worked) -> None:
    """Keep the row a while longer, if it is still this worker's."""
    mine(row).update(work_until=clock.now() + WORK_FOR)


@contextmanager
def renewed(row: Worked) -> Iterator[None]:
    """Keep the row for this worker while it acts."""
    done = threading.Event()

    def go_on() -> None:
        while not done.wait(RENEW_EVERY):
            renew(row)
        connection.close()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def mine(row: Row) -> QuerySet[Row]:
    """The row, as long as no other worker has taken it; else nothing."""
    return every(row).filter(work_epoch=row.work_epoch)


def every(row: Row) -> QuerySet[Row]:
    """The row alone, as a query of its kind."""
    return type(row)._default_manager.filter(pk=row.pk)
