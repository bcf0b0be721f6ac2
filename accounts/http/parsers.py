"""The one body format of the API: JSON of bounded size and depth."""

import io
from collections.abc import Iterator, Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from accounts.http.problems import NUL, Problem, bad_field

MAX_BYTES = 1024 * 1024


class BoundedJSONParser(JSONParser):
    """JSON up to 1 MiB that is not nested beyond what Python can follow."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """The parsed body.

        :raises Problem: 413, when the body is larger than 1 MiB
        :raises ParseError: when it is not JSON
        :raises ValidationError: when a text in it has a NUL character, which the database cannot be asked for
        """
        body = stream.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise Problem(413, "body_too_large", "Body too large", "The body may have at most 1 MiB (1048576 bytes).")
        try:
            parsed = super().parse(io.BytesIO(body), media_type, parser_context)
            at = next(_nuls(parsed), None) if b"\\u0000" in body else None
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        if at is not None:
            raise bad_field(at, NUL)
        return parsed


def _nuls(value: Any, path: str = "") -> Iterator[str]:
    """Where texts have a NUL character, keys too, such as "criteria.site"."""
    if isinstance(value, str) and "\0" in value:
        yield path.replace("\0", "␀")
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inner:
        below = f"{path}.{name}" if path else str(name)
        yield from _nuls(str(name), below)
        yield from _nuls(part, below)
