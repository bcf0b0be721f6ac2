"""What the catalogue answers."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from marketplace.models import GPUModel, Image, NodeType, Plan, PowerWindow, Site, Terms
from marketplace.queries import Window, power_of


class DerivationStep(serializers.Serializer[dict[str, Any]]):
    """One step on the way to firm power."""

    what = serializers.CharField()
    watts = serializers.IntegerField()


class PowerShown(serializers.ModelSerializer[PowerWindow]):
    """What a site has for nodes in a time, in watts of the nodes' own draw, and how what is firm comes about."""

    starts_at = serializers.DateTimeField(source="period.lower")
    ends_at = serializers.DateTimeField(source="period.upper", allow_null=True, help_text="Null: until further notice.")
    derivation = DerivationStep(many=True)

    class Meta:
        model = PowerWindow
        fields = ["starts_at", "ends_at", "firm_watts", "likely_watts", "surplus_watts", "derivation", "counted_at"]
        read_only_fields = fields


class SiteShown(serializers.ModelSerializer[Site]):
    """A place with power and nodes. Grid figures: Electricity Maps, ODbL; `grid_source` is their credit."""

    country = serializers.CharField(help_text="ISO 3166-1 alpha-2.")
    grid_zone = serializers.CharField(source="grid_zone.code")
    gco2_per_kwh = serializers.IntegerField(
        source="grid_zone.gco2_per_kwh", help_text="Grams of CO2-equivalent per kWh of the grid, yearly average."
    )
    renewable_percent = serializers.IntegerField(
        source="grid_zone.renewable_percent", help_text="Share of renewable power in the grid, yearly average."
    )
    grid_source = serializers.CharField(source="grid_zone.source", help_text="Who published the two figures.")

    class Meta:
        model = Site
        fields = [
            "slug", "name", "place", "country", "region", "kind", "latitude", "longitude", "time_zone", "power_kw",
            "grid_zone", "gco2_per_kwh", "renewable_percent", "grid_source",
        ]  # fmt: skip
        read_only_fields = fields


class SiteWithPower(SiteShown):
    """A site, and what it may sell of its power now."""

    power = serializers.SerializerMethodField(help_text="Firm power now; null where the site is not limited.")

    class Meta(SiteShown.Meta):
        fields = [*SiteShown.Meta.fields, "power"]
        read_only_fields = fields

    @extend_schema_field(PowerShown(allow_null=True))
    def get_power(self, site: Site) -> Any:
        """As `marketplace.queries.with_power` read it."""
        window = power_of(site)
        return PowerShown(window).data if window else None


class GPUModelShown(serializers.ModelSerializer[GPUModel]):
    """A GPU with its maker's figures; throughput is dense."""

    class Meta:
        model = GPUModel
        fields = [
            "slug", "name", "vendor", "memory_gb", "memory_type", "bandwidth_gbs", "fp16_tflops", "fp8_tflops",
            "tdp_w", "interconnect", "source",
        ]  # fmt: skip
        read_only_fields = fields


class NodeTypeShown(serializers.ModelSerializer[NodeType]):
    """A whole machine as it is leased."""

    gpu_model = serializers.SlugRelatedField[GPUModel](
        slug_field="slug", read_only=True, allow_null=True, help_text="Slug of the GPU model; null without GPUs."
    )
    gpu_memory_gb = serializers.IntegerField(
        source="gpu_model.memory_gb", default=0, help_text="Gigabytes of memory on one GPU."
    )
    gpu_memory_total_gb = serializers.IntegerField(
        source="gpu_memory_gb", help_text="Gigabytes of memory on all GPUs of the node together."
    )

    class Meta:
        model = NodeType
        fields = [
            "slug", "name", "gpu_model", "gpu_count", "gpu_memory_gb", "gpu_memory_total_gb", "cpu", "vcpus",
            "memory_gb", "nvme_gb", "network_gbps", "power_w",
        ]  # fmt: skip
        read_only_fields = fields


class ImageShown(serializers.ModelSerializer[Image]):
    """A system image that a lease may start with."""

    class Meta:
        model = Image
        fields = ["slug", "name", "contents", "size_mb", "digest"]
        read_only_fields = fields


class TermsShown(serializers.ModelSerializer[Terms]):
    """Terms of leases that are ordered from `starts_at` on. Lengths are seconds, schedules [from seconds, value]."""

    class Meta:
        model = Terms
        exclude = ["id", "plan"]


class PlanShown(serializers.ModelSerializer[Plan]):
    """A way to lease. The view gives `terms`, those in force by plan, and `announced`, later ones by plan."""

    terms = serializers.SerializerMethodField(help_text="In force now; a lease keeps those that it was ordered on.")
    announced = serializers.SerializerMethodField(help_text="Later ones, soonest first.")

    class Meta:
        model = Plan
        fields = ["slug", "name", "summary", "kind", "private", "terms", "announced"]
        read_only_fields = fields

    @extend_schema_field(TermsShown(allow_null=True))
    def get_terms(self, plan: Plan) -> Any:
        """What an order would be on now."""
        found = self.context["terms"].get(plan.pk)
        return TermsShown(found).data if found else None

    @extend_schema_field(TermsShown(many=True))
    def get_announced(self, plan: Plan) -> Any:
        """What it will be on later."""
        return TermsShown(self.context["announced"].get(plan.pk, []), many=True).data


