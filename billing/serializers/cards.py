"""Saved cards, the pages on which they are saved, automatic top-up, and promotional credit."""

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.http.serializers import Moment, StrictSerializer
from accounts.models import Organization
from billing.models import AutoTopUp, CardPage, CardPageState, CreditGrant, SavedCard


class CardShown(serializers.ModelSerializer[SavedCard]):
    """A saved card, as far as anybody but the card processor knows it."""

    id = serializers.CharField(source="public_id", help_text="Such as cd_…")
    expires_at = serializers.DateTimeField(read_only=True, help_text="From then on it is no longer good.")

    class Meta:
        model = SavedCard
        fields = ["id", "brand", "last4", "exp_year", "exp_month", "expires_at", "is_default", "created_at"]
        read_only_fields = fields


class CardPageShown(serializers.ModelSerializer[CardPage]):
    """The saving of a card: open `url` in a browser, logged in, and type the card on the processor's page."""

    id = serializers.CharField(source="public_id", help_text="Such as cp_…")
    url = serializers.SerializerMethodField(help_text="Leads on to the processor's page; null once that is over.")
    card = serializers.CharField(source="card.public_id", allow_null=True, default=None)

    class Meta:
        model = CardPage
        fields = ["id", "state", "url", "card", "created_at"]
        read_only_fields = fields

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_url(self, page: CardPage) -> str | None:
        """Our own address, which leads on."""
        return f"{settings.BASE_URL}/card-pages/{page.public_id}/type/" if page.state == CardPageState.OPEN else None


class AutoTopUpShown(serializers.ModelSerializer[AutoTopUp]):
    """Automatic top-up: its rules, how it goes, and what it has charged this month."""

    used_cents = serializers.SerializerMethodField(help_text="Charged in this UTC month, or being charged.")

    class Meta:
        model = AutoTopUp
        fields = [
            "active",
            "threshold_cents",
            "amount_cents",
            "ceiling_cents",
            "used_cents",
            "failures",
            "next_attempt_at",
            "off_reason",
        ]
        read_only_fields = fields

    def get_used_cents(self, _: object) -> int:
        """Said by the view, which looked it up."""
        return int(self.context["used_cents"])


class NewAutoTopUp(StrictSerializer):
    """The rules of automatic top-up. Cents."""

    threshold_cents = serializers.IntegerField(help_text="Top up when less than this is available.")
    amount_cents = serializers.IntegerField(help_text="By how much: 1000 to 5000000.")
    ceiling_cents = serializers.IntegerField(help_text="In each UTC calendar month, at most.")


class CreditGrantShown(serializers.ModelSerializer[CreditGrant]):
    """Promotional credit: part of the wallet's balance, spent before other money, never paid out."""

    id = serializers.CharField(source="public_id", help_text="Such as cg_…")

    class Meta:
        model = CreditGrant
        fields = ["id", "amount_micros", "remaining_micros", "expires_at", "lapsed_at", "reason", "created_at"]
        read_only_fields = fields


class NewCreditGrant(StrictSerializer):
    """Credit to give, by staff."""

    organization = serializers.SlugRelatedField(queryset=Organization.objects.all(), slug_field="public_id")
    amount_micros = serializers.IntegerField(help_text="At most 10000000000: $10,000.00.")
    reason = serializers.CharField(max_length=200, help_text="The customer reads it.")
    expires_at = Moment(default=None, allow_null=True, help_text="Null: it never ends.")
    key = serializers.CharField(max_length=60, help_text="Yours, one for each gift.")
