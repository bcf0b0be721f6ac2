"""The wallet, what moves in it, and what is paid in and back."""

from datetime import date
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.http.serializers import StrictSerializer
from billing.models import CardInvoice, Entry, Payment, PaymentState, Refund
from billing.settlement import pay_url


class WalletShown(serializers.Serializer[Any]):
    """The organization's money now."""

    balance_micros = serializers.IntegerField(help_text="By the ledger.")
    accrued_micros = serializers.IntegerField(help_text="Used since the last posting.")
    held_micros = serializers.IntegerField(help_text="Kept aside for leases that are ordered or running.")
    promotional_micros = serializers.IntegerField(
        help_text="Of the balance: promotional credit, less what is accrued. Spent first, never paid out."
    )
    mode = serializers.SerializerMethodField(help_text="How you pay: prepaid, metered (by card each month), invoiced.")
    credit_micros = serializers.IntegerField(help_text="How far the wallet may go below nothing.")
    credit_used_micros = serializers.IntegerField(help_text="Of it; more where the credit was cut.")
    available_micros = serializers.IntegerField(help_text="balance + credit - accrued - held: what an order may use.")
    burn_micros_per_hour = serializers.IntegerField(help_text="Of on-demand leases that are running.")
    seconds_left = serializers.IntegerField(
        allow_null=True, help_text="For these, and for leases that extend themselves; null if there are none."
    )
    refundable_cents = serializers.SerializerMethodField(help_text="What can go back to your cards.")
    matched_on = serializers.SerializerMethodField(
        help_text="The last UTC day up to which our ledger and the card processor's count agree; null if not metered."
    )

    def get_mode(self, _: object) -> str:
        """Said by the view, as the rest."""
        return str(self.context["mode"])

    @extend_schema_field(serializers.DateField(allow_null=True))
    def get_matched_on(self, _: object) -> date | None:
        """Said by the view."""
        found: date | None = self.context["matched_on"]
        return found

    def get_refundable_cents(self, _: object) -> int:
        """Said by the view, which looked it up."""
        return int(self.context["refundable_cents"])


class EntryShown(serializers.ModelSerializer[Entry]):
    """One movement in the wallet. Never changed or removed."""

    id = serializers.CharField(source="posting.public_id", help_text="Such as le_…")
    kind = serializers.CharField(source="posting.kind")
    at = serializers.DateTimeField(source="posting.at")
    balance_micros = serializers.IntegerField(help_text="The wallet's balance after it.")
    lease = serializers.CharField(source="posting.lease.public_id", allow_null=True, default=None)
    payment = serializers.CharField(source="posting.payment.public_id", allow_null=True, default=None)
    memo = serializers.CharField(source="posting.memo")

    class Meta:
        model = Entry
        fields = ["id", "kind", "at", "amount_micros", "balance_micros", "lease", "payment", "memo"]
        read_only_fields = fields


class CardInvoiceShown(serializers.ModelSerializer[CardInvoice]):
    """
    An invoice of the card processor's, for a month that was metered: `subtotal_cents` is net, `total_cents` with tax.
    """

    id = serializers.CharField(source="public_id", help_text="Such as ci_…")

    class Meta:
        model = CardInvoice
        fields = [
            "id",
            "number",
            "status",
            "period_start",
            "period_end",
            "subtotal_cents",
            "tax_cents",
            "tax_note",
            "total_cents",
            "due_cents",
            "paid_cents",
            "page_url",
            "pdf_url",
            "finalized_at",
            "paid_at",
            "failed_at",
            "next_attempt_at",
        ]
        read_only_fields = fields


class TopUpShown(serializers.ModelSerializer[Payment]):
    """A payment into the wallet. It counts once its state is `paid`."""

    id = serializers.CharField(source="public_id", help_text="Such as pm_…")
    checkout_url = serializers.SerializerMethodField(help_text="Open it in a browser to pay; null once nothing is due.")
    card = serializers.CharField(source="card.public_id", allow_null=True, default=None)
    confirm_url = serializers.SerializerMethodField(
        help_text="In state `action`: open it in a browser, logged in, to confirm with the bank; else null."
    )

    class Meta:
        model = Payment
        fields = [
            "id",
            "amount_cents",
            "state",
            "error",
            "refunded_cents",
            "created_at",
            "settled_at",
            "checkout_url",
            "card",
            "automatic",
            "decline_code",
            "confirm_url",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_confirm_url(self, payment: Payment) -> str | None:
        """Leads on to the bank's page."""
        asked = payment.state == PaymentState.ACTION
        return f"{settings.BASE_URL}/top-ups/{payment.public_id}/confirm/" if asked else None

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_checkout_url(self, payment: Payment) -> str | None:
        """Leads on to the processor's page."""
        return pay_url(payment)


class NewTopUp(StrictSerializer):
    """How much to pay in, and by which card."""

    amount_cents = serializers.IntegerField(help_text="1000 to 5000000: $10.00 to $50,000.00.")
    card = serializers.CharField(required=False, help_text="A saved card (cd_…), which is charged at once.")
    keep_card = serializers.BooleanField(default=False, help_text="Save the card that is typed at the checkout.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A saved card is kept already."""
        if attrs.get("card") and attrs["keep_card"]:
            raise serializers.ValidationError({"keep_card": ["This card is saved already. Leave keep_card out."]})
        return attrs


class RefundShown(serializers.ModelSerializer[Refund]):
    """Money on its way back to the card of one payment."""

    id = serializers.CharField(source="public_id", help_text="Such as rf_…")
    payment = serializers.CharField(source="payment.public_id")

    class Meta:
        model = Refund
        fields = ["id", "payment", "amount_cents", "state", "error", "created_at", "settled_at"]
        read_only_fields = fields


class NewRefund(StrictSerializer):
    """How much to pay back."""

    amount_cents = serializers.IntegerField(min_value=1, help_text="At most the wallet's refundable_cents.")