class OfferShown(serializers.Serializer[Any]):
    """Equal nodes of one site on one plan, at a price."""

    id = serializers.CharField(source="offer.public_id", help_text="Such as of_…")
    plan = serializers.CharField(source="offer.plan.slug")
    site = SiteShown(source="offer.pool.site")
    node_type = NodeTypeShown(source="offer.pool.node_type")
    provisioner = serializers.CharField(source="offer.pool.provisioner")
    simulated = serializers.BooleanField(
        source="offer.pool.simulated", help_text="True where no real machine stands behind the nodes."
    )
    list_micros_per_node_hour = serializers.IntegerField(
        source="rate.micros_per_node_hour", help_text="Micro-dollars, your own rate where you have one."
    )
    discount_percent = serializers.IntegerField(help_text="For the length of the asked period.")
    micros_per_node_hour = serializers.IntegerField(
        help_text="What one node costs for an hour in the asked period, the discount taken off; charged by the second."
    )
    micros_per_gpu_hour = serializers.IntegerField(
        allow_null=True, help_text="The same for one of its GPUs, rounded down; null without GPUs."
    )
    free = serializers.IntegerField(
        help_text="Nodes free for the whole asked period, cleaning included; with `same_fabric` of the fabric group "
        "that has the most. A list counts up to 10, or up to `nodes`."
    )
    more_free = serializers.BooleanField(
        help_text="True where still more are free: the offer itself, or a list in the order `free`, says how many."
    )
    power_short = serializers.BooleanField(
        help_text="True where as many nodes as asked are idle, but their site has sold its firm power for that time."
    )
    free_from = serializers.DateTimeField(
        allow_null=True,
        help_text="When as many nodes as asked are free and their site has power for them; null if not within 60 days.",
    )
    nodes_total = serializers.IntegerField(help_text="Nodes in stock, free or not.")


class WindowShown(serializers.Serializer[Window]):
    """A half-open period."""

    starts_at = serializers.DateTimeField(
        help_text="Where it is now, a lease starts with its order: leave it out of the quote."
    )
    ends_at = serializers.DateTimeField()


class WindowsShown(serializers.Serializer[dict[str, object]]):
    """Periods in which as many nodes can be booked from end to end. Cleaning is taken off; they may overlap."""

    offer = serializers.CharField()
    nodes = serializers.IntegerField()
    same_fabric = serializers.BooleanField(help_text="Whether they are of one fabric group in each.")
    starts_at = serializers.DateTimeField()
    until = serializers.DateTimeField()
    windows = WindowShown(many=True)


class HourShown(serializers.Serializer[Any]):
    """One hour of a place's clocks."""

    starts_at = serializers.DateTimeField(help_text="UTC.")
    local_time = serializers.CharField(help_text="Its start on the clocks of the zone, such as 01:00.")
    utc_offset = serializers.CharField(help_text="Of the zone then, such as -04:00: tells apart an hour that is twice.")
    free = serializers.IntegerField(
        help_text="Nodes free from the first to the last second, with `same_fabric` of the group that has the most; 0 "
        "where it has begun."
    )
    enough = serializers.BooleanField(help_text="Whether as many nodes as wanted are.")


class DayShown(serializers.Serializer[Any]):
    """A day of 24 hours; of 23 or 25 where clocks are set in it."""

    date = serializers.DateField()
    hours = HourShown(many=True)


class CalendarShown(serializers.Serializer[dict[str, object]]):
    """
    For each hour of some days, how many nodes are free all of it. What a lease needs behind it (its whole length,
    cleaning) is not looked at: quotes and windows do that.
    """

    offer = serializers.CharField()
    nodes = serializers.IntegerField()
    same_fabric = serializers.BooleanField(help_text="Whether they are to be of one fabric group.")
    time_zone = serializers.CharField()
    days = DayShown(many=True)


class OpeningShown(serializers.Serializer[Any]):
    """The first period of an offer in which the wanted nodes are free, and its price."""

    offer = serializers.CharField(source="offer.public_id", help_text="Quote it for this period to order it.")
    plan = serializers.CharField(source="offer.plan.slug")
    site = serializers.CharField(source="offer.pool.site.slug")
    node_type = serializers.CharField(source="offer.pool.node_type.slug")
    nodes = serializers.IntegerField()
    starts_at = serializers.DateTimeField(source="opening.starts_at")
    ends_at = serializers.DateTimeField(source="opening.ends_at")
    at_once = serializers.BooleanField(
        source="opening.at_once", help_text="True where it starts with the order: leave starts_at out of its quote."
    )
    list_micros_per_node_hour = serializers.IntegerField(source="opening.hit.list_micros")
    discount_percent = serializers.IntegerField(source="opening.discount_percent", help_text="For the length.")
    micros_per_node_hour = serializers.IntegerField(
        source="opening.micros_per_node_hour", help_text="The discount taken off."
    )
    total_micros = serializers.IntegerField(
        source="opening.total_micros", help_text="Of all nodes for the whole period, micro-dollars."
    )
