"""What customers owe, for staff."""

from typing import Any

from rest_framework import serializers

from accounts.models import Organization
from billing.models import LONGEST_REFERENCE, Applied, BankTransfer, Invoice, ParkedMonth, WriteOff
from billing.queries.receivables import Receivable


class OwedShown(serializers.Serializer[Any]):
    """How far an invoice by transfer is; needs `today` in its context."""

    state = serializers.SerializerMethodField(help_text="open, overdue, paid or written_off.")
    open_cents = serializers.IntegerField()
    paid_cents = serializers.IntegerField(help_text="By transfers.")
    from_wallet_cents = serializers.IntegerField(help_text="Money and credit that was in the wallet.")
    credited_cents = serializers.IntegerField()
    written_off_cents = serializers.IntegerField()

    def get_state(self, owed: Receivable) -> str:
        """As of today, UTC."""
        return owed.state(self.context["today"]).value


class ReceivableShown(OwedShown):
    """An invoice that is not paid."""

    invoice = serializers.CharField(source="invoice.public_id", help_text="Such as iv_…")
    number = serializers.CharField(source="invoice.number")
    organization = serializers.CharField(source="invoice.organization.public_id", help_text="Such as og_…")
    due_on = serializers.DateField()
    total_cents = serializers.IntegerField(source="invoice.total_cents")


class NewTransfer(serializers.Serializer[Any]):
    """What staff found at the bank."""

    organization = serializers.SlugRelatedField(
        slug_field="public_id", queryset=Organization.objects.all(), help_text="Such as og_…"
    )
    reference = serializers.CharField(max_length=LONGEST_REFERENCE, help_text="The bank's own; names it once.")
    amount_cents = serializers.IntegerField()
    received_at = serializers.DateTimeField()
    invoice = serializers.SlugRelatedField(
        slug_field="public_id", queryset=Invoice.objects.all(), required=False, help_text="Which it pays first."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The invoice is the customer's."""
        if "invoice" in attrs and attrs["invoice"].organization_id != attrs["organization"].pk:
            raise serializers.ValidationError({"invoice": "This customer has no such invoice."})
        return attrs


class AppliedShown(serializers.ModelSerializer[Applied]):
    """What of a transfer paid which invoice."""

    invoice = serializers.CharField(source="invoice.public_id")

    class Meta:
        model = Applied
        fields = ["invoice", "cents", "at"]
        read_only_fields = fields


class TransferShown(serializers.ModelSerializer[BankTransfer]):
    """A transfer, and what it paid; the rest is in the wallet, which pays the next invoice."""

    id = serializers.CharField(source="public_id", help_text="Such as bt_…")
    organization = serializers.CharField(source="organization.public_id")
    applied = AppliedShown(many=True)

    class Meta:
        model = BankTransfer
        fields = ["id", "organization", "reference", "amount_cents", "received_at", "recorded_at", "applied"]
        read_only_fields = fields


class CreditedLine(serializers.Serializer[Any]):
    """A line, and how much of it."""

    line = serializers.IntegerField(min_value=1, help_text="Its place on the invoice, from 1.")
    cents = serializers.IntegerField(help_text="Net.")


class WhyNot(serializers.Serializer[Any]):
    """A reason."""

    reason = serializers.CharField(max_length=200)


class NewCredit(WhyNot):
    """What of an invoice is taken back, and why; the customer reads it."""

    lines = CreditedLine(many=True)


class WriteOffShown(serializers.ModelSerializer[WriteOff]):
    """What was given up."""

    invoice = serializers.CharField(source="invoice.public_id")

    class Meta:
        model = WriteOff
        fields = ["invoice", "cents", "reason", "at"]
        read_only_fields = fields


class ParkedShown(serializers.ModelSerializer[ParkedMonth]):
    """A month that looks wrong."""

    id = serializers.CharField(source="public_id", help_text="Such as pm_…")
    organization = serializers.CharField(source="organization.public_id")

    class Meta:
        model = ParkedMonth
        fields = ["id", "organization", "period_start", "reason", "parked_at", "released_at", "release_reason"]
        read_only_fields = fields
