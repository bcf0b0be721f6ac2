"""Payments that their cardholders want back, and those that a bank takes for fraud."""

from django.db import models
from django.db.models import Q

from accounts.ids import PublicIdField
from billing.models.payment import Payment


class DisputeState(models.TextChoices):
    """The processor's words, in the order in which a dispute goes through them; it never goes back."""

    ASKED = "warning_needs_response", "inquiry: an answer is due"  # no money was taken
    ASKED_ANSWERED = "warning_under_review", "inquiry: the bank reads our answer"
    PREVENTED = "prevented", "settled before it began"
    ASKED_CLOSED = "warning_closed", "inquiry closed"
    OPEN = "needs_response", "an answer is due"  # the bank has taken the money
    ANSWERED = "under_review", "the bank reads our answer"
    WON = "won", "won"  # the money is back
    LOST = "lost", "lost"


class Dispute(models.Model):
    """
    A cardholder's objection to one payment. The processor's object is the truth; this row only ever moves on towards
    it. Money that was taken or came back is in the ledger, once for each movement that the processor names.
    """

    public_id = PublicIdField(prefix="dp")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="disputes")
    reference = models.CharField(max_length=255, unique=True, help_text="The processor's dispute.")
    state = models.CharField(max_length=24, choices=DisputeState)
    reason = models.CharField(max_length=80, help_text="The bank's word, such as fraudulent.")
    amount_cents = models.BigIntegerField()
    evidence_due_at = models.DateTimeField(null=True, blank=True, help_text="Without an answer by then it is lost.")
    opened_at = models.DateTimeField(help_text="When we learned of it.")
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=DisputeState.values), name="dispute_state_is_known"),
            models.CheckConstraint(condition=Q(amount_cents__gt=0), name="dispute_is_about_money"),
        ]

    def __str__(self) -> str:
        return self.public_id


class FraudWarning(models.Model):
    """A bank's word that a card was probably stolen. Acted on once, so that what staff undo stays undone."""

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="fraud_warnings")
    reference = models.CharField(max_length=255, unique=True, help_text="The processor's warning.")
    kind = models.CharField(max_length=80, help_text="The bank's word, such as made_with_stolen_card.")
    at = models.DateTimeField(help_text="When we learned of it.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.payment}"
