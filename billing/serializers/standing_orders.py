"""What the API reads and shows of orders that wait for their nodes."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.http.serializers import Moment
from billing.models import Mode, StandingOrder
from billing.serializers.orders import MOST_KEYS, NewLease
from leasing.serializers import LONGEST_NAME
from marketplace.queries import MOST_NODES, NODES_WORDS
from marketplace.serializers import MOST_MICROS, OfferCriteria, SameFabric


class StandingOrderShown(serializers.ModelSerializer[StandingOrder]):
    """An order that waits for its nodes, or did."""

    id = serializers.CharField(source="public_id", help_text="Such as so_…")
    criteria = serializers.SerializerMethodField(help_text="Of the offers that will do.")
    length_seconds = serializers.IntegerField(allow_null=True, help_text="Null: on demand.")
    held_up = serializers.CharField(help_text="Why it was not filled although nodes were free; empty: it never was.")
    lease = serializers.CharField(source="lease.public_id", allow_null=True, default=None, help_text="Once booked.")
    quote = serializers.CharField(
        source="quote.public_id", allow_null=True, default=None, help_text="Once told: order it before it expires."
    )

    class Meta:
        model = StandingOrder
        fields = [
            "id",
            "mode",
            "state",
            "name",
            "project",
            "criteria",
            "nodes",
            "same_fabric",
            "length_seconds",
            "earliest_at",
            "latest_at",
            "max_micros_per_node_hour",
            "accepts_surplus",
            "created_at",
            "expires_at",
            "ended_at",
            "held_up",
            "lease",
            "quote",
        ]
        read_only_fields = fields

    @extend_schema_field(OfferCriteria)
    def get_criteria(self, order: StandingOrder) -> dict[str, Any]:
        """As they were asked."""
        return dict(order.criteria)


class NewStandingOrder(NewLease):
    """
    What to wait for, and, to have it booked, what its lease needs (as for an order). Without `length_seconds` it is on
    demand.
    """

    quote = None  # type: ignore[assignment]  # there is none yet
    mode = serializers.ChoiceField(
        choices=Mode.choices, help_text="`book` the nodes, or `tell` me with a quote that holds them for some minutes."
    )
    criteria = OfferCriteria(required=False, default=dict)
    nodes = serializers.IntegerField(
        min_value=1, max_value=MOST_NODES, default=1, error_messages=NODES_WORDS, help_text="All at one site."
    )
    same_fabric = SameFabric()
    length_seconds = serializers.IntegerField(
        min_value=1,
        max_value=10**9,
        required=False,
        allow_null=True,
        default=None,
        help_text="Needs `latest_at`. Where a plan lets it start at once, it lasts until the first end of that plan's "
        "steps after this.",
    )
    earliest_at = Moment(
        required=False, allow_null=True, default=None, help_text="The lease starts then or later; now, if left out."
    )
    latest_at = Moment(required=False, allow_null=True, default=None, help_text="The lease ends then or earlier.")
    max_micros_per_node_hour = serializers.IntegerField(
        min_value=0,
        max_value=MOST_MICROS,
        required=False,
        allow_null=True,
        default=None,
        help_text="Micro-dollars per node-hour, at most; to be booked it is required.",
    )
    accepts_surplus = serializers.BooleanField(
        default=False,
        help_text="Whether an offer of a surplus plan will do, too, whose leases may be paused after their notice (see "
        "`plans`). Not with `length_seconds`.",
    )
    expires_at = Moment(
        required=False,
        allow_null=True,
        default=None,
        help_text="Wait until then. Left out: as long as it could start, or 30 days.",
    )
    name = serializers.CharField(max_length=LONGEST_NAME, default="standing order")
    ssh_keys = serializers.ListField(
        child=serializers.CharField(), max_length=MOST_KEYS, required=False, default=list, help_text="Required to book."
    )
    image = serializers.CharField(
        required=False, default="", allow_blank=True, help_text="Slug of an image. Required to book."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """
        The fields together.

        :raises ValidationError: if it is to be booked and nobody could log in, or nothing would start
        """
        missing = {name: ["Required to book."] for name in ("ssh_keys", "image") if not attrs[name]}
        if attrs["mode"] == Mode.BOOK and missing:
            raise serializers.ValidationError(missing)
        return attrs
