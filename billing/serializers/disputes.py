"""Disputed payments, as staff's part of the API shows them."""

from rest_framework import serializers

from accounts.http.serializers import StrictSerializer
from accounts.models import Organization
from billing.models import Dispute


class DisputeShown(serializers.ModelSerializer[Dispute]):
    """A disputed payment."""

    id = serializers.CharField(source="public_id", help_text="Such as dp_…")
    charged = serializers.CharField(source="charged.public_id", help_text="A top-up, or a month that was paid by card.")
    organization = serializers.CharField(source="organization.public_id")
    organization_name = serializers.CharField(source="organization.name")
    suspended_at = serializers.DateTimeField(
        source="organization.billing_account.suspended_at", allow_null=True, default=None
    )

    class Meta:
        model = Dispute
        fields = [
            "id", "charged", "organization", "organization_name", "reference", "state", "reason", "amount_cents",
            "evidence_due_at", "opened_at", "closed_at", "suspended_at",
        ]  # fmt: skip
        read_only_fields = fields


class WhySuspended(StrictSerializer):
    """Why an organization's orders are stopped, or taken again."""

    reason = serializers.CharField(max_length=200, help_text="For staff; the organization never reads it.")


class SuspensionShown(serializers.Serializer[Organization]):
    """Whether an organization may order: neither suspended nor held."""

    organization = serializers.CharField(source="public_id")
    suspended_at = serializers.DateTimeField(source="billing_account.suspended_at", allow_null=True, default=None)
    held = serializers.SerializerMethodField(help_text="Whether its orders are on hold.")

    def get_held(self, organization: Organization) -> bool:
        """Never why: that is in staff's log."""
        return bool(organization.ordering_hold)
