"""What a column of a catalogue file may hold, and how to say so to whoever edits the file."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Limit:
    """`allows` decides over a value already of the field's type; `words` complete the sentence "It must be …"."""

    allows: Callable[[Any], bool]
    words: str


def between(low: int, high: int) -> Any:
    """A field of a number within two bounds, both included."""
    return _limited(lambda value: low <= value <= high, f"between {low} and {high}")


def schedule(low: int, high: int) -> Any:
    """A field of a schedule: [[from seconds, value], …], ascending, values within two bounds."""

    def allows(value: list[list[int]]) -> bool:
        starts = [step[0] for step in value]
        return starts == sorted(set(starts)) and all(step[0] >= 0 and low <= step[1] <= high for step in value)

    return _limited(allows, f"a list of [from seconds, value], ascending, values between {low} and {high}")


def choice(values: Iterable[str], words: str = "") -> Any:
    """A field of one of a few words; the message lists them unless it has other `words`."""
    known = frozenset(values)
    return _limited(known.__contains__, words or "one of " + ", ".join(sorted(known)))


def text(most: int) -> Any:
    """A field of 1 to `most` characters."""
    return _limited(lambda value: 1 <= len(value) <= most, f"1 to {most} characters long")


def pattern(expression: str, words: str) -> Any:
    """A field of text that matches a regular expression from end to end."""
    return _limited(re.compile(expression).fullmatch, words)


def short_name() -> Any:
    """A field that names a row, in addresses and in other files."""
    return pattern(
        r"[a-z0-9]+([-_][a-z0-9]+)*", "lower-case letters and digits joined by - or _, such as fort-stockton"
    )


def _limited(allows: Callable[[Any], Any], words: str) -> Any:
    return field(metadata={"limit": Limit(lambda value: bool(allows(value)), words)})
