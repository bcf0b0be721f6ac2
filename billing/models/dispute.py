"""Charges that their cardholders want back, and those that a bank takes for fraud."""

from django.db import models
from django.db.models import Q

from accounts.ids import PublicIdField
from accounts.models import Organization
from billing.models.metered import CardInvoice
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


TAKEN = frozenset({DisputeState.OPEN, DisputeState.ANSWERED, DisputeState.LOST})  # the bank has the money


class OfACharge(models.Model):
    """Something about one charge of a card: of a top-up, or of a month that is paid by card."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="%(class)ss")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="%(class)ss")
    card_invoice = models.ForeignKey(CardInvoice, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(payment=None, card_invoice__isnull=False) | Q(payment__isnull=False, card_invoice=None),
                name="%(class)s_is_of_one_charge",
            ),
        ]

    @property
    def charged(self) -> Payment | CardInvoice:
        """What the card was charged for."""
        found = self.payment or self.card_invoice
        assert found, "the database has one of them"
        return found


class Dispute(OfACharge):
    """
    A cardholder's objection to one charge. The processor's object is the truth; this row only ever moves on towards
    it. Money that was taken or came back is in the ledger, once for each movement that the processor names.
    """

    public_id = PublicIdField(prefix="dp")
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
            *OfACharge.Meta.constraints,
            models.CheckConstraint(condition=Q(state__in=DisputeState.values), name="dispute_state_is_known"),
            models.CheckConstraint(condition=Q(amount_cents__gt=0), name="dispute_is_about_money"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def took(self) -> bool:
        """Whether the bank has the money."""
        return self.state in TAKEN


class FraudWarning(OfACharge):
    """A bank's word that a card was probably stolen. Acted on once, so that what staff undo stays undone."""

    reference = models.CharField(max_length=255, unique=True, help_text="The processor's warning.")
    kind = models.CharField(max_length=80, help_text="The bank's word, such as made_with_stolen_card.")
    at = models.DateTimeField(help_text="When we learned of it.")

    class Meta(OfACharge.Meta):
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.charged}"
