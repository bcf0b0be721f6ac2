"""Rows into the database in bulk, and a count of what was written."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import models

Entry = TypeVar("Entry", bound=models.Model)
Key = TypeVar("Key")


@dataclass(frozen=True)
class Summary:
    """What a load wrote, counted by kind such as "site" or "node". A changed price counts as a rate added."""

    added: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        parts = [f"{what}: {count} added" for what, count in self.added.items()]
        parts += [f"{what}: {count} changed" for what, count in self.changed.items()]
        return "; ".join(parts) or "nothing to change"


def upsert(model: type[Entry], key: str, wanted: Iterable[Mapping[str, Any]], summary: Summary) -> dict[str, Entry]:
    """Add the rows that are missing and correct those that differ; every row of the model, by `key`."""
    found = {getattr(entry, key): entry for entry in model._default_manager.all()}
    rows = {values[key]: values for values in wanted}
    differing = [found[name] for name, values in rows.items() if name in found and _correct(found[name], values)]
    if differing:
        columns = [name for name in next(iter(rows.values())) if name != key]
        model._default_manager.bulk_update(differing, columns)
        summary.changed[_kind(model)] += len(differing)
    return {**found, **add({name: model(**values) for name, values in rows.items() if name not in found}, summary)}


def add(entries: Mapping[Key, Entry], summary: Summary) -> Mapping[Key, Entry]:
    """Insert all of them at once; the same mapping, its entries now with their keys in the database."""
    if entries:
        model = type(next(iter(entries.values())))
        model._default_manager.bulk_create(entries.values())
        summary.added[_kind(model)] += len(entries)
    return entries


def _correct(entry: models.Model, values: Mapping[str, Any]) -> bool:
    """Set what differs; whether anything did."""
    differing = {name: value for name, value in values.items() if getattr(entry, name) != value}
    for name, value in differing.items():
        setattr(entry, name, value)
    return bool(differing)


def _kind(model: type[models.Model]) -> str:
    return str(model._meta.verbose_name)
