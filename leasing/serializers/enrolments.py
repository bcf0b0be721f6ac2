"""What the operator's API reads and shows of enrolments. Secrets go in, and never come out."""

from typing import Any

from rest_framework import serializers

from accounts.http.serializers import StrictSerializer
from leasing.models import Enrolment, Inspection
from leasing.operations.enrolment import Asked
from leasing.states import EnrolmentState
from marketplace.models import OFFERED_PROVISIONERS, NodeType, Plan, Provisioner, Site


class EnrolmentAsked(StrictSerializer):
    """A host to enrol."""

    site = serializers.SlugRelatedField(slug_field="slug", queryset=Site.objects.all())
    name = serializers.CharField(max_length=60, help_text="The node's name, such as macon-h100x8-9001.")
    provisioner = serializers.ChoiceField(choices=OFFERED_PROVISIONERS, default=Provisioner.PODMAN)
    plan = serializers.SlugRelatedField(slug_field="slug", queryset=Plan.objects.all())
    address = serializers.CharField(max_length=255, default="", allow_blank=True)
    port = serializers.IntegerField(default=22)
    user = serializers.CharField(max_length=32, default="root")
    fingerprint = serializers.CharField(
        max_length=80, default="", allow_blank=True, help_text='"SHA256:…" of the host key that must answer.'
    )
    password = serializers.CharField(max_length=255, default="", allow_blank=True, trim_whitespace=False)
    private_key = serializers.CharField(max_length=20_000, default="", allow_blank=True, trim_whitespace=False)
    node_type = serializers.SlugRelatedField(
        slug_field="slug",
        queryset=NodeType.objects.all(),
        default=None,
        allow_null=True,
        help_text="Null: any of ours.",
    )
    micros_per_node_hour = serializers.IntegerField(
        default=None, allow_null=True, min_value=0, help_text="Null: the price of the offer stays."
    )
    bmc_address = serializers.CharField(max_length=255, default="", allow_blank=True)
    bmc_user = serializers.CharField(max_length=64, default="", allow_blank=True)
    bmc_password = serializers.CharField(max_length=255, default="", allow_blank=True, trim_whitespace=False)

    @property
    def asked(self) -> Asked:
        """What was sent, once it is valid."""
        return Asked(**self.validated_data)


class DifferenceShown(serializers.Serializer[Any]):
    """One part that is not as the node type promises, in words with units."""

    part = serializers.CharField()
    promised = serializers.CharField()
    found = serializers.CharField()


class InspectionShown(serializers.ModelSerializer[Inspection]):
    """What the host was made of, and what it reached."""

    class Meta:
        model = Inspection
        fields = ["at", "passed", "inventory", "measures"]
        read_only_fields = fields


class EnrolmentShown(serializers.ModelSerializer[Enrolment]):
    """A host's way to becoming a node, or a node's through another verification."""

    id = serializers.CharField(source="public_id", help_text="Such as en_…")
    state = serializers.ChoiceField(choices=EnrolmentState.values)
    site = serializers.CharField(source="site.slug")
    provisioner = serializers.ChoiceField(choices=OFFERED_PROVISIONERS)
    plan = serializers.CharField(source="plan.slug", allow_null=True, default=None)
    wanted_type = serializers.CharField(source="wanted_type.slug", allow_null=True, default=None)
    node_type = serializers.CharField(source="node_type.slug", allow_null=True, default=None)
    node = serializers.CharField(source="node.public_id", allow_null=True, default=None, help_text="Once there is one.")
    differences = DifferenceShown(many=True)
    inspection = InspectionShown(allow_null=True, default=None)

    class Meta:
        model = Enrolment
        fields = [
            "id", "name", "state", "reason", "step", "detail", "attempts", "created_at", "state_since", "deadline",
            "site", "provisioner", "address", "port", "user", "fingerprint", "host_key", "bmc_address",
            "plan", "micros_per_node_hour", "wanted_type", "node_type", "node", "differences", "inspection",
        ]  # fmt: skip
        read_only_fields = fields
