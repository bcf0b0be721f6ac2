"""Adjustments, as staff's part of the API reads and shows them."""

from rest_framework import serializers

from accounts.http.serializers import StrictSerializer
from billing.adjusting import LONGEST_REASON, LONGEST_WORDS
from billing.models import Adjustment


class AdjustmentShown(serializers.ModelSerializer[Adjustment]):
    """What staff do by hand: an adjustment, a gift, a credit note, a write-off, a bank transfer, a credit raise."""

    id = serializers.CharField(source="public_id", help_text="Such as ad_…")
    organization = serializers.CharField(source="organization.public_id")
    lease = serializers.CharField(source="lease.public_id", allow_null=True, default=None)
    invoice_line = serializers.IntegerField(source="invoice_line_id", allow_null=True)
    asked_by = serializers.CharField(source="asked_by.email")
    decided_by = serializers.CharField(source="decided_by.email", allow_null=True, default=None)
    posting = serializers.CharField(source="posting.public_id", allow_null=True, default=None)

    class Meta:
        model = Adjustment
        fields = [
            "id", "kind", "organization", "wanted", "lease", "invoice_line", "amount_micros", "words", "reason",
            "needs_second", "state", "asked_by", "asked_at", "expires_at", "decided_by", "decided_at", "posting",
        ]  # fmt: skip
        read_only_fields = fields


class NewAdjustment(StrictSerializer):
    """What to credit (more than nothing) or debit (less), and why."""

    organization = serializers.CharField(max_length=40)
    amount_cents = serializers.IntegerField()
    words = serializers.CharField(max_length=LONGEST_WORDS, help_text="What the customer reads.")
    reason = serializers.CharField(max_length=LONGEST_REASON, help_text="For staff.")
    lease = serializers.CharField(max_length=40, required=False, default="")
    invoice_line = serializers.IntegerField(
        required=False, default=None, allow_null=True, help_text="Always refused: its way is a credit note."
    )
