"""The one body format of the API: JSON of bounded size and depth."""

import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from accounts.http.problems import NUL, SURROGATE, Problem, bad_field

MAX_BYTES = 1024 * 1024
ESCAPED = re.compile(rb"\\u(?:0000|d[89a-f])", re.IGNORECASE)  # no body without one has a character that cannot be kept
UNKEPT = re.compile("[\0\ud800-\udfff]")


class BoundedJSONParser(JSONParser):
    """JSON up to 1 MiB that is not nested beyond what Python can follow."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """The parsed body.

        :raises Problem: 413, when the body is larger than 1 MiB
        :raises ParseError: when it is not JSON
        :raises ValidationError: when a text in it has a NUL character or half of one, which nobody can keep or answer
        """
        body = stream.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise Problem(413, "body_too_large", "Body too large", "The body may have at most 1 MiB (1048576 bytes).")
        try:
            parsed = super().parse(io.BytesIO(body), media_type, parser_context)
            refusal = next(_refusals(parsed), None) if ESCAPED.search(body) else None
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        if refusal:
            raise bad_field(*refusal)
        return parsed


def _refusals(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Where texts have such a character, keys too, such as "criteria.site", and what is said of it."""
    if isinstance(value, str) and (found := UNKEPT.search(value)):
        yield UNKEPT.sub("\ufffd", path.replace("\0", "␀")), NUL if found[0] == "\0" else SURROGATE
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inner:
        below = f"{path}.{name}" if path else str(name)
        yield from _refusals(str(name), below)
        yield from _refusals(part, below)
