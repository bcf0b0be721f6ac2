"""Rows that are known before they are read: as JSON for a function, as a prepared INSERT, as what was just written."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import connection, models

from accounts.prepared import ask


def as_json(rows: Sequence[models.Model]) -> str:
    """
    The rows' columns as a JSON list, for `jsonb_populate_record`. What the database gives a row by itself, such as its
    id, is null.
    """
    return json.dumps(
        [{field.column: getattr(row, field.attname) for field in row._meta.concrete_fields} for row in rows],
        default=str,
    )


def insert(row: models.Model) -> None:
    """
    Write a new row, as `save(force_insert=True)` does, by a statement that is made once and prepared once for each
    connection. For models without defaults of the database, and rows that each order or return writes.
    """
    sql, fields = _insert(type(row))
    values = [field.get_db_prep_save(field.pre_save(row, True), connection) for field in fields]
    [(row.pk,)] = ask(sql, values)
    row._state.adding, row._state.db = False, connection.alias


@cache
def _insert(model: type[models.Model]) -> tuple[str, list[models.Field[Any, Any]]]:
    fields = [field for field in model._meta.local_concrete_fields if not field.primary_key]
    columns, places = ", ".join(str(field.column) for field in fields), ", ".join(["%s"] * len(fields))
    sql = f"INSERT INTO {model._meta.db_table} ({columns}) VALUES ({places}) RETURNING id"  # noqa: S608  our own words
    return sql, fields


def selected(row: models.Model, name: str) -> Any:
    """What the row's query selected under this name, beside the columns of its model."""
    return vars(row)[name]


def prefetched(row: models.Model, **related: Sequence[models.Model] | None) -> None:
    """
    Let the row answer for related rows that are known, or for a single one that there is not (None), as
    `prefetch_related` does after its statements. Only where nobody works on with the row: it does not follow changes.
    """
    for name, rows in related.items():
        if rows is None:
            row._state.fields_cache.setdefault(name, None)
            continue
        found: Any = models.QuerySet(row._meta.get_field(name).related_model)
        found._result_cache, found._prefetch_done = list(rows), True
        vars(row).setdefault("_prefetched_objects_cache", {})[name] = found
