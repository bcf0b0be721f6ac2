"""What "free" means, for queries of calendars: the database's own functions say it (free.sql)."""

from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import DateTimeRangeField
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import BooleanField, DateTimeField, F, Field, Func, TextField, Value


class _OfNode(Func):
    """A function of the rows of a calendar and its node, and of values."""

    def __init__(self, function: str, *values: Value, output_field: Field[Any, Any]) -> None:
        super().__init__(F("busy"), F("node__state"), *values, function=function, output_field=output_field)

    def as_sql(  # type: ignore[override]
        self, compiler: Any, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, list[Any]]:
        """The two columns only say under which names the query has the rows."""
        calendar, node, *values = self.get_source_expressions()
        rows = [compiler.quote_name_unless_alias(column.alias) for column in (calendar, node)]
        typed = [f"%s::{value.output_field.db_type(connection)}" for value in values]
        return f"{self.extra['function']}({', '.join([*rows, *typed])})", [value.value for value in values]


def node_is_free(*, starts_at: datetime, ends_at: datetime, now: datetime, quote: str) -> Func:
    """True where neither a claim nor a hold for another quote touches the period, and the node may be booked then."""
    values = _range(starts_at, ends_at), Value(quote, TextField()), Value(now, DateTimeField())
    return _OfNode("node_is_free", *values, output_field=BooleanField())


def _range(starts_at: datetime, ends_at: datetime) -> Value:
    return Value(DateTimeTZRange(starts_at, ends_at), DateTimeRangeField())
