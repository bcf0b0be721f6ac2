"""The life of a lease as intervals: kept for it, and serving its tenant."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.http.serializers import StrictSerializer
from billing.queries.intervals import IntervalKind, Intervals, Stream


class IntervalFilter(StrictSerializer):
    """Which intervals to list."""

    stream = serializers.ChoiceField(choices=Stream.choices, required=False, help_text="Leave out for both.")


class IntervalShown(serializers.Serializer[Any]):
    """One stretch of one kind, at one price."""

    stream = serializers.ChoiceField(choices=Stream.choices, help_text="Only `consumption` is charged.")
    kind = serializers.ChoiceField(choices=IntervalKind.choices)
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True, help_text="Null: it goes on, and the figures are of `at`.")
    node = serializers.CharField(help_text="Where it is about one node; else empty.")
    nodes = serializers.IntegerField(help_text="That served, were kept, or were out.")
    seconds = serializers.IntegerField()
    node_seconds = serializers.IntegerField(help_text="Of use: what is charged, outages taken off.")
    micros_per_node_hour = serializers.IntegerField()
    micros = serializers.IntegerField()
    free = serializers.BooleanField()
    why = serializers.CharField(help_text="In words, where it is free or a correction.")


class IntervalsShown(serializers.Serializer[Any]):
    """The intervals of a lease. What its use costs is `due_micros`; posted of that is `charged_micros`."""

    lease = serializers.CharField(source="lease.public_id")
    at = serializers.DateTimeField()
    due_micros = serializers.IntegerField(help_text="The sum of the intervals' micros in `consumption`.")
    charged_micros = serializers.IntegerField(help_text="Posted to the ledger so far, corrections included.")
    intervals = serializers.SerializerMethodField(help_text="Each stream in order of time.")
    corrections = IntervalShown(many=True, help_text="What moved earlier charges to what the intervals say now.")

    @extend_schema_field(IntervalShown(many=True))
    def get_intervals(self, found: Intervals) -> Any:
        """Those of the stream that is asked for, or all."""
        stream = self.context.get("stream")
        return IntervalShown(found.of(stream) if stream else found.all, many=True).data
