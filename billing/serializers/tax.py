"""The tax profile, as the API reads and shows it."""

from typing import Any

from rest_framework import serializers

from accounts.http.serializers import StrictSerializer
from billing.models import TaxIdKind, TaxProfile


class TaxShown(serializers.Serializer[Any]):
    """How invoices are taxed. Prices are net; top-ups are never taxed, use is."""

    treatment = serializers.ChoiceField(choices=["none", "reverse_charge", "processor", "calculated"])
    words = serializers.CharField(help_text="As they stand on the invoice.")
    law = serializers.CharField(source="source", help_text="What it follows from.")


class TaxProfileShown(serializers.ModelSerializer[TaxProfile]):
    """One version. The newest is in force."""

    id = serializers.CharField(source="public_id", help_text="Such as tp_…")

    class Meta:
        model = TaxProfile
        fields = [
            "id", "version", "legal_name", "line1", "line2", "city", "region", "postal_code", "country", "tax_id_kind",
            "tax_id", "tax_id_state", "address_state", "declared_at", "declared_by", "checked_at",
        ]  # fmt: skip
        read_only_fields = fields


class TaxProfilesShown(serializers.Serializer[Any]):
    """The profile in force, how it makes invoices taxed, and the versions before it, the newest first."""

    profile = TaxProfileShown(allow_null=True)
    tax = TaxShown()
    history = TaxProfileShown(many=True)


class NewTaxProfile(StrictSerializer):
    """Who the organization is for the tax office."""

    legal_name = serializers.CharField(max_length=120)
    line1 = serializers.CharField(max_length=120, help_text="Street and number.")
    line2 = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    city = serializers.CharField(max_length=80)
    region = serializers.CharField(max_length=40, required=False, allow_blank=True, default="")
    postal_code = serializers.CharField(max_length=20, required=False, allow_blank=True, default="")
    country = serializers.CharField(max_length=2, help_text="ISO 3166-1, two letters.")
    tax_id_kind = serializers.ChoiceField(choices=TaxIdKind.choices, required=False, allow_blank=True, default="")
    tax_id = serializers.CharField(max_length=40, required=False, allow_blank=True, default="")
