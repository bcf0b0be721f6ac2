"""The one body format of the API: JSON of bounded size and depth."""

import io
from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from accounts.http.problems import Problem

MAX_BYTES = 1024 * 1024


class BoundedJSONParser(JSONParser):
    """JSON up to 1 MiB that is not nested beyond what Python can follow."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """The parsed body.

        :raises Problem: 413, when the body is larger than 1 MiB
        :raises ParseError: when it is not JSON
        """
        body = stream.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise Problem(413, "body_too_large", "Body too large", "The body may have at most 1 MiB (1048576 bytes).")
        try:
            return super().parse(io.BytesIO(body), media_type, parser_context)
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
