"""What the API of this app reads and shows. What a lease costs is added above, in billing."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.http.serializers import StrictSerializer
from leasing.models import (
    PROJECT,
    PROJECT_LENGTH,
    PROJECT_WORDS,
    Approval,
    Lease,
    LeaseKey,
    Machine,
    MachineLog,
    OnFailure,
    Outage,
    OutageCause,
    Transition,
    WipeRecord,
)
from leasing.queries import current_step
from leasing.queries.machines import keys_applied, troubles
from leasing.states import IN_HANDS, LeaseState, MachineState

LONGEST_NAME = 80


class SSHShown(serializers.Serializer[Any]):
    """Where a machine's SSH answers, and the host key that must answer there."""

    host = serializers.CharField()
    port = serializers.IntegerField()
    user = serializers.CharField()
    host_key = serializers.CharField(help_text='OpenSSH public key, such as "ssh-ed25519 AAAA…": pin it.')


class MachineShown(serializers.ModelSerializer[Machine]):
    """One node's service in the lease."""

    id = serializers.CharField(source="public_id", help_text="Such as mc_…")
    hostname = serializers.CharField(help_text="What its siblings call it; who takes its place is called so too.")
    node = serializers.CharField(source="node.name")
    fabric_group = serializers.CharField(
        source="node.fabric_group", help_text="Nodes of one group share a fast network; empty where none is known."
    )
    state = serializers.ChoiceField(choices=MachineState.values)
    step = serializers.CharField(help_text="What is being done on it now, in words; empty when nothing is.")
    ssh = serializers.SerializerMethodField(help_text="Present while the machine is in your hands, else null.")

    class Meta:
        model = Machine
        fields = ["id", "hostname", "node", "fabric_group", "state", "step", "ssh"]
        read_only_fields = fields

    @extend_schema_field(SSHShown(allow_null=True))
    def get_ssh(self, machine: Machine) -> dict[str, Any] | None:
        """Where to log in, once health check and SSH path are proven."""
        return dict(SSHShown(machine).data) if machine.state in IN_HANDS else None


class KeyShown(serializers.ModelSerializer[LeaseKey]):
    """An SSH key that the lease admits."""

    class Meta:
        model = LeaseKey
        fields = ["name", "fingerprint"]
        read_only_fields = fields


class ApprovalShown(serializers.ModelSerializer[Approval]):
    """The operator's word on an order whose plan asks for it."""

    until = serializers.SerializerMethodField(help_text="When it runs out; null once nothing is waited for.")
    note = serializers.CharField(help_text="The operator's words to you; may be empty.")

    class Meta:
        model = Approval
        fields = ["asked_at", "until", "decided_at", "approved", "note"]
        read_only_fields = fields

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_until(self, approval: Approval) -> datetime | None:
        """The lease's deadline while it is held."""
        return approval.lease.deadline if approval.lease.state == LeaseState.HELD else None


