"""Money on its way in and out through the card processor."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q

from accounts.ids import PublicIdField
from accounts.models import Organization, User
from billing.models.card import SavedCard


class PaymentState(models.TextChoices):
    """How far a payment is. Only what the processor itself says moves it."""

    PENDING = "pending", "waiting for payment"
    ACTION = "action", "waiting for you to confirm"  # at the bank of the saved card; for a day at most
    PAID = "paid", "paid"
    EXPIRED = "expired", "expired"
    FAILED = "failed", "failed"


class RefundState(models.TextChoices):
    """How far a refund is. Its money leaves the wallet when the row is made, and comes back if it fails."""

    PENDING = "pending", "being sent"
    SENT = "sent", "sent, not confirmed yet"
    SUCCEEDED = "succeeded", "refunded"
    FAILED = "failed", "failed"


class Payment(models.Model):
    """
    A top-up by card: at the processor's page, or with `card`, a saved one. The call that opens its checkout or charges
    the card is written with it; it is tried once.
    """

    public_id = PublicIdField(prefix="pm")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="payments")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    kind = models.CharField(max_length=10, default="top_up", editable=False)
    amount_cents = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=PaymentState, default=PaymentState.PENDING)
    error = models.CharField(max_length=300, blank=True, help_text="Why it failed or stands still, for people.")
    checkout_reference = models.CharField(max_length=255, null=True, blank=True, unique=True)
    checkout_url = models.CharField(max_length=2000, blank=True)
    keep_card = models.BooleanField(default=False, help_text="The card typed at the checkout is to be saved.")
    card = models.ForeignKey(SavedCard, on_delete=models.PROTECT, null=True, blank=True, related_name="payments")
    automatic = models.BooleanField(default=False, help_text="Nobody asked for it but the wallet.")
    intent_reference = models.CharField(max_length=255, null=True, blank=True, unique=True)
    bank_url = models.CharField(max_length=2000, blank=True, help_text="Where the card's owner confirms.")
    decline_code = models.CharField(max_length=80, blank=True)
    charge_reference = models.CharField(max_length=255, blank=True, help_text="What a refund refers to.")
    refunded_cents = models.BigIntegerField(default=0, help_text="Asked back so far, less what failed.")
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    next_check_at = models.DateTimeField(help_text="When to ask the processor, in case its message never comes.")
    checks = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["organization", "-id"], name="payment_by_organization"),
            models.Index(
                fields=["next_check_at"], name="payment_pending", condition=Q(state__in=["pending", "action"])
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization"],
                condition=Q(automatic=True, state__in=["pending", "action"]),
                name="payment_one_automatic_under_way",
            ),
            models.CheckConstraint(
                condition=Q(card__isnull=False, checkout_reference=None, keep_card=False)
                | Q(card=None, automatic=False, intent_reference=None) & ~Q(state="action"),
                name="payment_by_saved_card_or_at_a_checkout",
            ),
            models.CheckConstraint(condition=Q(amount_cents__gt=0), name="payment_is_positive"),
            models.CheckConstraint(
                condition=Q(refunded_cents__gte=0, refunded_cents__lte=F("amount_cents")),
                name="payment_is_never_refunded_twice",
            ),
            models.CheckConstraint(
                condition=~Q(state="paid") | Q(settled_at__isnull=False), name="payment_paid_has_a_time"
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def taken_back(self) -> bool:
        """Whether the bank has its money again, for a dispute that is open or lost."""
        return any(dispute.took for dispute in self.disputes.all())


class Refund(models.Model):
    """Money going back to the card of one payment. The call that sends it is written with it."""

    public_id = PublicIdField(prefix="rf")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    amount_cents = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=RefundState, default=RefundState.PENDING)
    reference = models.CharField(max_length=255, null=True, blank=True, unique=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text="How often the processor was asked how far it is.")
    next_attempt_at = models.DateTimeField(help_text="When to ask next, in case its message never comes.")

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at"], name="refund_open", condition=Q(state__in=["pending", "sent"])),
        ]
        constraints = [models.CheckConstraint(condition=Q(amount_cents__gt=0), name="refund_is_positive")]

    def __str__(self) -> str:
        return self.public_id


class GatewayEvent(models.Model):
    """The inbox: each message of the processor once, by its id, for ever. It says where to look, never what is true."""

    event_id = models.CharField(max_length=255, unique=True)
    kind = models.CharField(max_length=80)
    object_reference = models.CharField(max_length=255, blank=True)
    our_id = models.CharField(max_length=40, blank=True, help_text="The payment or refund that it names.")
    payload = models.JSONField(encoder=DjangoJSONEncoder)
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at"], name="gateway_event_open", condition=Q(processed_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"
