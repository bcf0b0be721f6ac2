"""When each node is taken: one row per node, which is both the search index and the lock."""

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.types.multirange import TimestamptzMultirange

from marketplace.models.node import Node, Pool


class TimeMultiRangeField(models.Field[Any, Any]):
    """PostgreSQL's `tstzmultirange`, as psycopg's `TimestamptzMultirange` of half-open UTC ranges."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "tstzmultirange"


class NodeCalendar(models.Model):
    """
    The periods in which a node is claimed, cleaning included.

    Lock this row (`FOR NO KEY UPDATE`, nodes ascending) before any change of the node's claims, and before writing
    `busy`.
    """

    node = models.OneToOneField(Node, primary_key=True, on_delete=models.PROTECT, related_name="calendar")
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="+")
    busy = TimeMultiRangeField(default=TimestamptzMultirange)

    class Meta:
        indexes = [models.Index(fields=["pool", "node"], name="calendar_pool")]

    def __str__(self) -> str:
        return f"calendar of node {self.pk}"


@TimeMultiRangeField.register_lookup
class Overlaps(models.Lookup[bool]):
    """`busy__overlaps=<range>`: true where the range and the multirange share an instant (PostgreSQL `&&`)."""

    lookup_name = "overlaps"

    def get_prep_lookup(self) -> Any:
        return self.rhs

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        left, left_params = self.process_lhs(compiler, connection)
        return f"{left} && %s::tstzrange", (*left_params, self.rhs)
