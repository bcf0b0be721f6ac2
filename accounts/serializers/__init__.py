"""What the API of this app reads and shows."""

from typing import Any

from rest_framework import serializers

from accounts.access import ACTIONS
from accounts.http.serializers import Moment, StrictSerializer
from accounts.models import APIToken, Event, Membership, Organization, SSHKey
from accounts.operations import LONGEST_NAME
from accounts.sshkeys import MAX_BYTES


class SSHKeyShown(serializers.ModelSerializer[SSHKey]):
    """A public key that may be put on nodes."""

    id = serializers.CharField(source="public_id", help_text="Such as sk_…")
    fingerprint = serializers.CharField(help_text="As `ssh-keygen -l` prints it.")

    class Meta:
        model = SSHKey
        fields = ["id", "name", "algorithm", "public_key", "fingerprint", "created_at"]
        read_only_fields = fields


class NewSSHKey(StrictSerializer):
    """A public key to add: the line in the file that ends in .pub."""

    name = serializers.CharField(max_length=LONGEST_NAME)
    public_key = serializers.CharField(
        max_length=MAX_BYTES, help_text="OpenSSH form: ed25519, ecdsa, sk-* or rsa of at least 3072 bits."
    )


class TokenShown(serializers.ModelSerializer[APIToken]):
    """An API token, without its text."""

    id = serializers.CharField(source="public_id", help_text="Such as tk_…")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=ACTIONS))

    class Meta:
        model = APIToken
        fields = ["id", "name", "prefix", "last4", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at"]
        read_only_fields = fields


class TokenMade(TokenShown):
    """A new API token with its text, which is shown this once."""

    token = serializers.CharField(help_text="Keep it safe: it cannot be shown again.")

    class Meta(TokenShown.Meta):
        fields = [*TokenShown.Meta.fields, "token"]
        read_only_fields = fields


class NewToken(StrictSerializer):
    """A token to make."""

    name = serializers.CharField(max_length=LONGEST_NAME)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=ACTIONS), min_length=1, max_length=len(ACTIONS)
    )
    expires_at = Moment(required=False, help_text="At most 365 days ahead; 90 days by default.")


class EventShown(serializers.ModelSerializer[Event]):
    """One thing that happened in the organization."""

    id = serializers.CharField(source="public_id", help_text="Such as ev_…")
    subject = serializers.CharField(help_text="Public id of what it happened to.")
    actor = serializers.CharField(help_text="Such as user:us_…, token:tk_… or system:leasing.")

    class Meta:
        model = Event
        fields = ["id", "kind", "subject", "actor", "data", "at"]
        read_only_fields = fields


class EventFilter(StrictSerializer):
    """Which events to list."""

    kind = serializers.CharField(
        max_length=64, required=False, help_text="Such as lease.active, or lease for all events of leases."
    )
    subject = serializers.CharField(max_length=64, required=False, help_text="Public id of what they happened to.")
    cursor = serializers.CharField(required=False)
    page_size = serializers.CharField(required=False)


class MemberShown(serializers.ModelSerializer[Membership]):
    """A person in the organization."""

    id = serializers.CharField(source="public_id", help_text="Such as mb_…")
    name = serializers.CharField(source="user.get_full_name")
    email = serializers.EmailField(source="user.email")

    class Meta:
        model = Membership
        fields = ["id", "name", "email", "role", "created_at"]
        read_only_fields = fields


class OrganizationShown(serializers.ModelSerializer[Organization]):
    """The caller's organization and its people."""

    id = serializers.CharField(source="public_id", help_text="Such as og_…")
    members = MemberShown(source="memberships", many=True)

    class Meta:
        model = Organization
        fields = ["id", "name", "data_retention_hours", "created_at", "members"]
        read_only_fields = fields


def filters(serializer: type[StrictSerializer], query: Any) -> dict[str, Any]:
    """The checked filters of a list's query string.

    :raises ValidationError: naming every unknown or malformed parameter
    """
    checked = serializer(data=query)
    checked.is_valid(raise_exception=True)
    return dict(checked.validated_data)
