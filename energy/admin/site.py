"""Sites' power. Nothing is edited: a new row supersedes the old one from its start on."""

from django.contrib import admin
from unfold.admin import ModelAdmin, TabularInline

from energy.admin.recorded import Recorded
from energy.forms import NewVersion
from energy.models import Battery, Block, Generation, PowerContract, Tariff
from marketplace.admin.rules import Fixed
from marketplace.money import format_micros


class VersionAdmin(Recorded, Fixed, ModelAdmin):  # type: ignore[misc]
    """Rows of one kind of fact, by site, the newest first."""

    form = NewVersion
    list_filter = ("site__region", "site")
    list_select_related = ("site",)
    search_fields = ("site__slug", "site__name", "note")
    autocomplete_fields: tuple[str, ...] = ("site",)
    ordering = ("site__slug", "-starts_at")


class Blocks(Fixed, TabularInline):  # type: ignore[misc]
    """What is paid for whether it is used or not."""

    model = Block
    extra = 1
    hide_title = True


@admin.register(PowerContract)
class PowerContractAdmin(VersionAdmin):
    """What sites may draw."""

    list_display = ("site", "starts_at", "interconnect", "without_largest", "grid_percent", "note")
    inlines = (Blocks,)

    @admin.display(description="interconnect", ordering="interconnect_watts")
    def interconnect(self, row: PowerContract) -> str:
        """The most that it may draw."""
        return megawatts(row.interconnect_watts)

    @admin.display(description="without largest supply")
    def without_largest(self, row: PowerContract) -> str:
        """N-1."""
        return megawatts(row.interconnect_watts - row.largest_supply_watts)


@admin.register(Tariff)
class TariffAdmin(VersionAdmin):
    """What drawing costs."""

    list_display = ("site", "starts_at", "pricing", "price", "feed", "note")
    autocomplete_fields = ("site", "feed")

    @admin.display(description="price or addition, $/MWh")
    def price(self, row: Tariff) -> str:
        """In dollars."""
        return format_micros(row.micros_per_mwh)


@admin.register(Generation)
class GenerationAdmin(VersionAdmin):
    """Sun and wind."""

    list_display = ("site", "kind", "starts_at", "rated", "note")

    @admin.display(description="rated", ordering="rated_watts")
    def rated(self, row: Generation) -> str:
        """At its best."""
        return megawatts(row.rated_watts)


@admin.register(Battery)
class BatteryAdmin(VersionAdmin):
    """Batteries."""

    list_display = ("site", "starts_at", "power", "capacity", "reserve_percent", "note")

    @admin.display(description="power", ordering="watts")
    def power(self, row: Battery) -> str:
        """In and out."""
        return megawatts(row.watts)

    @admin.display(description="capacity", ordering="watt_hours")
    def capacity(self, row: Battery) -> str:
        """What can be used of it."""
        return f"{row.watt_hours / 1e6:,.3g} MWh"


def megawatts(watts: int) -> str:
    """For people."""
    return f"{watts / 1e6:,.4g} MW"
