"""Addresses of customers that are told of events, and each event that one is told of."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from accounts.ids import PublicIdField
from accounts.models.event import Event
from accounts.models.party import Organization


class PresentEndpoints(models.Manager["WebhookEndpoint"]):
    """Endpoints that have not been removed."""

    def get_queryset(self) -> models.QuerySet["WebhookEndpoint"]:
        """Leaves removed ones out; their deliveries still find them."""
        return super().get_queryset().filter(removed_at=None)


class WebhookEndpoint(models.Model):
    """Where an organization wants to be told, of what, and the secret by which it knows that it is us who tell."""

    class Off(models.TextChoices):
        """Why nothing is sent there."""

        CHOSEN = "chosen", "Switched off by a member"
        FAILING = "failing", "Nothing but failures for days"
        GONE = "gone", "It answered 410 Gone"

    public_id = PublicIdField(prefix="we")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="webhook_endpoints")
    url = models.CharField(max_length=500)
    description = models.CharField(max_length=200, blank=True)
    kinds = ArrayField(
        models.CharField(max_length=64),
        default=list,
        blank=True,
        help_text="Such as lease.ended, or lease.* for all of leases; empty: every event.",
    )
    since = models.DateTimeField(help_text="Events before are not sent.")
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_reason = models.CharField(max_length=16, choices=Off.choices, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True, help_text="The first failure since anything arrived.")
    secret = models.TextField(editable=False, help_text="Sealed.")
    former_secret = models.TextField(blank=True, editable=False, help_text="Sealed; signs too until former_until.")
    former_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = PresentEndpoints()

    def __str__(self) -> str:
        return self.url

    @property
    def enabled(self) -> bool:
        """Whether it is told."""
        return self.disabled_at is None


class DeliveryState(models.TextChoices):
    """Where a delivery is. Pending ends by itself: delivered, or failed after the last try."""

    PENDING = "pending", "Pending"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed"


class WebhookDelivery(models.Model):
    """One event on its way to one endpoint, with what came of the latest try."""

    public_id = PublicIdField(prefix="wd")
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries")
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="deliveries")
    state = models.CharField(max_length=16, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    in_flight_until = models.DateTimeField(null=True, blank=True, help_text="A worker has it until then.")
    attempted_at = models.DateTimeField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="HTTP status of the answer.")
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True, help_text="Why there was no answer, or why it is no success.")
    answer = models.TextField(blank=True, help_text="The first KiB of the answer's body.")
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "event"], name="webhook_delivery_once"),
            models.CheckConstraint(
                condition=models.Q(state__in=DeliveryState.values), name="webhook_delivery_state_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["endpoint", "next_attempt_at"], condition=models.Q(state="pending"), name="webhook_delivery_due"
            ),
            models.Index(fields=["endpoint", "-created_at", "-id"], name="webhook_delivery_log"),
            models.Index(fields=["created_at"], name="webhook_delivery_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.endpoint}"
