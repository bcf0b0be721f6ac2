"""Saved cards, automatic top-up, and promotional credit."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from accounts.admin import Readable
from billing.admin.columns import dollars
from billing.models import AutoTopUp, CardPage, CreditGrant, SavedCard


@admin.register(SavedCard)
class SavedCardAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Cards that customers keep with the processor."""

    list_display = ["public_id", "organization", "brand", "last4", "exp_month", "exp_year", "is_default", "removed_at"]
    list_filter = ["is_default", "brand"]
    search_fields = ["public_id", "reference", "organization__name"]
    list_select_related = ["organization"]


@admin.register(CardPage)
class CardPageAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Pages of the processor on which cards are saved."""

    list_display = ["public_id", "organization", "state", "card", "created_at", "checks"]
    list_filter = ["state"]
    search_fields = ["public_id", "reference", "organization__name"]
    list_select_related = ["organization", "card"]


@admin.register(AutoTopUp)
class AutoTopUpAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """Who tops up by itself, by which rules, and why it switched itself off."""

    list_display = [
        "organization",
        "active",
        dollars("threshold_cents", "below", cents=True),
        dollars("amount_cents", "by", cents=True),
        dollars("ceiling_cents", "a month at most", cents=True),
        "failures",
        "next_attempt_at",
        "off_reason",
    ]
    list_filter = ["active"]
    search_fields = ["organization__name"]
    list_select_related = ["organization"]


@admin.register(CreditGrant)
class CreditGrantAdmin(Readable, ModelAdmin):  # type: ignore[misc]
    """What was given, why and by whom, and what is left of it. It is given at /operations/promotional-credit/."""

    list_display = [
        "public_id",
        "organization",
        dollars("amount_micros", "given"),
        dollars("remaining_micros", "left"),
        "expires_at",
        "lapsed_at",
        "reason",
        "given_by",
    ]
    list_filter = ["expires_at", "lapsed_at"]
    search_fields = ["public_id", "organization__name", "reason"]
    list_select_related = ["organization"]