class LeaseShown(serializers.ModelSerializer[Lease]):
    """A lease, its machines and where to log in, without its money."""

    id = serializers.CharField(source="public_id", help_text="Such as ls_…")
    state = serializers.ChoiceField(choices=LeaseState.values)
    reason = serializers.CharField(help_text="Code of why it is in this state; empty where nothing is to be said.")
    step = serializers.SerializerMethodField(help_text="What is being done now, in words; empty when nothing is.")
    deadline = serializers.DateTimeField(allow_null=True, help_text="When the state ends by itself.")
    offer = serializers.CharField(source="offer.public_id")
    plan = serializers.CharField(source="offer.plan.slug")
    site = serializers.CharField(source="offer.pool.site.slug")
    node_type = serializers.CharField(source="offer.pool.node_type.slug")
    provisioner = serializers.CharField(source="offer.pool.provisioner")
    simulated = serializers.BooleanField(source="offer.pool.simulated", help_text="True: no real GPU stands behind it.")
    nodes = serializers.IntegerField(source="node_count")
    ends_at = serializers.DateTimeField(allow_null=True, help_text="Null: until it is given back.")
    approval = ApprovalShown(allow_null=True, default=None, help_text="Null where the plan asks for none.")
    image = serializers.CharField(source="image.slug")
    ssh_keys = KeyShown(source="keys", many=True)
    ssh_keys_applied = serializers.SerializerMethodField(
        help_text="False while machines that run do not admit exactly these keys yet."
    )
    environment_names = serializers.ListField(
        child=serializers.CharField(), help_text="Of the variables that are set; values are never shown."
    )
    on_failure = serializers.ChoiceField(choices=OnFailure.choices, help_text="What happens when a node fails.")
    auto_extend_seconds = serializers.IntegerField(
        allow_null=True, help_text="By how much it extends itself before each end; null: it does not."
    )
    auto_extend_max_micros = serializers.IntegerField(
        allow_null=True, help_text="Only while a node-hour costs this at most."
    )
    degraded = serializers.SerializerMethodField(help_text="True while a machine is down; nothing is charged for it.")
    degraded_since = serializers.SerializerMethodField(help_text="Since when; null while all serve.")
    degraded_cause = serializers.SerializerMethodField(help_text="What is wrong; null while all serve.")
    machines = MachineShown(many=True)

    class Meta:
        model = Lease
        fields = [
            "id",
            "name",
            "project",
            "state",
            "reason",
            "step",
            "state_since",
            "deadline",
            "offer",
            "plan",
            "site",
            "node_type",
            "provisioner",
            "simulated",
            "nodes",
            "created_at",
            "starts_at",
            "ends_at",
            "guaranteed_until",
            "approval",
            "same_fabric",
            "image",
            "startup_script",
            "ssh_keys",
            "ssh_keys_applied",
            "environment_names",
            "on_failure",
            "auto_extend_seconds",
            "auto_extend_max_micros",
            "degraded",
            "degraded_since",
            "degraded_cause",
            "machines",
        ]
        read_only_fields = fields

    def get_step(self, lease: Lease) -> str:
        """What is being done for the customer right now."""
        return current_step(lease)

    def get_ssh_keys_applied(self, lease: Lease) -> bool:
        """Whether the machines have caught up with the keys."""
        return keys_applied(lease)

    def get_degraded(self, lease: Lease) -> bool:
        """Whether a machine is down."""
        return bool(troubles(lease))

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_degraded_since(self, lease: Lease) -> datetime | None:
        """When the first one that is down stopped serving."""
        return next((outage.began_at for outage in troubles(lease)), None)

    @extend_schema_field(serializers.ChoiceField(choices=OutageCause.values, allow_null=True))
    def get_degraded_cause(self, lease: Lease) -> str | None:
        """Why."""
        return next((outage.cause for outage in troubles(lease)), None)


class NewLeaseKey(StrictSerializer):
    """A key to admit."""

    ssh_key = serializers.CharField(help_text="One of yours, such as sk_…")


class NewOnFailure(StrictSerializer):
    """What to do when a node fails."""

    on_failure = serializers.ChoiceField(choices=OnFailure.choices)


class Rebuild(StrictSerializer):
    """What to keep."""

    keep_scratch = serializers.BooleanField(help_text="False: /scratch is emptied too. It has no default: say it.")


class OutageShown(serializers.ModelSerializer[Outage]):
    """A stretch in which a machine did not serve you. It is not charged, whether it was called or not."""

    id = serializers.CharField(source="public_id", help_text="Such as ou_…")
    machine = serializers.CharField(source="machine.public_id")
    node = serializers.CharField(source="machine.node.name")
    began_at = serializers.DateTimeField(help_text="The last look that found nothing wrong.")
    ended_at = serializers.DateTimeField(allow_null=True, help_text="Null while it goes on.")
    cause = serializers.ChoiceField(choices=OutageCause.choices)
    called_at = serializers.DateTimeField(allow_null=True, help_text="When you were told; null for one that was short.")
    evidence = serializers.JSONField(help_text="What the first looks saw, and on which path.")

    class Meta:
        model = Outage
        fields = ["id", "machine", "node", "began_at", "ended_at", "cause", "called_at", "evidence"]
        read_only_fields = fields


