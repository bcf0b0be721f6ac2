"""Places, and what nodes are made of. The catalogue's files are loaded over these: correct them there as well."""

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from marketplace.admin.rules import Referenced, SetOnce
from marketplace.models import GPUModel, GridZone, Image, NodeType, Site, Target
from marketplace.states import IN_STOCK


@admin.register(GridZone)
class GridZoneAdmin(Referenced, SetOnce, ModelAdmin):  # type: ignore[misc]
    """Parts of power grids, with their yearly mix."""

    list_display = ("code", "name", "gco2_per_kwh", "renewable_percent", "source")
    search_fields = ("code", "name")
    set_once = ("code",)


@admin.register(Site)
class SiteAdmin(Referenced, SetOnce, ModelAdmin):  # type: ignore[misc]
    """Places with power and nodes."""

    list_display = ("name", "place", "country", "region", "kind", "power_mw", "grid_zone", "nodes", "queue")
    list_filter = ("region", "kind", "country")
    list_select_related = ("grid_zone",)
    search_fields = ("slug", "name", "place", "grid_zone__code")
    autocomplete_fields = ("grid_zone",)
    set_once = ("slug",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Site]:
        """With the number of nodes in stock."""
        found: QuerySet[Site] = super().get_queryset(request)
        return found.annotate(in_stock=Count("pools__nodes", filter=Q(pools__nodes__state__in=IN_STOCK)))

    @admin.display(description="power", ordering="power_kw")
    def power_mw(self, site: Site) -> str:
        """Power that the site can draw."""
        return f"{site.power_kw / 1000:g} MW"

    @admin.display(description="nodes in stock", ordering="in_stock")
    def nodes(self, site: Site) -> int:
        """Nodes in stock."""
        return int(getattr(site, "in_stock", 0))


@admin.register(GPUModel)
class GPUModelAdmin(Referenced, SetOnce, ModelAdmin):  # type: ignore[misc]
    """GPUs with their makers' figures."""

    list_display = ("name", "vendor", "memory_gb", "memory_type", "bandwidth_gbs", "fp16_tflops", "fp8_tflops", "tdp_w")
    list_filter = ("vendor", "memory_type")
    search_fields = ("slug", "name")
    set_once = ("slug",)


class Targets(TabularInline):  # type: ignore[misc]
    """What nodes of a type must reach in their burn-in."""

    model = Target
    fields = ("measure", "value", "tolerance_percent")
    extra = 0
    hide_title = True


@admin.register(NodeType)
class NodeTypeAdmin(Referenced, SetOnce, ModelAdmin):  # type: ignore[misc]
    """Whole machines as they are sold."""

    list_display = ("name", "gpu_model", "gpu_count", "cpu", "vcpus", "memory_gb", "nvme_gb", "network_gbps", "power_w")
    list_filter = ("gpu_count", "gpu_model")
    list_select_related = ("gpu_model",)
    search_fields = ("slug", "name", "gpu_model__name")
    autocomplete_fields = ("gpu_model",)
    set_once = ("slug",)
    inlines = (Targets,)


@admin.register(Image)
class ImageAdmin(Referenced, SetOnce, ModelAdmin):  # type: ignore[misc]
    """System images that a lease may start with."""

    list_display = ("name", "slug", "reference", "digest", "size_mb")
    search_fields = ("slug", "name", "reference")
    set_once = ("slug",)
