"""What the operator's part of the API reads and shows."""

from typing import Any

from rest_framework import serializers

from accounts.http.serializers import Moment, StrictSerializer
from leasing.forms.upkeep import LONGEST_REASON
from leasing.models import Claim, Maintenance, MaintenanceState
from leasing.queries.fleet import COUNTS
from marketplace.models import OFFERED_PROVISIONERS, Node, NodeType, Site
from marketplace.states import AFTER_LEASE, NodeState


class NodeShown(serializers.ModelSerializer[Node]):
    """A node as staff sees it. Passwords and keys are shown nowhere."""

    id = serializers.CharField(source="public_id", help_text="Such as nd_…")
    site = serializers.CharField(source="pool.site.slug")
    node_type = serializers.CharField(source="pool.node_type.slug")
    provisioner = serializers.CharField(source="pool.provisioner")
    state = serializers.ChoiceField(choices=NodeState.values)
    booked = serializers.BooleanField(help_text="A lease has claimed it, now or ahead.")
    trouble = serializers.CharField(
        source="health.cause", default="", help_text="What the last look found wrong; empty for nothing."
    )
    after_lease = serializers.CharField(help_text="Where a drain leads; empty for none.")

    class Meta:
        model = Node
        fields = [
            "id", "name", "site", "node_type", "provisioner", "state", "state_since", "reason", "booked", "trouble",
            "cordoned_at", "cordon_reason", "after_lease", "address", "port", "bmc_address", "fabric_group",
        ]  # fmt: skip
        read_only_fields = fields


class ClaimShown(serializers.ModelSerializer[Claim]):
    """A period in which a node is taken."""

    lease = serializers.CharField(source="lease.public_id", default=None, allow_null=True)
    maintenance = serializers.CharField(source="maintenance.public_id", default=None, allow_null=True)
    starts_at = serializers.DateTimeField(source="period.lower")
    ends_at = serializers.DateTimeField(source="period.upper", help_text="Cleaning included.")

    class Meta:
        model = Claim
        fields = ["lease", "maintenance", "starts_at", "ends_at"]
        read_only_fields = fields


class ClearedShown(serializers.Serializer[Any]):
    """The node, and what became of its bookings."""

    node = NodeShown()
    moved = ClaimShown(many=True, help_text="Bookings as they are now, on equal nodes.")
    staying = ClaimShown(many=True, help_text="No equal node is free for all of it: decide with the customer, or wait.")


class CapacityShown(serializers.Serializer[Any]):
    """Equal nodes at one site, counted. A node may be in several counts; retired ones are in none."""

    site = serializers.CharField(source="site_slug")
    node_type = serializers.CharField(source="node_type_slug")
    provisioner = serializers.CharField()
    counts = serializers.DictField(child=serializers.IntegerField(), help_text=f"By {', '.join(COUNTS)}.")


class BlindSiteShown(serializers.ModelSerializer[Site]):
    """A site at whose nodes nobody looks: outages there are neither seen nor told."""

    site = serializers.CharField(source="slug")
    blind_since = serializers.DateTimeField(help_text="The newest look.")

    class Meta:
        model = Site
        fields = ["site", "name", "blind_since"]
        read_only_fields = fields


class MaintenanceShown(serializers.ModelSerializer[Maintenance]):
    """Planned work on a node."""

    id = serializers.CharField(source="public_id", help_text="Such as mt_…")
    node = serializers.CharField(source="node.public_id")
    work = serializers.ChoiceField(source="kind", choices=Maintenance.Kind.values)
    stage = serializers.ChoiceField(source="state", choices=MaintenanceState.values)

    class Meta:
        model = Maintenance
        fields = ["id", "node", "work", "reason", "starts_at", "ends_at", "stage", "created_at"]
        read_only_fields = fields


class FleetAsked(serializers.Serializer[Any]):
    """Which nodes to list."""

    q = serializers.CharField(required=False, help_text="Part of a name or an address, or an id.")
    site = serializers.SlugRelatedField("slug", queryset=Site.objects.all(), required=False)
    node_type = serializers.SlugRelatedField("slug", queryset=NodeType.objects.all(), required=False)
    state = serializers.ChoiceField(choices=NodeState.values, required=False)
    counted = serializers.ChoiceField(choices=list(COUNTS), required=False, help_text="A count of the capacity.")
    provisioner = serializers.ChoiceField(choices=OFFERED_PROVISIONERS, required=False)


class Why(StrictSerializer):
    """Why something is done, for other staff."""

    reason = serializers.CharField(max_length=LONGEST_REASON)


class DrainAsked(Why):
    """Where a node goes once nobody is on it, and why."""

    to = serializers.ChoiceField(choices=[state.value for state in AFTER_LEASE])


class WorkAsked(StrictSerializer):
    """A window of work on a node."""

    work = serializers.ChoiceField(source="kind", choices=Maintenance.Kind.values)
    reason = serializers.CharField(
        max_length=LONGEST_REASON, help_text="The customer whose lease is the last before it reads this."
    )
    starts_at = Moment()
    ends_at = Moment()


class EndAsked(StrictSerializer):
    """Another end of a window."""

    ends_at = Moment()
