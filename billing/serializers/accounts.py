"""How an organization pays, as staff see and decide it."""

from rest_framework import serializers

from accounts.http.serializers import StrictSerializer
from billing.models import BillingAccount, BillingMode, TrustLevel
from billing.paying import MOST_CREDIT_MICROS


class AccountShown(serializers.ModelSerializer[BillingAccount]):
    """How an organization pays, and how far it is trusted."""

    organization = serializers.CharField(source="organization.public_id")

    class Meta:
        model = BillingAccount
        fields = ["organization", "mode", "trust", "credit_micros", "suspended_at", "suspended_reason"]
        read_only_fields = fields


class NewTerms(StrictSerializer):
    """Staff's word."""

    mode = serializers.ChoiceField(choices=BillingMode.choices)
    trust = serializers.ChoiceField(choices=TrustLevel.choices)
    credit_micros = serializers.IntegerField(
        min_value=0,
        max_value=MOST_CREDIT_MICROS,
        allow_null=True,
        default=None,
        help_text="Null: what its trust gives.",
    )
    override = serializers.BooleanField(default=False, help_text="It may pay later without a card that works.")
    reason = serializers.CharField(max_length=200, help_text="Kept with the change; for staff.")
