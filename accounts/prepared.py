"""Statements that are asked again and again: their values travel apart, and the server plans them once a connection."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from psycopg import Cursor
from psycopg._preparing import PrepareManager


def ask(statement: str, given: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
    """
    The rows that a statement finds, or none where it finds none to return. It is prepared from the second time on
    (`prepare_threshold` of the settings).

    Everywhere else Django writes the values into the statement, which is planned anew each time: of a search, half the
    cost. The text must not change with the values, and says a type where the values leave it open.
    """
    database: Any = connections[DEFAULT_DB_ALIAS]  # looked up once: `connection` does so for each of its attributes
    database.close_if_health_check_failed()  # this and what follows as connection.cursor() does
    database.ensure_connection()
    session = database.connection
    if not isinstance(session._prepared, _Kept):
        session._prepared = _Kept(session)
    text, cursor = session._prepared.cursor(session, statement)
    database._prepare_cursor(cursor).execute(text, given)
    return cursor.take()


class _Cursor(Cursor[tuple[Any, ...]]):
    """One that is asked the same again, so that it has to find out only once how each value is written and read."""

    def take(self) -> list[tuple[Any, ...]]:
        """What was found, which is not kept any longer."""
        rows = self.fetchall() if self.pgresult and self.pgresult.nfields else []
        self._reset()
        self._tx.set_pgresult(None)
        return rows


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
        self._cursors: dict[str, tuple[str, _Cursor]] = {}

    def cursor(self, session: Any, text: str) -> tuple[str, _Cursor]:
        """The cursor for a statement, and its text as the cursor knows it: psycopg looks whether it is the same one."""
        if text not in self._cursors:
            if len(self._cursors) >= self.prepared_max:
                self._cursors.clear()
            self._cursors[text] = text, _Cursor(session)
        return self._cursors[text]

    def clear(self) -> bool:
        return False
