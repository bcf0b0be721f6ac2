"""The catalogue's files, row by row: each class is a file, each field a column named as in the model that it fills."""

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import available_timezones

from marketplace.catalogue.limits import between, choice, pattern, schedule, short_name, text
from marketplace.models import Measure, PlanKind, Provisioner, Region, Site, Steps

PLANS = ("on_demand", "reserved", "surplus")  # each has a column of prices in stock.csv


@dataclass(frozen=True)
class GridZoneRow:
    """grid_zones.csv: yearly averages of a part of a grid."""

    code: str = pattern(r"[A-Z]{2}(-[A-Z0-9]+)*", "a grid zone code such as US-TEX-ERCO")
    name: str = text(80)
    gco2_per_kwh: int = between(0, 1500)
    renewable_percent: int = between(0, 100)
    source: str = pattern(r".*\b20\d\d\b.*", "a publisher and a year")


@dataclass(frozen=True)
class SiteRow:
    """sites.csv: where nodes stand."""

    slug: str = short_name()
    name: str = text(80)
    place: str = text(80)
    country: str = pattern(r"[A-Z]{2}", "two capital letters (ISO 3166-1), such as US")
    region: str = choice(Region.values)
    kind: str = choice(Site.Kind.values)
    latitude: float = between(-90, 90)
    longitude: float = between(-180, 180)
    time_zone: str = choice(available_timezones(), "an IANA time zone such as America/Chicago")
    grid_zone: str = text(40)  # a code of grid_zones.csv
    power_kw: int = between(100, 200_000)


@dataclass(frozen=True)
class GPUModelRow:
    """gpu_models.csv: the maker's figures, throughput without sparsity."""

    slug: str = short_name()
    name: str = text(60)
    vendor: str = choice(["NVIDIA", "AMD", "Intel"])
    memory_gb: int = between(4, 1000)
    memory_type: str = pattern(r"(GDDR|HBM)\d\w?", "a memory type such as HBM3e")
    bandwidth_gbs: int = between(100, 50_000)
    fp16_tflops: int = between(10, 50_000)
    fp8_tflops: int | None = between(10, 100_000)
    tdp_w: int = between(40, 3000)
    interconnect: str = text(60)
    source: str = text(200)


@dataclass(frozen=True)
class NodeTypeRow:
    """node_types.csv: a whole machine."""

    slug: str = short_name()
    name: str = text(80)
    gpu_model: str = text(40)  # a slug of gpu_models.csv
    gpu_count: int = between(1, 8)
    cpu: str = text(80)
    vcpus: int = between(1, 1024)
    memory_gb: int = between(8, 16_384)
    nvme_gb: int = between(100, 1_000_000)
    network_gbps: int = between(1, 12_800)
    power_w: int = between(100, 30_000)


@dataclass(frozen=True)
class TargetRow:
    """targets.csv: the least that a node of a type reaches in its burn-in; `value` in the measure's unit."""

    node_type: str = text(40)  # a slug of node_types.csv
    measure: str = choice(Measure.values)
    value: int = between(1, 1_000_000)
    tolerance_percent: int = between(0, 99)
    source: str = text(200)  # for whoever edits the file; it is not loaded


@dataclass(frozen=True)
class ImageRow:
    """images.csv: what a tenant may start with."""

    slug: str = short_name()
    name: str = text(80)
    reference: str = pattern(r"\S+/\S+:\S+", "a full image reference with a tag, such as localhost/gridlease/base:1")
    digest: str = pattern(r"(sha256:[0-9a-f]{64})?", "empty, or sha256: and 64 hexadecimal digits")
    size_mb: int = between(1, 200_000)
    contents: str = text(300)


@dataclass(frozen=True)
class PlanRow:
    """plans.toml, [[plan]]: ways to lease."""

    slug: str = choice(PLANS)
    name: str = text(40)
    summary: str = text(300)
    kind: str = choice(PlanKind.values)
    position: int = between(0, 100)


@dataclass(frozen=True)
class TermsRow:
    """plans.toml, [[terms]]: terms of sale, lengths in seconds, schedules as [from seconds, value]."""

    plan: str = choice(PLANS)
    min_seconds: int = between(1, 31_536_000)
    max_seconds: int = between(1, 31_536_000)
    granularity_seconds: int = between(1, 604_800)
    lead_seconds: int = between(0, 31_536_000)
    max_ahead_seconds: int = between(0, 31_536_000)
    most_nodes: int = between(1, 256)
    nodes_at_once: int = between(1, 10_000)
    nodes_at_once_new: int = between(1, 10_000)
    hold_seconds: int = between(0, 3600)
    cleaning_seconds: int = between(0, 86_400)
    start_deadline_seconds: int = between(30, 7200)
    guarantee_seconds: int = between(0, 31_536_000)
    renew_within_seconds: int = between(0, 31_536_000)
    notice_seconds: int = between(0, 86_400)
    more_notice_seconds: int = between(0, 86_400)
    interruptions_per_30_days: int = between(0, 720)
    interruption_seconds_per_30_days: int = between(0, 2_592_000)
    discounts: Steps = schedule(0, 100)
    cancel_refunds: Steps = schedule(0, 100)
    return_refund_percent: int = between(0, 100)
    resale_percent: int = between(0, 100)


@dataclass(frozen=True)
class StockRow:
    """
    stock.csv: so many equal nodes at a site, and their price per node-hour on each plan, in micro-dollars; empty where
    they are not sold as surplus.
    """

    site: str = text(40)  # a slug of sites.csv
    node_type: str = text(40)  # a slug of node_types.csv
    provisioner: str = choice([Provisioner.SANDBOX, Provisioner.FAKE])
    count: int = between(1, 9999)
    on_demand_micros: int = between(10_000, 1_000_000_000)
    reserved_micros: int = between(10_000, 1_000_000_000)
    surplus_micros: int | None = between(10_000, 1_000_000_000)

    @property
    def micros_by_plan(self) -> Mapping[str, int]:
        """Micro-dollars per node-hour by the plan's slug."""
        prices = {"on_demand": self.on_demand_micros, "reserved": self.reserved_micros, "surplus": self.surplus_micros}
        return {plan: micros for plan, micros in prices.items() if micros is not None}

    @property
    def node_prefix(self) -> str:
        """How the names of its nodes begin."""
        return f"{self.site}-{self.node_type}-"

    def node_names(self) -> list[str]:
        """The names of its nodes, such as `macon-h100x8-0007`, counted from 1."""
        return [f"{self.node_prefix}{number:04}" for number in range(1, self.count + 1)]
