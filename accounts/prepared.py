"""Statements that are asked again and again: their values travel apart, and the server plans them once a connection."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorWrapper
from psycopg._preparing import PrepareManager


class _Kept(PrepareManager):
    """
    What is prepared on a connection, kept as the server keeps it: until the connection ends.

    psycopg forgets all of it at every ROLLBACK, for programs that make and undo tables in one session. Here a rollback
    is a refusal: whoever is told that the nodes are taken would leave the next caller every statement to plan anew,
    which takes longer than all that an order does. Where tables change, PostgreSQL plans anew by itself.
    """

    def __init__(self, session: Any) -> None:
        super().__init__()
        self.prepare_threshold, self.prepared_max = session.prepare_threshold, session.prepared_max

    def clear(self) -> bool:
        return False


def prepared() -> CursorWrapper:
    """
    A cursor whose statements are prepared from the second time on (`prepare_threshold` of the settings).

    Everywhere else Django writes the values into the statement, which is planned anew each time: of a search, half the
    cost. The text must not change with the values, and says a type where the values leave it open.
    """
    database: Any = connections[DEFAULT_DB_ALIAS]  # looked up once: `connection` does so for each of its attributes
    database.close_if_health_check_failed()  # this and what follows as connection.cursor() does
    database.ensure_connection()
    session = database.connection
    if not isinstance(session._prepared, _Kept):
        session._prepared = _Kept(session)
    cursor: CursorWrapper = database._prepare_cursor(ServerBindingCursor(session))  # type: ignore[call-arg]
    return cursor
