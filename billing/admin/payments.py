"""Money on its way in and out, and every word with the card processor."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from accounts.admin import Readable
from billing.admin.columns import dollars
from billing.models import (
    BillingAccount,
    Discrepancy,
    Dispute,
    Forgery,
    FraudWarning,
    GatewayCall,
    GatewayEvent,
    GatewayIncident,
    Payment,
    Refund,
    TaxProfile,
)


@admin.register(Payment)
class PaymentAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Top-ups; those with an error need a look."""

    list_display = [
        "public_id",
        "organization",
        dollars("amount_cents", "amount", cents=True),
        "state",
        dollars("refunded_cents", "refunded", cents=True),
        "created_at",
        "settled_at",
        "error",
    ]
    list_filter = ["state", "created_at"]
    search_fields = ["public_id", "organization__name", "checkout_reference", "charge_reference"]
    list_select_related = ["organization"]


@admin.register(Refund)
class RefundAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Money on its way back."""

    list_display = [
        "public_id",
        "payment",
        dollars("amount_cents", "amount", cents=True),
        "state",
        "attempts",
        "created_at",
        "settled_at",
        "error",
    ]
    list_filter = ["state"]
    search_fields = ["public_id", "payment__public_id", "reference"]
    list_select_related = ["payment"]


@admin.register(GatewayIncident)
class GatewayIncidentAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """When the processor refused our key, or calls to it waited for too long."""

    list_display = ["kind", "began_at", "last_at", "over_at", "message"]
    list_filter = ["kind"]
    search_fields = ["message"]


@admin.register(GatewayEvent)
class GatewayEventAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """The processor's messages; those that are open with an error are tried again for three days."""

    list_display = [
        "event_id",
        "kind",
        "object_reference",
        "our_id",
        "received_at",
        "processed_at",
        "attempts",
        "error",
    ]
    list_filter = ["kind", "processed_at"]
    search_fields = ["event_id", "object_reference", "our_id"]


@admin.register(Forgery)
class ForgeryAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Messages that were refused, by day and reason."""

    list_display = ["day", "reason", "count", "last_at"]
    list_filter = ["day"]
    search_fields = ["reason"]


@admin.register(Discrepancy)
class DiscrepancyAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Where the processor and our ledger differ; explained on the page for it."""

    list_display = [
        "source",
        "organization",
        "day",
        dollars("processor_cents", "processor", cents=True),
        dollars("ledger_cents", "ledger", cents=True),
        "gone_at",
        "explained_by",
    ]
    list_filter = ["day"]
    search_fields = ["public_id", "source", "reason", "organization__name"]
    list_select_related = ["organization", "explained_by"]


@admin.register(GatewayCall)
class GatewayCallAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Calls to the processor; those that are open are made again, and those that are uncertain only looked for."""

    list_display = [
        "public_id",
        "organization",
        "kind",
        "subject",
        "state",
        "created_at",
        "attempts",
        "next_attempt_at",
        "error_code",
    ]
    list_filter = ["state", "kind"]
    search_fields = ["public_id", "subject", "reference", "organization__name"]
    list_select_related = ["organization"]


@admin.register(Dispute)
class DisputeAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Payments that their cardholders want back; staff work on them under /operations/disputes/."""

    list_display = [
        "public_id",
        "organization",
        "state",
        "reason",
        dollars("amount_cents", "amount", cents=True),
        "evidence_due_at",
    ]
    list_filter = ["state"]
    search_fields = ["public_id", "reference", "payment__public_id", "organization__name"]
    list_select_related = ["organization"]


@admin.register(FraudWarning)
class FraudWarningAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Banks' warnings."""

    list_display = ["organization", "kind", "at"]
    search_fields = ["reference", "payment__public_id", "organization__name"]
    list_select_related = ["organization"]


@admin.register(TaxProfile)
class TaxProfileAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Who organizations are for the tax office, version by version."""

    list_display = [
        "organization",
        "version",
        "legal_name",
        "country",
        "address_state",
        "tax_id",
        "tax_id_state",
        "declared_at",
    ]
    list_filter = ["address_state", "tax_id_state", "country"]
    search_fields = ["organization__name", "legal_name", "tax_id"]
    list_select_related = ["organization"]


@admin.register(BillingAccount)
class BillingAccountAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """How each organization pays, and how far it is trusted."""

    list_display = ["organization", "mode", dollars("credit_micros", "credit"), "customer_reference", "suspended_at"]
    list_filter = ["mode"]
    search_fields = ["organization__name", "organization__public_id", "customer_reference"]
    list_select_related = ["organization"]
