"""Rows that are known before they are read: as JSON for a function that writes them, and as what was just written."""

import json
from collections.abc import Sequence
from typing import Any

from django.db import models


def as_json(rows: Sequence[models.Model]) -> str:
    """
    The rows' columns as a JSON list, for `jsonb_populate_record`. What the database gives a row by itself, such as its
    id, is null.
    """
    return json.dumps(
        [{field.column: getattr(row, field.attname) for field in row._meta.concrete_fields} for row in rows],
        default=str,
    )


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
