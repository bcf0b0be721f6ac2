"""Queries whose SQL is made once: where each call asks the same few, making the SQL costs more than asking."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models.query import get_related_populators
from django.db.models.sql.compiler import SQLCompiler

from accounts.prepared import ask

Row = TypeVar("Row", bound=models.Model)


class Given(models.Expression):
    """A value in a query that each call of its `Statement` gives, by name."""

    def __init__(self, name: str, field: models.Field[Any, Any]) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """A place for it."""
        return "%s", (self,)


class Statement(Generic[Row]):
    """
    A query with values to be given. `make` is asked for it once, its SQL is prepared once for each connection, and its
    rows are those that the query would find, with what it selects beside them; nothing is prefetched.
    """

    def __init__(self, make: Callable[[], models.QuerySet[Row]]) -> None:
        self._make = make

    def rows(self, **given: Any) -> list[Row]:
        """What it finds for these values."""
        sql, params = self._sql
        values = [given[value.name] if isinstance(value, Given) else value for value in params]
        return self._reader.rows(ask(sql, values))

    def first(self, **given: Any) -> Row | None:
        """The first of them."""
        return next(iter(self.rows(**given)), None)

    @cached_property
    def _compiler(self) -> SQLCompiler:
        compiler: SQLCompiler = self._make().query.get_compiler(DEFAULT_DB_ALIAS)
        return compiler

    @cached_property
    def _sql(self) -> tuple[str, Sequence[Any]]:
        return self._compiler.as_sql()

    @cached_property
    def _reader(self) -> "_Reader[Row]":
        assert self._sql, "the compiler knows what it selects once it has made the SQL"
        return _Reader(self._compiler)


class _Reader(Generic[Row]):
    """Makes rows of a model from those of the database, as Django's `ModelIterable` does for a query."""

    def __init__(self, compiler: SQLCompiler) -> None:
        select, klass = compiler.select, compiler.klass_info
        self._model: type[Row] = klass["model"]
        self._own = slice(klass["select_fields"][0], klass["select_fields"][-1] + 1)
        self._names = [column.target.attname for column, *_ in select[self._own]]
        self._related = get_related_populators(klass, select, DEFAULT_DB_ALIAS)  # type: ignore[call-arg]  # a later one's
        self._beside = list(compiler.annotation_col_map.items())
        self._converters = compiler.get_converters([column for column, *_ in select])

    def rows(self, found: list[tuple[Any, ...]]) -> list[Row]:
        database = connections[DEFAULT_DB_ALIAS]
        return [self._row(list(values), database) for values in found]

    def _row(self, values: list[Any], database: Any) -> Row:
        for place, (converters, column) in self._converters.items():
            for convert in converters:
                values[place] = convert(values[place], column, database)
        row = self._model.from_db(DEFAULT_DB_ALIAS, self._names, values[self._own])
        for related in self._related:
            related.populate(values, row)
        for name, place in self._beside:
            setattr(row, name, values[place])
        return row
