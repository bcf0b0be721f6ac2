"""
A page of found offers for the API, straight from values: as `OfferShown` says it, at a small part of its cost. Sites
and node types, which many offers share, are made once for each.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from marketplace.models import NodeType, Site
from marketplace.queries import Criteria, Hit, starts

SITE = {
    "slug": "slug", "name": "name", "place": "place", "country": "country", "region": "region", "kind": "kind",
    "latitude": "latitude", "longitude": "longitude", "time_zone": "time_zone", "power_kw": "power_kw",
    "grid_zone": "grid_zone__code", "gco2_per_kwh": "grid_zone__gco2_per_kwh",
    "renewable_percent": "grid_zone__renewable_percent", "grid_source": "grid_zone__source",
}  # fmt: skip
NODE_TYPE = {
    "slug": "slug", "name": "name", "gpu_model": "gpu_model__slug", "gpu_count": "gpu_count",
    "gpu_memory_gb": "gpu_model__memory_gb", "cpu": "cpu", "vcpus": "vcpus", "memory_gb": "memory_gb",
    "nvme_gb": "nvme_gb", "network_gbps": "network_gbps", "power_w": "power_w",
}  # fmt: skip


def listing(*, hits: Sequence[Hit], criteria: Criteria, now: datetime) -> list[dict[str, Any]]:
    """The hits, in their order. Three queries at most, however many they are."""
    sites, kinds = _sites({hit.site_id for hit in hits}), _node_types({hit.node_type_id for hit in hits})
    free_from = starts(hits=hits, nodes=criteria.nodes, now=now)
    return [
        _shown(hit, sites[hit.site_id], kinds[hit.node_type_id], start)
        for hit, start in zip(hits, free_from, strict=True)
    ]


def _shown(hit: Hit, site: dict[str, Any], kind: dict[str, Any], free_from: datetime | None) -> dict[str, Any]:
    return {
        "id": hit.public_id,
        "plan": hit.terms.plan.slug,
        "site": site,
        "node_type": kind,
        "provisioner": hit.provisioner,
        "simulated": hit.simulated,
        "micros_per_node_hour": hit.micros,
        "micros_per_gpu_hour": hit.micros // hit.gpus if hit.gpus else None,
        "free": hit.free,
        "free_from": free_from,
        "nodes_total": hit.total,
    }


def _sites(keys: Collection[int]) -> dict[int, dict[str, Any]]:
    rows = Site.objects.filter(pk__in=keys).order_by().values_list("pk", *SITE.values())
    return {row[0]: dict(zip(SITE, row[1:], strict=True)) for row in rows}


def _node_types(keys: Collection[int]) -> dict[int, dict[str, Any]]:
    rows = NodeType.objects.filter(pk__in=keys).order_by().values_list("pk", *NODE_TYPE.values())
    return {row[0]: _node_type(dict(zip(NODE_TYPE, row[1:], strict=True))) for row in rows}


def _node_type(values: dict[str, Any]) -> dict[str, Any]:
    each = values["gpu_memory_gb"] or 0
    return {**values, "gpu_memory_gb": each, "gpu_memory_total_gb": each * values["gpu_count"]}
