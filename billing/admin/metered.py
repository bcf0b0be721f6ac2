"""What is billed by the month through the card processor."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from accounts.admin import Readable
from billing.admin.columns import dollars
from billing.models import CardInvoice, Export, MeteredPrice, MeteredSubscription, TieOut


@admin.register(MeteredPrice)
class MeteredPriceAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """The meter and its price at the processor."""

    list_display = ["event_name", "meter_reference", "price_reference"]
    search_fields = ["event_name"]


@admin.register(MeteredSubscription)
class MeteredSubscriptionAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Who is billed by the month, and how far its ledger was told."""

    list_display = [
        "organization",
        "reference",
        "started_at",
        "ends_at",
        "taxed",
        "exported_number",
        dollars("carry_micros", "still to be taken off"),
    ]
    search_fields = ["organization__name", "organization__public_id", "reference"]
    list_select_related = ["organization"]


@admin.register(Export)
class ExportAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """What the processor was told, by hour and lease."""

    list_display = [
        "identifier",
        "organization",
        "hour",
        dollars("micros", "charged"),
        dollars("value_micros", "told"),
        "way",
        "state",
        "at",
    ]
    list_filter = ["state", "way"]
    search_fields = ["identifier", "organization__name"]
    list_select_related = ["organization"]


@admin.register(CardInvoice)
class CardInvoiceAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """The processor's invoices."""

    list_display = [
        "number",
        "organization",
        "period_start",
        dollars("tax_cents", "tax", cents=True),
        dollars("total_cents", "total", cents=True),
        dollars("paid_cents", "paid", cents=True),
        "status",
        "attempts",
        "failed_at",
    ]
    list_filter = ["status"]
    search_fields = ["number", "public_id", "reference", "organization__name"]
    list_select_related = ["organization"]


@admin.register(TieOut)
class TieOutAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Days and months by three books; those that differ need a look."""

    list_display = [
        "organization",
        "span",
        "day",
        dollars("posted_micros", "posted"),
        dollars("told_micros", "told"),
        dollars("counted_micros", "at the processor"),
        "checked_at",
        "differs_since",
    ]
    list_filter = ["span", ("differs_since", admin.EmptyFieldListFilter)]
    search_fields = ["organization__name"]
    list_select_related = ["organization"]
