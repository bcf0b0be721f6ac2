"""
How sweeps ask the card processor about rows. It may hang, and then each call lasts as long as its client allows: a
sweep ends with the first of them, and when its time is over. So it never keeps a worker for longer than SWEEP_SECONDS
and one call, and what is left is for the next.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.db.models import Model, QuerySet

from billing.payments.base import GatewaySilent

SWEEP_SECONDS = 25
LONG_SECONDS = 600  # for what comes once an hour and goes over all there is
Row = TypeVar("Row")
Claimed = TypeVar("Claimed", bound=Model)


class Sweep:
    """One sweep that begins `now`: whether it goes on, and what went wrong in it, by row. Threads may share it."""

    def __init__(self, *, now: datetime, seconds: float | None = None) -> None:
        self.failures: dict[str, Exception] = {}
        self._now, self._began = now, time.monotonic()
        self._ends = self._began + (SWEEP_SECONDS if seconds is None else seconds)
        self._silent = False

    def now(self) -> datetime:
        """This instant, by the clock that the sweep began with."""
        return self._now + timedelta(seconds=time.monotonic() - self._began)

    def goes_on(self) -> bool:
        """Not once its time is over, nor once the processor was silent."""
        return not self._silent and time.monotonic() < self._ends

    def failed(self, name: str, error: Exception) -> None:
        """A row went wrong. Raises a time limit of the worker's again: that ends the sweep."""
        if isinstance(error, SoftTimeLimitExceeded):
            raise error
        self.failures[name] = error
        self._silent |= isinstance(error, GatewaySilent)

    def while_on(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows as long as it goes on; none is claimed in vain."""
        left = iter(rows)
        while self.goes_on() and (row := next(left, None)) is not None:
            yield row

    def each(self, rows: Iterable[Row], ask: Callable[[Row], object], *, name: Callable[[Row], str] = str) -> None:
        """Ask about rows while it goes on. What goes wrong with one does not stop the rest."""
        for row in self.while_on(rows):
            try:
                ask(row)
            except Exception as error:  # noqa: BLE001 - reported to the caller, row by row
                self.failed(name(row), error)


def ask_each(
    rows: Iterable[Row],
    ask: Callable[[Row], object],
    *,
    name: Callable[[Row], str] = str,
    now: datetime,
    seconds: float | None = None,
) -> dict[str, Exception]:
    """A whole sweep. Returns what went wrong, by row."""
    sweep = Sweep(now=now, seconds=seconds)
    sweep.each(rows, ask, name=name)
    return sweep.failures


def claims(due: QuerySet[Claimed], later: Callable[[Claimed], Mapping[str, object]]) -> Iterator[Claimed]:
    """
    The rows that are due, each taken as it is asked for: with what is `later` true of it, so that no other worker takes
    it meanwhile, and it does not come first again if it goes wrong.
    """
    while (row := _claim(due, later)) is not None:
        yield row


@transaction.atomic
def _claim(due: QuerySet[Claimed], later: Callable[[Claimed], Mapping[str, object]]) -> Claimed | None:
    row = due.select_for_update(skip_locked=True, of=("self",)).first()
    if row is not None:
        changed = later(row)
        for field, value in changed.items():
            setattr(row, field, value)
        row.save(update_fields=changed)
    return row


def shuffled(rows: Iterable[Row]) -> list[Row]:
    """In another order each time: of rows that nobody claims, one that is never answered stops not always the same."""
    left = list(rows)
    random.shuffle(left)
    return left


def pause(tries: int, *, first: timedelta, longest: timedelta) -> timedelta:
    """How long a row waits after so many tries: twice as long each time."""
    wait: timedelta = min(first * 2 ** min(tries, 10), longest)
    return wait
