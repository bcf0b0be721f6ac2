"""Cards that a customer let us keep. Their numbers are the processor's; a row mirrors its object."""

from datetime import UTC, datetime

from django.db import models
from django.db.models import Q

from accounts.ids import PublicIdField
from accounts.models import Organization, User


class SavedCard(models.Model):
    """A card that may be charged when nobody is there. All but `is_default` is as the processor says."""

    public_id = PublicIdField(prefix="cd")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="cards")
    reference = models.CharField(max_length=255, unique=True, help_text="The processor's payment method.")
    brand = models.CharField(max_length=30)
    last4 = models.CharField(max_length=4)
    exp_year = models.PositiveSmallIntegerField()
    exp_month = models.PositiveSmallIntegerField()
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    next_check_at = models.DateTimeField(help_text="When to look at the processor's object again.")
    expiry_told_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["organization", "-is_default", "-id"]
        indexes = [
            models.Index(fields=["organization"], name="saved_card_of", condition=Q(removed_at=None)),
            models.Index(fields=["next_check_at"], name="saved_card_to_check", condition=Q(removed_at=None)),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization"], condition=Q(is_default=True), name="saved_card_one_default"
            ),
            models.CheckConstraint(
                condition=Q(removed_at=None) | Q(is_default=False), name="saved_card_removed_is_no_default"
            ),
            models.CheckConstraint(condition=Q(exp_month__range=(1, 12)), name="saved_card_expires_in_a_month"),
        ]

    def __str__(self) -> str:
        return f"{self.brand.capitalize()} ending in {self.last4}"

    @property
    def expires_at(self) -> datetime:
        """The moment from which it is no longer good: a card is good through its last month."""
        return datetime(self.exp_year + self.exp_month // 12, self.exp_month % 12 + 1, 1, tzinfo=UTC)


class CardPageState(models.TextChoices):
    """How far the saving of a card is."""

    OPEN = "open", "waiting for the card"
    SAVED = "saved", "saved"
    EXPIRED = "expired", "expired"


class CardPage(models.Model):
    """A page of the processor on which a customer saves a card."""

    public_id = PublicIdField(prefix="cp")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    state = models.CharField(max_length=10, choices=CardPageState, default=CardPageState.OPEN)
    reference = models.CharField(max_length=255, null=True, blank=True, unique=True)
    url = models.CharField(max_length=2000, blank=True)
    card = models.ForeignKey(SavedCard, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    next_check_at = models.DateTimeField(help_text="When to ask the processor, in case its message never comes.")
    checks = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["next_check_at"], name="card_page_open", condition=Q(state="open"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="saved", card__isnull=False) | ~Q(state="saved") & Q(card=None),
                name="card_page_saved_has_a_card",
            )
        ]

    def __str__(self) -> str:
        return self.public_id
