"""Agreed time that is handed back: what it costs and brings, before and afterwards."""

from typing import Any

from rest_framework import serializers

from accounts.http.serializers import Moment, StrictSerializer
from billing.models import HandBack
from leasing.models import ChangeKind


class HandBackValue(serializers.Serializer[Any]):
    """What handing back agreed time costs and brings; all zero for a lease without an agreed end."""

    kind = serializers.ChoiceField(choices=ChangeKind.choices)
    since = serializers.DateTimeField(help_text="Handed back is the time from here")
    until = serializers.DateTimeField(allow_null=True, help_text="to here; null where no end was agreed.")
    price_micros = serializers.IntegerField(help_text="Of that time, as agreed.")
    fee_micros = serializers.IntegerField(help_text="Kept of it.")
    repriced_micros = serializers.IntegerField(
        help_text="What the time that stays costs more: before its start a lease is priced as one of its new length."
    )
    micros_per_node_hour = serializers.IntegerField(
        allow_null=True, help_text="Of the time that stays, where it costs more; null where what was agreed stays."
    )
    refund_micros = serializers.IntegerField(help_text="Free in the wallet at once: price - fee - repriced.")
    resale_micros = serializers.IntegerField(help_text="At most so much of the fee comes back as others use the time.")


class HandBackShown(serializers.ModelSerializer[HandBack]):
    """Agreed time that was handed back, with what that cost and has brought so far."""

    id = serializers.CharField(source="change.public_id", help_text="Such as lc_…")
    kind = serializers.ChoiceField(choices=ChangeKind.choices, source="change.kind")
    at = serializers.DateTimeField(source="change.at")
    since = serializers.DateTimeField(source="change.new_ends_at", help_text="Handed back was the time from here")
    until = serializers.DateTimeField(source="change.old_ends_at", help_text="to here.")
    refund_micros = serializers.IntegerField(help_text="Free in the wallet at once: price - fee - repriced.")
    credit_closed = serializers.BooleanField(source="closed", help_text="True once no more can come back.")

    class Meta:
        model = HandBack
        fields = [
            "id",
            "kind",
            "at",
            "since",
            "until",
            "price_micros",
            "fee_micros",
            "repriced_micros",
            "refund_micros",
            "most_credit_micros",
            "credited_micros",
            "credit_closed",
        ]
        read_only_fields = fields


class EarlierEnd(StrictSerializer):
    """When a lease is to end."""

    ends_at = Moment()


class HandBackAsked(StrictSerializer):
    """Until when a lease would go on."""

    ends_at = Moment(required=False, help_text="When the lease would end; without it, now.")
