"""Statements that are asked again and again: their values travel apart, and the server plans them once a connection."""

from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorWrapper


def prepared() -> CursorWrapper:
    """
    A cursor whose statements are prepared from the second time on (`prepare_threshold` of the settings).

    Everywhere else Django writes the values into the statement, which is planned anew each time: of a search, half the
    cost. The text must not change with the values, and says a type where the values leave it open.
    """
    connection.ensure_connection()
    cursor: CursorWrapper = connection._prepare_cursor(  # type: ignore[attr-defined]  # as connection.cursor() does
        ServerBindingCursor(connection.connection)  # type: ignore[call-arg]
    )
    return cursor
