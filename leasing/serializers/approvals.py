"""Orders that wait for approval, as staff's part of the API reads and shows them."""

from rest_framework import serializers

from accounts.http.serializers import StrictSerializer
from leasing.forms.upkeep import LONGEST_REASON
from leasing.models import Approval


class ApprovalAsked(serializers.ModelSerializer[Approval]):
    """An order that needs the operator's approval, named by its lease."""

    lease = serializers.CharField(source="lease.public_id", help_text="Such as ls_…: the id to decide by.")
    name = serializers.CharField(source="lease.name")
    organization = serializers.CharField(source="lease.organization.name")
    plan = serializers.CharField(source="lease.offer.plan.slug")
    site = serializers.CharField(source="lease.offer.pool.site.slug")
    node_type = serializers.CharField(source="lease.offer.pool.node_type.slug")
    nodes = serializers.IntegerField(source="lease.node_count")
    starts_at = serializers.DateTimeField(source="lease.starts_at")
    ends_at = serializers.DateTimeField(source="lease.ends_at", allow_null=True)
    state = serializers.CharField(source="lease.state", help_text="Of the lease: held while it waits.")
    until = serializers.DateTimeField(source="lease.deadline", allow_null=True, help_text="When it runs out.")

    class Meta:
        model = Approval
        fields = [
            "lease", "name", "organization", "plan", "site", "node_type", "nodes", "starts_at", "ends_at", "state",
            "asked_at", "until", "decided_at", "approved", "decided_by", "note",
        ]  # fmt: skip
        read_only_fields = fields


class Note(StrictSerializer):
    """Words to the customer."""

    note = serializers.CharField(required=False, default="", allow_blank=True, max_length=LONGEST_REASON)


class WhyDeclined(StrictSerializer):
    """Why an order is declined: words to the customer."""

    note = serializers.CharField(max_length=LONGEST_REASON)
