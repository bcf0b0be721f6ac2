"""Money for staff: everything can be seen, and nothing here can change what has happened."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from accounts.admin import Readable
from billing.models import (
    Budget,
    BudgetAlert,
    Entry,
    GatewayEvent,
    HandBack,
    Invoice,
    InvoiceLine,
    LedgerAccount,
    Meter,
    MeterPrice,
    Payment,
    Posting,
    Quote,
    Refund,
    Standing,
    StandingOrder,
    Usage,
)
from marketplace.money import MICROS_PER_CENT, format_micros


def dollars(field: str, words: str, *, cents: bool = False) -> Any:
    """A column that shows an amount as dollars, to the last digit that it has."""

    @admin.display(description=words, ordering=field)
    def column(row: Model) -> str:
        value = getattr(row, field)
        if value is None:
            return "–"
        return format_micros(value * MICROS_PER_CENT) if cents else format_micros(value, places=6)

    return column


class EntryInline(Readable, TabularInline):  # type: ignore[misc]
    """A posting's entries."""

    model = Entry
    fields = ["account", "amount_micros", "balance_micros"]
    extra = 0


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


@admin.register(LedgerAccount)
class LedgerAccountAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """What each organization has, has used, has paid and was given."""

    list_display = ["organization", "kind", dollars("balance_micros", "balance")]
    list_filter = ["kind"]
    search_fields = ["organization__name", "organization__public_id"]
    list_select_related = ["organization"]


@admin.register(Posting)
class PostingAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Every movement of money."""

    list_display = ["public_id", "at", "organization", "kind", "amount", "memo"]
    list_filter = ["kind", "at"]
    search_fields = ["public_id", "key", "memo", "organization__name", "lease__public_id", "payment__public_id"]
    list_select_related = ["organization"]
    inlines = [EntryInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Posting]:
        """With the entries that the amount is read from."""
        rows: QuerySet[Posting] = super().get_queryset(request)
        return rows.prefetch_related("entries__account")

    @admin.display(description="wallet")
    def amount(self, posting: Posting) -> str:
        """What it did to the wallet."""
        moved = [entry.amount_micros for entry in posting.entries.all() if entry.account.kind == "wallet"]
        return format_micros(sum(moved), places=6)


@admin.register(Quote)
class QuoteAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Prices that were promised."""

    list_display = [
        "public_id",
        "organization",
        "offer",
        "nodes",
        dollars("micros_per_node_hour", "per node-hour"),
        "expires_at",
        "lease",
    ]
    search_fields = ["public_id", "organization__name", "lease__public_id"]
    list_select_related = ["organization", "lease", "offer__pool__site", "offer__pool__node_type", "offer__plan"]


class MeterPriceInline(Readable, TabularInline):  # type: ignore[misc]
    """The prices that were agreed after the order."""

    model = MeterPrice
    fields = ["from_at", "micros_per_node_hour", "agreed_at"]
    extra = 0


@admin.register(Meter)
class MeterAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """How far each lease is charged."""

    list_display = [
        "lease",
        "organization",
        "nodes",
        "seconds",
        "outage_node_seconds",
        dollars("charged_micros", "charged"),
        dollars("hold_micros", "hold"),
        "metered_until",
        "closed_at",
    ]
    list_filter = ["closed_at"]
    search_fields = ["lease__public_id", "lease__name", "lease__organization__name"]
    list_select_related = ["lease__organization"]
    inlines = [MeterPriceInline]

    @admin.display(ordering="lease__organization__name")
    def organization(self, meter: Meter) -> str:
        """Whose lease it is."""
        return str(meter.lease.organization)


@admin.register(Usage)
class UsageAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """What was charged, slice by slice."""

    list_display = [
        "lease",
        "from_at",
        "until_at",
        "seconds",
        "nodes",
        "outage_node_seconds",
        dollars("micros", "charge"),
    ]
    list_filter = ["from_at"]
    search_fields = ["lease__public_id", "lease__name"]
    list_select_related = ["lease"]


@admin.register(HandBack)
class HandBackAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Agreed time that was handed back: what was kept, and what came back since others use it."""

    list_display = [
        "change",
        "at",
        dollars("price_micros", "price"),
        dollars("fee_micros", "fee"),
        dollars("credited_micros", "credited"),
        "credited_until",
        "closed_at",
    ]
    list_filter = ["change__kind", "closed_at"]
    search_fields = ["change__public_id", "change__lease__public_id", "change__lease__organization__name"]
    list_select_related = ["change__lease"]

    @admin.display(ordering="change__at")
    def at(self, row: HandBack) -> datetime:
        """When it was handed back."""
        return row.change.at


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


@admin.register(Invoice)
class InvoiceAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Months on paper."""

    list_display = ["number", "organization", "period_start", dollars("total_cents", "total", cents=True), "issued_at"]
    list_filter = ["period_start"]
    search_fields = ["number", "public_id", "organization__name"]
    list_select_related = ["organization"]
    inlines = [InvoiceLineInline]


@admin.register(Standing)
class StandingAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Whose wallet runs dry."""

    list_display = ["organization", "level", "since"]
    list_filter = ["level"]
    search_fields = ["organization__name"]
    list_select_related = ["organization"]


@admin.register(StandingOrder)
class StandingOrderAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Who waits for which nodes; what was said of those that nodes are free for."""

    list_display = [
        "public_id",
        "organization",
        "mode",
        "nodes",
        dollars("max_micros_per_node_hour", "at most"),
        "state",
        "created_at",
        "expires_at",
        "held_up",
    ]
    list_filter = ["state", "mode"]
    search_fields = ["public_id", "name", "organization__name"]
    list_select_related = ["organization"]


class Alerts(Readable, TabularInline):  # type: ignore[misc]
    """What was told of a budget."""

    model = BudgetAlert
    fields = ["month", "percent", "at"]
    extra = 0


@admin.register(Budget)
class BudgetAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """What customers have capped."""

    list_display = ["public_id", "organization", "project", dollars("limit_micros", "a month"), "active", "changed_at"]
    list_filter = ["active"]
    search_fields = ["public_id", "project", "organization__name"]
    list_select_related = ["organization"]
    inlines = [Alerts]