class MachineLogShown(serializers.ModelSerializer[MachineLog]):
    """A log of a machine, at most its last 64 KiB."""

    machine = serializers.CharField(source="machine.public_id")
    log = serializers.ChoiceField(choices=MachineLog.Kind.choices)
    failed = serializers.BooleanField(help_text="True: the host did not answer, and the text is what it said before.")
    read_at = serializers.DateTimeField(allow_null=True, help_text="Null until the host has answered.")

    class Meta:
        model = MachineLog
        fields = ["machine", "log", "text", "failed", "asked_at", "read_at"]
        read_only_fields = fields


class NewName(StrictSerializer):
    """Another name for a lease."""

    name = serializers.CharField(max_length=LONGEST_NAME)


class NewProject(StrictSerializer):
    """The tag of a lease."""

    project = serializers.RegexField(
        PROJECT,
        max_length=PROJECT_LENGTH,
        allow_blank=True,
        error_messages={"invalid": PROJECT_WORDS},
        help_text="Lower-case letters, digits, - and _; empty: none.",
    )


class TransitionShown(serializers.ModelSerializer[Transition]):
    """One change of a lease's state. Never changed or removed."""

    old = serializers.CharField(help_text="Empty for the first.")
    new = serializers.ChoiceField(choices=LeaseState.values)
    actor = serializers.CharField(help_text="Such as user:us_…, token:tk_… or system:leasing.")

    class Meta:
        model = Transition
        fields = ["seq", "old", "new", "at", "reason", "actor"]
        read_only_fields = fields


class CheckShown(serializers.Serializer[Any]):
    """One thing that was looked at after a wipe, and what was seen."""

    name = serializers.CharField()
    passed = serializers.BooleanField()
    detail = serializers.CharField()


class DeviceShown(serializers.Serializer[Any]):
    """A part of the node that holds data, as it was found after the wipe."""

    kind = serializers.CharField(help_text="disk or gpu.")
    name = serializers.CharField()
    serial = serializers.CharField(help_text="Empty where the part does not tell one.")
    size = serializers.CharField(help_text="With its unit.")


class WipeShown(serializers.ModelSerializer[WipeRecord]):
    """One wipe of one machine."""

    id = serializers.CharField(source="public_id", help_text="Such as wp_…")
    machine = serializers.CharField(source="machine.public_id")
    node = serializers.CharField(source="node.name")
    method = serializers.CharField(help_text="How the data was made unreadable.")
    checks = CheckShown(many=True)
    devices = DeviceShown(many=True)
    verified = serializers.BooleanField(help_text="True only if every check passed.")

    class Meta:
        model = WipeRecord
        fields = ["id", "machine", "node", "method", "started_at", "completed_at", "checks", "devices", "verified"]
        read_only_fields = fields


class CertificateShown(serializers.Serializer[Any]):
    """What became of a lease's data: every wipe of its machines, oldest first."""

    lease = serializers.CharField()
    verified = serializers.BooleanField(help_text="True once every machine that was used is proven clean.")
    wipes = WipeShown(many=True)


class SignatureShown(serializers.Serializer[Any]):
    """Who signed the canonical JSON (keys sorted, no spaces, UTF-8) of the other member."""

    algorithm = serializers.CharField(help_text="Ed25519")
    key_id = serializers.CharField(help_text="The key's fingerprint: see GET certificate-keys.")
    value = serializers.CharField(help_text="64 bytes in base64.")


class SignedCertificateShown(serializers.Serializer[Any]):
    """A certificate, or, while a node is not proven clean, a report in its place."""

    certificate = serializers.DictField(required=False, help_text="Present once every node is proven clean.")
    report = serializers.DictField(required=False, help_text="In its place until then.")
    signature = SignatureShown()


class KeyOfCertificates(serializers.Serializer[Any]):
    """A public key that certificates are checked with."""

    key_id = serializers.CharField(source="id", help_text="Its fingerprint, as ssh-keygen shows it.")
    algorithm = serializers.CharField(default="Ed25519")
    openssh = serializers.CharField()
    pem = serializers.CharField(help_text="SubjectPublicKeyInfo, as OpenSSL reads it.")


class KeysOfCertificates(serializers.Serializer[Any]):
    """The key that signs now, first, and those that signed before it."""

    keys = KeyOfCertificates(many=True)
