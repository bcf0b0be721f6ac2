"""The clock that decides: the database's. Views, tasks and commands read it; all below them takes `now` as argument."""

from datetime import UTC, datetime

from django.db import connection
from django.db.models import DateTimeField, Func


class Instant(Func):
    """The same clock inside a statement."""

    function, output_field = "clock_timestamp", DateTimeField()


def now() -> datetime:
    """This instant by the database, as an aware UTC datetime. Moves on inside a transaction too."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (instant,) = cursor.fetchone()
    assert isinstance(instant, datetime)
    return instant.astimezone(UTC)
