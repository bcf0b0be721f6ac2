"""Pages of lists: newest first, by cursor, so that a growing list neither repeats nor skips."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

SMALLEST, LARGEST = 1, 200


def with_ends(page: dict[str, Any]) -> dict[str, Any]:
    """The schema of a page as OpenAPI 3.1 says it: `next` and `previous` are null at the ends of a list."""
    for name in ("next", "previous"):
        link = page["properties"][name]
        page["properties"][name] = {"type": ["string", "null"], "format": link["format"], "example": link["example"]}
    return page


class NewestFirst(CursorPagination):
    """`next`, `previous`, `results`; 50 rows a page, at most 200. A view may set `ordering` of its own."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = LARGEST
    ordering = ("-created_at", "-id")

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> tuple[str, ...]:
        """The view's `ordering`, or newest first."""
        return tuple(getattr(view, "ordering", None) or self.ordering)

    def get_page_size(self, request: Request) -> int:
        """The rows a page shall have.

        :raises ValidationError: when `page_size` is no whole number from 1 to 200
        """
        wanted = request.query_params.get("page_size", str(self.page_size))
        if not (wanted.isascii() and wanted.isdigit() and SMALLEST <= int(wanted[:9]) <= LARGEST):
            raise ValidationError({"page_size": [f"Must be a whole number from {SMALLEST} to {LARGEST}."]})
        return int(wanted)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Of a page with such rows."""
        return with_ends(super().get_paginated_response_schema(schema))
