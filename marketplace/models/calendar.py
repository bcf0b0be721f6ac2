"""When each node is taken: one row per node, which is both the search index and the lock."""

from typing import Any

from django.contrib.postgres.fields import DateTimeRangeField
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.types.multirange import TimestamptzMultirange

from accounts.ids import MAX_LENGTH
from marketplace.models.node import Node, Pool


class TimeMultiRangeField(models.Field[Any, Any]):
    """PostgreSQL's `tstzmultirange`, as psycopg's `TimestamptzMultirange` of half-open UTC ranges."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "tstzmultirange"


class NodeCalendar(models.Model):
    """
    The periods in which a node is claimed, cleaning included; and for whom it is held until when, if it is.

    A hold counts while `held_until` lies ahead by the clock, so nobody has to end it; a later one is written over it.
    Lock this row (`FOR NO KEY UPDATE`, nodes ascending) before any change of the node's claims, and before writing
    `busy` or a hold.
    """

    node = models.OneToOneField(Node, primary_key=True, on_delete=models.PROTECT, related_name="calendar")
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="+")
    busy = TimeMultiRangeField(default=TimestamptzMultirange)
    longest_gap = models.GeneratedField(
        expression=models.Func(models.F("busy"), function="longest_gap"),
        output_field=models.DurationField(),
        db_persist=True,
        help_text="Between two of these periods.",
    )
    not_firm = TimeMultiRangeField(
        default=TimestamptzMultirange,
        help_text="The part of `busy` that takes no firm power of the site: surplus leases, and maintenance.",
    )
    held = DateTimeRangeField(null=True, blank=True, help_text="What a quote holds, cleaning included.")
    held_until = models.DateTimeField(null=True, blank=True, help_text="For so long nobody else can take it.")
    held_for = models.CharField(max_length=MAX_LENGTH, blank=True, help_text="The quote's public id.")
    held_firm = models.BooleanField(default=True, help_text="Whether an order of the quote takes firm power.")

    class Meta:
        indexes = [
            models.Index(fields=["pool", "node"], name="calendar_pool"),
            models.Index(fields=["held_for"], name="calendar_held", condition=~models.Q(held_for="")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(held=None, held_until=None, held_for="")
                | models.Q(held__isnull=False, held_until__isnull=False) & ~models.Q(held_for=""),
                name="calendar_hold_is_whole_or_none",
            )
        ]

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
