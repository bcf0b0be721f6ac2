"""Months on paper."""

from django.contrib import admin
from unfold.admin import ModelAdmin, TabularInline

from accounts.admin import Readable
from billing.admin.columns import dollars
from billing.models import BankTransfer, CreditNote, Invoice, InvoiceLine, ParkedMonth, TaxCalculation


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


@admin.register(CreditNote)
class CreditNoteAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """What was taken back of invoices."""

    list_display = ["number", "organization", "invoice", dollars("total_cents", "total", cents=True), "issued_at"]
    search_fields = ["number", "invoice__number", "organization__name"]
    list_select_related = ["organization", "invoice"]


@admin.register(BankTransfer)
class BankTransferAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """What came to our bank."""

    list_display = ["reference", "organization", dollars("amount_cents", "amount", cents=True), "received_at"]
    search_fields = ["reference", "organization__name"]
    list_select_related = ["organization"]


@admin.register(ParkedMonth)
class ParkedMonthAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Months that looked wrong; they are released on staff's pages."""

    list_display = ["organization", "period_start", "reason", "parked_at", "released_at"]
    list_filter = ["period_start"]
    search_fields = ["organization__name"]
    list_select_related = ["organization"]


@admin.register(TaxCalculation)
class TaxCalculationAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """What the card processor was asked of the tax on months, and what it said."""

    list_display = [
        "organization",
        "period_start",
        dollars("net_cents", "net", cents=True),
        dollars("tax_cents", "tax", cents=True),
        "answered_at",
        "invoice",
        "recorded_at",
    ]
    list_filter = ["period_start"]
    search_fields = ["organization__name", "invoice__number", "reference", "transaction"]
    list_select_related = ["organization", "invoice"]
