"""Files into typed rows, or an error that names file, line and field."""

import csv
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from marketplace.catalogue.limits import Limit
from marketplace.models import Steps

Row = TypeVar("Row")
Raw = tuple[str, dict[str, Any]]  # where it stands, such as "line 12", and its values by field


class BadCatalogue(Exception):
    """A file cannot be loaded. The message says where, what is wrong, and what it must be."""

    def __init__(self, file: str, where: str, what: str) -> None:
        super().__init__(f"{file}, {where}: {what}")


def csv_rows(folder: Path, file: str) -> Iterator[Raw]:
    """The rows of a CSV file with a line of column names."""
    with _path(folder, file).open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines, restkey="too many values")
        for row in reader:
            yield f"line {reader.line_num}", row


def toml_rows(folder: Path, file: str, table: str) -> Iterator[Raw]:
    """The tables of one name, `[[table]]`, in a TOML file."""
    try:
        tables = tomllib.loads(_path(folder, file).read_text(encoding="utf-8")).get(table, [])
    except tomllib.TOMLDecodeError as error:
        raise BadCatalogue(file, "the whole file", f"not TOML: {error}.") from error
    yield from ((f"{table} {number}", row) for number, row in enumerate(tables, start=1))


def _path(folder: Path, file: str) -> Path:
    path = folder / file
    if not path.is_file():
        raise BadCatalogue(file, "the whole file", f"there is none in {folder}.")
    return path


def typed_rows(
    row_type: type[Row], file: str, raws: Iterable[Raw], *, key: tuple[str, ...], **references: Iterable[str]
) -> list[Row]:
    """
    The rows as `row_type`, one per `key`; each of `references` is a field whose value must be among those given.

    :raises BadCatalogue: for the first that is not so
    """
    known = {name: frozenset(values) for name, values in references.items()}
    found: dict[tuple[Any, ...], Row] = {}
    for where, raw in raws:
        row = _row(row_type, file, where, raw)
        for name, values in known.items():
            if getattr(row, name) not in values:
                raise BadCatalogue(
                    file, where, f"{name}: there is no {getattr(row, name)!r}. Add it to its own file first."
                )
        identity = tuple(getattr(row, name) for name in key)
        if identity in found:
            raise BadCatalogue(file, where, f"{', '.join(key)}: {'/'.join(identity)} is there twice. Keep one.")
        found[identity] = row
    return list(found.values())


def _row(row_type: type[Row], file: str, where: str, raw: dict[str, Any]) -> Row:
    columns = fields(row_type)  # type: ignore[arg-type] # every row type is a dataclass
    names = [column.name for column in columns]
    if odd := set(names) ^ set(raw):
        raise BadCatalogue(
            file, where, f"{', '.join(sorted(odd))}: missing or unknown. The fields are {', '.join(names)}."
        )
    hints = get_type_hints(row_type)
    try:
        return row_type(**{column.name: _value(column, hints[column.name], raw[column.name]) for column in columns})
    except ValueError as error:
        raise BadCatalogue(file, where, str(error)) from error


def _value(column: Field[Any], hint: Any, raw: Any) -> Any:
    if hint == Steps:
        return _steps(column, raw)
    written = "" if raw is None else str(raw)  # a line that ends early has no value here
    if not written and hint == int | None:
        return None
    kind = hint if hint in (str, float) else int
    try:
        value = kind(written)
    except (TypeError, ValueError):
        raise ValueError(f"{column.name}: {written!r} is not a {'whole ' if kind is int else ''}number.") from None
    limit: Limit = column.metadata["limit"]
    if not limit.allows(value):
        raise ValueError(f"{column.name}: {written!r} must be {limit.words}.")
    return value


def _steps(column: Field[Any], raw: Any) -> Steps:
    limit: Limit = column.metadata["limit"]
    pairs = isinstance(raw, list) and all(isinstance(pair, list) and [*map(type, pair)] == [int, int] for pair in raw)
    if not pairs or not limit.allows(raw):
        raise ValueError(f"{column.name}: {raw!r} must be {limit.words}.")
    return [[*pair] for pair in raw]
