"""Pages of what has no cursor: a ranking that is made anew for each question, and short lists."""

from typing import Any

from rest_framework.pagination import LimitOffsetPagination

from accounts.http.pagination import LARGEST, NewestFirst, with_ends


class Ranked(LimitOffsetPagination):
    """`count`, `next`, `previous`, `results`. The view has checked `page_size` and `offset` already."""

    limit_query_param = "page_size"
    default_limit = NewestFirst.page_size
    max_limit = LARGEST

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Of a page with such rows."""
        return with_ends(super().get_paginated_response_schema(schema))


class BySlug(NewestFirst):
    """The catalogue's short lists, in the order of their slugs, whole on one page as long as they are short."""

    page_size = LARGEST
    ordering = ("slug", "id")
