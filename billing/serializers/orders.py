"""What is ordered: quotes, leases with their money, what they used."""

import threading
from datetime import datetime
from typing import Any

from rest_framework import serializers

from accounts.http.serializers import Moment, StrictSerializer
from billing.models import Meter, Quote, Usage
from billing.queries import read
from leasing.models import (
    ENVIRONMENT_BYTES,
    PROJECT,
    PROJECT_LENGTH,
    PROJECT_WORDS,
    STARTUP_SCRIPT_BYTES,
    Lease,
    OnFailure,
)
from leasing.operations import BadEnvironment, check_environment
from leasing.serializers import LONGEST_NAME, LeaseShown
from marketplace.queries import MOST_NODES, NODES_WORDS

MOST_KEYS = 50


class QuoteShown(serializers.ModelSerializer[Quote]):
    """A price that is kept until `expires_at`."""

    id = serializers.CharField(source="public_id", help_text="Such as qt_…")
    offer = serializers.CharField(source="offer.public_id")
    ends_at = serializers.DateTimeField(allow_null=True, help_text="Null: until it is given back.")
    list_micros_per_node_hour = serializers.IntegerField(help_text="By the offer's rate, before the discount.")
    discount_percent = serializers.IntegerField(help_text="For the agreed length; 0 without an end.")
    micros_per_node_hour = serializers.IntegerField(help_text="What is charged: the discount is taken off.")
    hold_micros = serializers.IntegerField(help_text="Kept aside in the wallet when you order.")
    total_micros = serializers.IntegerField(allow_null=True, help_text="Price of the window; null without an end.")
    lease = serializers.CharField(source="lease.public_id", allow_null=True, default=None, help_text="Once ordered.")

    class Meta:
        model = Quote
        fields = [
            "id",
            "offer",
            "nodes",
            "same_fabric",
            "starts_at",
            "ends_at",
            "list_micros_per_node_hour",
            "discount_percent",
            "micros_per_node_hour",
            "hold_micros",
            "total_micros",
            "created_at",
            "expires_at",
            "holds_until",
            "lease",
        ]
        read_only_fields = fields


class NewQuote(StrictSerializer):
    """What to price. On-demand offers take no times; reserved ones an end, and a start unless it may be at once."""

    offer = serializers.CharField(help_text="Such as of_…")
    nodes = serializers.IntegerField(min_value=1, max_value=MOST_NODES, default=1, error_messages=NODES_WORDS)
    same_fabric = serializers.BooleanField(default=False, help_text="True: all nodes of one fabric group, or none.")
    starts_at = Moment(required=False, allow_null=True, default=None)
    ends_at = Moment(required=False, allow_null=True, default=None)
    hold = serializers.BooleanField(
        default=False,
        help_text="Hold the nodes until `holds_until`: nobody else can take them. What an earlier quote for the offer "
        "holds is let go, and any order of yours on the offer uses it up.",
    )


class NewLease(StrictSerializer):
    """An order."""

    quote = serializers.CharField(help_text="Such as qt_…; used once.")
    name = serializers.CharField(max_length=LONGEST_NAME)
    project = serializers.RegexField(
        PROJECT,
        max_length=PROJECT_LENGTH,
        required=False,
        default="",
        allow_blank=True,
        error_messages={"invalid": PROJECT_WORDS},
        help_text="A tag of your own: lower-case letters, digits, - and _.",
    )
    ssh_keys = serializers.ListField(
        child=serializers.CharField(), min_length=1, max_length=MOST_KEYS, help_text="Ids such as sk_…: who may log in."
    )
    image = serializers.CharField(help_text="Slug of an image.")
    startup_script = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        trim_whitespace=False,
        help_text="Runs once as root; 16 KiB at most.",
    )
    environment = serializers.DictField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False),
        required=False,
        default=dict,
        help_text=f"Variables by name, secrets among them; {ENVIRONMENT_BYTES // 1024} KiB at most together. Values "
        "are stored encrypted and never shown again.",
    )
    on_failure = serializers.ChoiceField(
        choices=OnFailure.choices,
        default=OnFailure.ASK,
        help_text="When a node fails: `ask` you and wait, or `swap` it for an equal one at once.",
    )

    def validate_startup_script(self, text: str) -> str:
        """At most 16 KiB of UTF-8."""
        if len(text.encode()) > STARTUP_SCRIPT_BYTES:
            raise serializers.ValidationError(f"At most {STARTUP_SCRIPT_BYTES} bytes; let it fetch more.")
        return text

    def validate_environment(self, variables: dict[str, str]) -> dict[str, str]:
        """As a host can set them. A refusal names the variable, never its value."""
        try:
            check_environment(variables)
        except BadEnvironment as error:
            raise serializers.ValidationError(str(error)) from error
        return variables


