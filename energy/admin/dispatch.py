"""Who may decide what without a person. Plans and commands are looked at on their own pages, /operations/power/."""

from typing import Any

from django.contrib import admin
from unfold.admin import ModelAdmin

from energy.admin.recorded import Recorded
from energy.models import SitePolicy


@admin.register(SitePolicy)
class SitePolicyAdmin(Recorded, ModelAdmin):  # type: ignore[misc]
    """Limits for commands that go by themselves; off at first."""

    list_display = ("site", "automatic", "most_watts_per_step", "most_battery_watts", "least_notice_seconds")
    list_filter = ("automatic",)
    list_select_related = ("site",)
    autocomplete_fields = ("site",)
    filter_horizontal = ("classes",)

    def has_delete_permission(self, request: object, obj: Any = None) -> bool:
        """Never: it is switched off."""
        return False
