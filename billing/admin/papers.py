"""Months on paper."""

from django.contrib import admin
from unfold.admin import ModelAdmin, TabularInline

from accounts.admin import Readable
from billing.admin.columns import dollars
from billing.models import Invoice, InvoiceLine


class InvoiceLineInline(Readable, TabularInline):  # type: ignore[misc]
    """An invoice's lines."""

    model = InvoiceLine
    fields = [
        "lease",
        "kind",
        "description",
        "seconds",
        "nodes",
        "outage_node_seconds",
        "micros_per_node_hour",
        "micros",
        "cents",
    ]
    extra = 0


@admin.register(Invoice)
class InvoiceAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Months on paper."""

    list_display = ["number", "organization", "period_start", dollars("total_cents", "total", cents=True), "issued_at"]
    list_filter = ["period_start"]
    search_fields = ["number", "public_id", "organization__name"]
    list_select_related = ["organization"]
    inlines = [InvoiceLineInline]
