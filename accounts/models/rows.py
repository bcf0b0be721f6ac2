"""Rows for functions of the database that insert them: the model says what is in one, the function writes it down."""

import json
from collections.abc import Sequence

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
