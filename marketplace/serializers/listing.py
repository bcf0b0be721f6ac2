"""A page of found offers for the API, straight from values: as `OfferShown` says it, at a small part of its cost."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from accounts.prepared import ask
from marketplace.queries import Criteria, Hit, counted_on, starts, stock_of


def listing(*, hits: Sequence[Hit], criteria: Criteria, now: datetime) -> list[dict[str, Any]]:
    """The hits, in their order. Five queries at most, however many they are."""
    hits = counted_on(hits=hits, criteria=criteria, now=now)
    pools = {hit.pool_id for hit in hits}
    places, totals = _places(pools), stock_of(pools)
    free_from = starts(hits=hits, criteria=criteria, now=now)
    return [
        _shown(hit, places[hit.pool_id], totals[hit.pool_id], start) for hit, start in zip(hits, free_from, strict=True)
    ]


def _shown(hit: Hit, place: dict[str, Any], total: int, free_from: datetime | None) -> dict[str, Any]:
    return {
        "id": hit.public_id,
        "plan": hit.terms.plan.slug,
        **place,
        "provisioner": hit.provisioner,
        "simulated": hit.simulated,
        "list_micros_per_node_hour": hit.list_micros,
        "discount_percent": hit.discount_percent,
        "micros_per_node_hour": hit.micros,
        "micros_per_gpu_hour": hit.micros // hit.gpus if hit.gpus else None,
        "free": hit.free,
        "more_free": hit.more_free,
        "power_short": hit.power_short,
        "free_from": free_from,
        "nodes_total": total,
    }


def _places(pools: set[int]) -> dict[int, dict[str, Any]]:
    """The site and node type of each pool, as `SiteShown` and `NodeTypeShown` say them."""
    found = ask(PLACES, {"pools": sorted(pools)})
    return {pool: {"site": site, "node_type": kind} for pool, site, kind in found}


PLACES = """
    SELECT pool.id,
           json_build_object(
               'slug', site.slug, 'name', site.name, 'place', site.place, 'country', site.country,
               'region', site.region, 'kind', site.kind, 'latitude', site.latitude, 'longitude', site.longitude,
               'time_zone', site.time_zone, 'power_kw', site.power_kw, 'grid_zone', zone.code,
               'gco2_per_kwh', zone.gco2_per_kwh, 'renewable_percent', zone.renewable_percent,
               'grid_source', zone.source),
           json_build_object(
               'slug', kind.slug, 'name', kind.name, 'gpu_model', gpu.slug, 'gpu_count', kind.gpu_count,
               'gpu_memory_gb', coalesce(gpu.memory_gb, 0),
               'gpu_memory_total_gb', coalesce(gpu.memory_gb, 0) * kind.gpu_count, 'cpu', kind.cpu,
               'vcpus', kind.vcpus, 'memory_gb', kind.memory_gb, 'nvme_gb', kind.nvme_gb,
               'network_gbps', kind.network_gbps, 'power_w', kind.power_w)
      FROM marketplace_pool AS pool
      JOIN marketplace_site AS site ON site.id = pool.site_id
      JOIN marketplace_gridzone AS zone ON zone.id = site.grid_zone_id
      JOIN marketplace_nodetype AS kind ON kind.id = pool.node_type_id
      LEFT JOIN marketplace_gpumodel AS gpu ON gpu.id = kind.gpu_model_id
     WHERE pool.id = ANY(%(pools)s::bigint[])
"""
