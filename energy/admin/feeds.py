"""Figures from outside, and where they are had from."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from energy.admin.recorded import Recorded
from energy.models import Feed, Reading
from marketplace.admin.rules import Fixed, Referenced, SetOnce


@admin.register(Feed)
class FeedAdmin(Recorded, Referenced, SetOnce, ModelAdmin):  # type: ignore[misc]
    """Feeds. Their age is on a page of its own, /operations/power/feeds/."""

    list_display = ("name", "kind", "site", "grid_zone", "source", "tried_at", "failures")
    list_filter = ("kind", "source", "site")
    list_select_related = ("site", "grid_zone")
    search_fields = ("slug", "name")
    autocomplete_fields = ("site",)
    set_once = ("slug", "kind", "site", "grid_zone")
    readonly_fields = ("public_id", "tried_at", "failures", "error")
    ordering = ("slug",)


@admin.register(Reading)
class ReadingAdmin(Fixed, ModelAdmin):  # type: ignore[misc]
    """What was told. It is typed in and loaded on the feed's own page, which checks it."""

    list_display = ("feed", "starts_at", "ends_at", "value", "source", "fetched_at")
    list_filter = ("feed__kind", "feed")
    list_select_related = ("feed",)
    ordering = ("-starts_at",)
    date_hierarchy = "starts_at"
    show_full_result_count = False

    def has_add_permission(self, request: object) -> bool:
        """Never here."""
        return False
