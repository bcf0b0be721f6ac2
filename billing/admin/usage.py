"""Prices that were promised, and what was used at them."""

from datetime import datetime

from django.contrib import admin
from unfold.admin import ModelAdmin, TabularInline

from accounts.admin import Readable
from billing.admin.columns import dollars
from billing.models import Difference, HandBack, Meter, MeterPrice, Quote, Usage


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
        "kind",
        "from_at",
        "until_at",
        "seconds",
        "nodes",
        "outage_node_seconds",
        dollars("micros", "charge"),
    ]
    list_filter = ["kind", "from_at"]
    search_fields = ["lease__public_id", "lease__name"]
    list_select_related = ["lease"]


@admin.register(Difference)
class DifferenceAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Where a lease owes another amount than it was charged, by a second count."""

    list_display = [
        "lease",
        "month",
        dollars("owed_micros", "owed"),
        dollars("posted_micros", "charged"),
        "found_at",
        "gone_at",
    ]
    list_filter = ["month", "gone_at"]
    search_fields = ["lease__public_id", "lease__organization__name"]
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
