"""The figures of an offer as lists of key and value, each with its unit."""

from datetime import datetime

from marketplace.models import GPUModel, NodeType, Offer, Site, Terms
from marketplace.templatetags.places import NBSP, country, gigabytes, kilowatts, per_second, time_at
from marketplace.views.rules import rules

Facts = list[tuple[str, str]]


def facts(offer: Offer, terms: Terms, now: datetime) -> dict[str, Facts]:
    """What is known of an offer, by subject: `gpu` (empty without one), `machine`, `site`, `power`, `plan`."""
    node_type, site = offer.pool.node_type, offer.pool.site
    return {
        "gpu": _gpu(node_type.gpu_model, node_type.gpu_count) if node_type.gpu_model else [],
        "machine": _machine(node_type),
        "site": _site(site, now),
        "power": _power(node_type, site),
        "plan": rules(terms),
    }


def _gpu(gpu: GPUModel, count: int) -> Facts:
    return [
        ("Model", f"{count} × {gpu.vendor} {gpu.name}"),
        ("Memory", f"{gigabytes(gpu.memory_gb)} {gpu.memory_type} each, {gigabytes(count * gpu.memory_gb)} in all"),
        ("Bandwidth", f"{per_second(gpu.bandwidth_gbs)} each"),
        ("FP16, dense", f"{gpu.fp16_tflops:,}{NBSP}TFLOP/s each"),
        ("FP8, dense", f"{gpu.fp8_tflops:,}{NBSP}TFLOP/s each" if gpu.fp8_tflops else "not supported"),
        ("Interconnect", gpu.interconnect),
        ("Power limit", f"{gpu.tdp_w}{NBSP}W each"),
        ("Figures from", gpu.source),
    ]


def _machine(node_type: NodeType) -> Facts:
    return [
        ("CPU", node_type.cpu.replace(" x ", " × ")),
        ("vCPUs", f"{node_type.vcpus}"),
        ("Memory", gigabytes(node_type.memory_gb)),
        ("NVMe", gigabytes(node_type.nvme_gb)),
        ("Network", f"{node_type.network_gbps:,}{NBSP}Gbit/s"),
        ("Power draw", f"{kilowatts(node_type.power_w)} under full load"),
    ]


def _site(site: Site, now: datetime) -> Facts:
    return [
        ("Place", f"{site.place}, {country(site.country)}"),
        ("Region", site.get_region_display()),
        ("Kind", f"{site.get_kind_display().capitalize()}, {site.power_kw / 1000:g}{NBSP}MW"),
        ("Local time", f"{time_at(now, site.time_zone)} ({site.time_zone})"),
    ]


def _power(node_type: NodeType, site: Site) -> Facts:
    zone = site.grid_zone
    grams_an_hour = node_type.power_w * zone.gco2_per_kwh / 1000
    return [
        ("Grid", f"{zone.name} ({zone.code})"),
        ("Carbon", f"{zone.gco2_per_kwh}{NBSP}g CO₂e per kWh"),
        ("Renewable", f"{zone.renewable_percent}{NBSP}%"),
        ("This node", f"about {grams_an_hour / 1000:,.1f}{NBSP}kg CO₂e an hour under full load, cooling left out"),
        ("Source", zone.source),
    ]
