"""Statements as files: CSV for people with spreadsheets, JSON for programs."""

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any

from billing.models import Entry
from billing.queries.statements import Statement
from billing.serializers.statements import MovementExported, StatementShown

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with which a spreadsheet would begin to compute
WORDS = ("memo", "project")  # that customers write themselves


class _Line:
    """A file of one line: what a csv writer writes is what it returns."""

    def write(self, line: str) -> str:
        return line


def as_csv(entries: Iterable[Entry]) -> Iterator[str]:
    """Line by line. Words that a spreadsheet would take for a formula begin with an apostrophe."""
    writer = csv.DictWriter(_Line(), MovementExported.Meta.fields)
    yield writer.writeheader()
    for entry in entries:
        row = dict(MovementExported(entry).data)
        yield writer.writerow(row | {name: plain(row[name]) for name in WORDS})


def as_json(found: Statement, entries: Iterable[Entry]) -> Iterator[str]:
    """The statement with all of its movements, one on each line."""
    yield json.dumps(dict(StatementShown(found).data), ensure_ascii=False)[:-1] + ', "movements": ['
    for number, entry in enumerate(entries):
        yield (",\n" if number else "\n") + json.dumps(dict(MovementExported(entry).data), ensure_ascii=False)
    yield "\n]}\n"


def plain(words: Any) -> str:
    """Words that a spreadsheet takes for no formula."""
    return f"'{words}" if str(words).startswith(FORMULA) else str(words)
