"""Who waits for nodes, and what customers have capped."""

from django.contrib import admin
from unfold.admin import ModelAdmin, TabularInline

from accounts.admin import Readable
from billing.admin.columns import dollars
from billing.models import Budget, BudgetAlert, StandingOrder


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
