"""An answer or a file as readings: which of its parts are what is said by a feed's mapping."""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, Overflow
from io import StringIO
from typing import Any

MOST_ROWS = 50_000
LARGEST = 10**15
# How a file is read that staff uploads, where the feed itself does not say otherwise.
FILE_MAPPING: Mapping[str, str] = {"at": "at", "until": "until", "value": "value"}


class BadSource(Exception):
    """A source did not tell what it should. The message says where, what is wrong, and what it must be."""


@dataclass(frozen=True)
class Told:
    """One value in a half-open time, UTC."""

    starts_at: datetime
    ends_at: datetime
    value: int


def parse(body: str | bytes, *, form: str, mapping: Mapping[str, str], step: timedelta) -> list[Told]:
    """
    The readings in a text in JSON or CSV. `mapping` says where the rows are (`rows`, JSON alone), and in each of them
    the start (`at`), the end (`until`, else a `step` later) and the value, which is multiplied by `scale`. Names of
    parts within parts are joined by dots.

    :raises BadSource: naming the row and its part
    """
    try:
        text = body if isinstance(body, str) else body.decode("utf-8-sig")
        rows = _json_rows(text, mapping) if form == "json" else csv.DictReader(StringIO(text), strict=True)
        return _told(rows, mapping, step)
    except UnicodeDecodeError as error:
        raise BadSource("This is not a text in UTF-8.") from error
    except csv.Error as error:
        raise BadSource(f"This is not CSV: {error}.") from error
    except (ValueError, RecursionError) as error:  # of a number with thousands of digits, too
        raise BadSource(f"This is not JSON: {error}.") from error


def _json_rows(text: str, mapping: Mapping[str, str]) -> Iterable[Any]:
    rows = _part(json.loads(text, parse_float=Decimal), mapping.get("rows", ""), "rows")
    if not isinstance(rows, list):
        raise BadSource(f"rows: {mapping.get('rows') or 'the answer'} is not a list.")
    return rows


def _told(rows: Iterable[Any], mapping: Mapping[str, str], step: timedelta) -> list[Told]:
    found: list[Told] = []
    for number, row in enumerate(rows, start=1):
        if number > MOST_ROWS:
            raise BadSource(f"There are more than {MOST_ROWS} rows. Ask for, or load, fewer at once.")
        try:
            found.append(_one(row, mapping, step))
        except BadSource as error:
            raise BadSource(f"Row {number}, {error}") from error
        except OverflowError as error:
            raise BadSource(f"Row {number}, at: no such time: use the years 1 to 9999.") from error
    return found


def _one(row: Any, mapping: Mapping[str, str], step: timedelta) -> Told:
    starts_at = _moment(_part(row, mapping.get("at", "at"), "at"), "at")
    until = _part(row, mapping["until"], "until", missing=None) if "until" in mapping else None
    ends_at = _moment(until, "until") if until else starts_at + step
    if ends_at <= starts_at:
        raise BadSource("until: it must be later than the start.")
    return Told(starts_at, ends_at, _value(_part(row, mapping.get("value", "value"), "value"), mapping.get("scale", 1)))


def _part(found: Any, path: str, what: str, **default: Any) -> Any:
    for name in filter(None, path.split(".")):
        try:
            found = found[int(name)] if isinstance(found, list) else found[name]
        except (KeyError, IndexError, TypeError, ValueError):
            if default:
                return default["missing"]
            raise BadSource(f"{what}: there is no {path}.") from None
    return found


def _moment(raw: Any, what: str) -> datetime:
    """A moment as ISO 8601 with its zone, or as seconds since 1970."""
    try:
        if isinstance(raw, int | Decimal):
            return datetime.fromtimestamp(int(float(raw)), UTC)  # of 1e99999999 an int would take for ever
        moment = datetime.fromisoformat(str(raw))
    except (ValueError, OverflowError, OSError):
        raise BadSource(f"{what}: {raw!r} is not a time such as 2026-03-02T12:00:00Z.") from None
    if moment.tzinfo is None:
        raise BadSource(f"{what}: {raw!r} does not say its zone: add Z, or an offset such as -05:00.")
    return moment.astimezone(UTC)


def _value(raw: Any, scale: Any) -> int:
    try:
        value = (Decimal(str(raw)) * Decimal(str(scale))).to_integral_value(ROUND_HALF_EVEN)
    except InvalidOperation:
        raise BadSource(f"value: {raw!r} is not a number.") from None
    except Overflow:
        raise BadSource(f"value: {raw!r} is too large.") from None
    if not value.is_finite() or abs(value) > LARGEST:
        raise BadSource(f"value: {raw!r} is too large, or no number.")
    return int(value)
