"""Hours that were counted: to look at, never to change."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from energy.models import LeaseHour, SiteHour
from marketplace.admin.rules import Fixed


class Counted(Fixed, ModelAdmin):  # type: ignore[misc]
    """Written by `energy.accounting` alone."""

    ordering = ("-starts_at",)
    date_hierarchy = "starts_at"
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False


@admin.register(SiteHour)
class SiteHourAdmin(Counted):
    """Sites' hours, watt-hours at the meter."""

    list_display = (
        "site",
        "starts_at",
        "grid_wh",
        "generated_wh",
        "mining_wh",
        "mining_quality",
        "leases_wh",
        "metered",
    )
    list_filter = ("mining_quality", "metered", "site")
    list_select_related = ("site",)


@admin.register(LeaseHour)
class LeaseHourAdmin(Counted):
    """Leases' hours, watt-hours and micrograms of CO2-equivalent."""

    list_display = ("lease", "starts_at", "energy_wh", "renewable_wh", "location_ug", "market_ug", "quality")
    list_filter = ("quality",)
    list_select_related = ("lease",)
    search_fields = ("lease__public_id",)
