"""Pages of what has no cursor: a ranking that is made anew for each question, and short lists."""

from rest_framework.pagination import LimitOffsetPagination

from accounts.http.pagination import LARGEST, NewestFirst


class Ranked(LimitOffsetPagination):
    """`count`, `next`, `previous`, `results`. The view has checked `page_size` and `offset` already."""

    limit_query_param = "page_size"
    default_limit = NewestFirst.page_size
    max_limit = LARGEST


class BySlug(NewestFirst):
    """The catalogue's short lists, in the order of their slugs, whole on one page as long as they are short."""

    page_size = LARGEST
    ordering = ("slug", "id")
