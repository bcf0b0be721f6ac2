"""Doing one thing many times at the same instant, each time with a database connection of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier
from typing import ParamSpec, TypeVar

from django.db import connection

P = ParamSpec("P")
T = TypeVar("T")


def together(times: int, act: Callable[[int], T]) -> list[T | Exception]:
    """Call `act(0)`, `act(1)`, … from as many threads, all let go at once. An exception is a result like any other."""
    barrier = Barrier(times)

    def one(number: int) -> T | Exception:
        barrier.wait()
        try:
            return act(number)
        except Exception as error:  # noqa: BLE001 - the test looks at what each call ended in
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def meeting(look: Callable[P, T], parties: int = 2) -> Callable[P, T]:
    """
    The same function, but its first `parties` callers go on only when all of them have returned from it: so that a race
    which nothing guards is certain, however busy the machine. Who is refused by it does not count.
    """
    barrier, calls = Barrier(parties, timeout=30), count()

    def met(*args: P.args, **kwargs: P.kwargs) -> T:
        seen = look(*args, **kwargs)
        if next(calls) < parties:
            barrier.wait()
        return seen

    return met


def deadlocks() -> int:
    """How many deadlocks this database has broken so far."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        (count,) = cursor.fetchone()
    return int(count)


def overlaps() -> int:
    """How many pairs of live claims of one node share an instant. Must be none, whatever happened before."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM leasing_claim a JOIN leasing_claim b ON a.node_id = b.node_id AND a.id < b.id"
            " AND a.period && b.period WHERE a.released_at IS NULL AND b.released_at IS NULL"
        )
        (count,) = cursor.fetchone()
    return int(count)
