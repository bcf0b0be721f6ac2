"""Webhook endpoints and deliveries in the API."""

from rest_framework import serializers

from accounts.http.serializers import StrictSerializer
from accounts.models import DeliveryState, WebhookDelivery, WebhookEndpoint
from accounts.webhooks.kinds import MOST_KINDS

KIND_HELP = "Such as lease.ended, or lease.* for all of leases. Empty: every event."


class WebhookEndpointShown(serializers.ModelSerializer[WebhookEndpoint]):
    """An address that is told of events, without its secret."""

    id = serializers.CharField(source="public_id", help_text="Such as we_…")
    kinds = serializers.ListField(child=serializers.CharField(), help_text=KIND_HELP)
    enabled = serializers.BooleanField()
    former_secret_signs_until = serializers.DateTimeField(source="former_until", allow_null=True)

    class Meta:
        model = WebhookEndpoint
        fields = [
            "id",
            "url",
            "description",
            "kinds",
            "enabled",
            "disabled_at",
            "disabled_reason",
            "failing_since",
            "former_secret_signs_until",
            "created_at",
        ]
        read_only_fields = fields


class WebhookEndpointMade(WebhookEndpointShown):
    """An endpoint with its new secret, which is shown this once."""

    secret = serializers.CharField(help_text="whsec_ and base64: the key of its signatures. It cannot be shown again.")

    class Meta(WebhookEndpointShown.Meta):
        fields = [*WebhookEndpointShown.Meta.fields, "secret"]
        read_only_fields = fields


class WebhookEndpointChange(StrictSerializer):
    """What to change of an endpoint; what is left out stays."""

    url = serializers.CharField(max_length=500, required=False, help_text="https://, port 443 or one above 1023.")
    description = serializers.CharField(max_length=200, required=False, allow_blank=True)
    kinds = serializers.ListField(
        child=serializers.CharField(max_length=64), max_length=MOST_KINDS, required=False, help_text=KIND_HELP
    )
    enabled = serializers.BooleanField(required=False)


class NewWebhookEndpoint(StrictSerializer):
    """An endpoint to add."""

    url = serializers.CharField(max_length=500, help_text="https://, port 443 or one above 1023.")
    description = serializers.CharField(max_length=200, default="", allow_blank=True)
    kinds = serializers.ListField(
        child=serializers.CharField(max_length=64), max_length=MOST_KINDS, default=list, help_text=KIND_HELP
    )


class WebhookDeliveryShown(serializers.ModelSerializer[WebhookDelivery]):
    """One event on its way to an endpoint, with what came of the latest try."""

    id = serializers.CharField(source="public_id", help_text="Such as wd_…")
    event = serializers.CharField(source="event.public_id", help_text="Also its webhook-id, the same in every try.")
    kind = serializers.CharField(source="event.kind")
    next_attempt_at = serializers.SerializerMethodField()

    class Meta:
        model = WebhookDelivery
        fields = [
            "id",
            "event",
            "kind",
            "state",
            "attempts",
            "next_attempt_at",
            "attempted_at",
            "status",
            "duration_ms",
            "error",
            "answer",
            "created_at",
            "settled_at",
        ]
        read_only_fields = fields

    def get_next_attempt_at(self, delivery: WebhookDelivery) -> str | None:
        """When it is tried next; null once it is settled."""
        pending = delivery.state == DeliveryState.PENDING
        return serializers.DateTimeField().to_representation(delivery.next_attempt_at) if pending else None


class DeliveryFilter(StrictSerializer):
    """Which deliveries to list."""

    state = serializers.ChoiceField(choices=DeliveryState.choices, required=False)
    cursor = serializers.CharField(required=False)
    page_size = serializers.CharField(required=False)


class SentAgain(serializers.Serializer[object]):
    """How much is sent again."""

    deliveries = serializers.IntegerField()