class LeaseFilter(StrictSerializer):
    """Which leases to list."""

    project = serializers.CharField(required=False, allow_blank=True, help_text="With this tag; empty: without one.")
    cursor = serializers.CharField(required=False)
    page_size = serializers.CharField(required=False)


class PricedLease(LeaseShown):
    """A lease with its money. Read it from `billing.queries.priced_leases`; `now` comes with the context."""

    micros_per_node_hour = serializers.SerializerMethodField(help_text="As agreed, any discount taken off.")
    charged_micros = serializers.SerializerMethodField(help_text="Cost up to now, to the second.")
    billed_seconds = serializers.SerializerMethodField(help_text="Whole seconds that the meter ran up to now.")
    outage_node_seconds = serializers.SerializerMethodField(
        help_text="In outages, and not charged: charged are billed_seconds × nodes less these."
    )
    held_micros = serializers.SerializerMethodField(help_text="Still kept aside for it in the wallet.")

    class Meta(LeaseShown.Meta):
        fields = [
            *LeaseShown.Meta.fields,
            "micros_per_node_hour",
            "charged_micros",
            "billed_seconds",
            "outage_node_seconds",
            "held_micros",
        ]
        read_only_fields = fields

    def to_representation(self, lease: Lease) -> dict[str, Any]:
        """Its meter is read once for all figures."""
        meter: Meter | None = getattr(lease, "meter", None)
        self._reading = read(meter, at=self.context["now"]) if meter else None
        return super().to_representation(lease)

    def get_micros_per_node_hour(self, lease: Lease) -> int:
        """What the meter charges now, or last did."""
        return self._reading.micros_per_node_hour if self._reading else lease.rate.micros_per_node_hour

    def get_charged_micros(self, lease: Lease) -> int:
        """What it costs so far."""
        return self._reading.due_micros if self._reading else 0

    def get_billed_seconds(self, lease: Lease) -> int:
        """For how long."""
        return self._reading.seconds if self._reading else 0

    def get_outage_node_seconds(self, lease: Lease) -> int:
        """How much of it no node served."""
        return self._reading.outage_seconds if self._reading else 0

    def get_held_micros(self, lease: Lease) -> int:
        """What it may still use without asking."""
        return self._reading.held_micros if self._reading else 0


_kept = threading.local()


def priced(lease: Lease, *, now: datetime) -> dict[str, Any]:
    """
    One lease as PricedLease shows it. Making that serializer costs more than using it, so each thread keeps one.
    """
    if not hasattr(_kept, "serializer"):
        _kept.serializer = PricedLease(context={})
    _kept.serializer.context["now"] = now
    return dict(_kept.serializer.to_representation(lease))


class UsageShown(serializers.ModelSerializer[Usage]):
    """
    Use in a slice of time, at most one UTC hour: seconds × nodes - outage_node_seconds are charged. A correction of an
    earlier slice, by what became known after that was charged, is signed.
    """

    corrects_from_at = serializers.DateTimeField(
        source="corrects.from_at",
        default=None,
        allow_null=True,
        help_text="Of a correction: the slice that begins then.",
    )

    class Meta:
        model = Usage
        fields = [
            "kind",
            "corrects_from_at",
            "from_at",
            "until_at",
            "seconds",
            "nodes",
            "outage_node_seconds",
            "micros_per_node_hour",
            "micros",
        ]
        read_only_fields = fields
