"""Our ledger beside the card processor's account, as staff's part of the API shows it."""

from rest_framework import serializers

from accounts.http.serializers import StrictSerializer
from billing.models import Discrepancy, Reconciliation


class ReconciledDayShown(serializers.ModelSerializer[Reconciliation]):
    """A UTC day that was compared. Cents, over whole objects that moved on it."""

    class Meta:
        model = Reconciliation
        fields = ["day", "objects_compared", "processor_cents", "ledger_cents", "fees_cents", "at"]
        read_only_fields = fields


class DiscrepancyShown(serializers.ModelSerializer[Discrepancy]):
    """An object that moved another amount at the processor than in our ledger. Cents."""

    id = serializers.CharField(source="public_id")
    organization = serializers.CharField(
        source="organization.public_id", default=None, allow_null=True, help_text="Whose money it is, where known."
    )

    class Meta:
        model = Discrepancy
        fields = [
            "id", "day", "source", "organization", "processor_cents", "ledger_cents", "found_at", "gone_at",
            "explained_at", "reason",
        ]  # fmt: skip
        read_only_fields = fields


class Reason(StrictSerializer):
    """Why it differs."""

    reason = serializers.CharField(max_length=300)
