"""The statement of the search: offers that match, at the price in force, and how many nodes of each are free."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from psycopg.types.range import TimestamptzRange

from accounts.prepared import prepared
from marketplace.models import Provisioner, Terms
from marketplace.queries.criteria import Criteria
from marketplace.queries.terms import MARK, Changed, current_mark
from marketplace.queries.windows import Window, cleaning


@dataclass(frozen=True)
class Hit:
    """An offer that matches, with what decides its place: cheap enough to make one of each offer on sale."""

    offer_id: int
    public_id: str
    pool_id: int
    provisioner: str
    rate_id: int
    list_micros: int  # micro-dollars per node-hour, or the organization's own rate; no discount is taken off
    gpus: int
    gpu_memory_gb: int  # of one GPU
    gco2_per_kwh: int
    free: int  # nodes free for the whole window, as far as they were counted
    more_free: bool  # than were counted
    power_short: bool  # more nodes are free, enough for the wish, but their site has not the firm power for them
    terms: Terms  # of its plan, in force
    window: Window  # as wished, and as the terms allow it

    @property
    def simulated(self) -> bool:
        """As of its pool: no real machine stands behind the nodes."""
        return self.provisioner == Provisioner.SANDBOX

    @property
    def agreed_seconds(self) -> int | None:
        """Of the window; None on a plan whose leases have no end."""
        return None if self.terms.plan.open_ended else self.window.length // timedelta(seconds=1)

    @property
    def discount_percent(self) -> int:
        """For the length of the window."""
        return self.terms.discount_percent(self.agreed_seconds)

    @cached_property
    def micros(self) -> int:
        """What an order of the window is charged, micro-dollars per node-hour: as a quote of it says."""
        return self.terms.agreed_rate(self.list_micros, self.agreed_seconds)

    @property
    def micros_per_gpu(self) -> int:
        """The same per GPU-hour; per node-hour where the node has no GPU."""
        return self.micros // (self.gpus or 1)


def hits_of(
    wanted: Mapping[str, Any],
    *,
    criteria: Criteria,
    plans: Mapping[int, Terms],
    now: datetime,
    counted: int | None = None,
    that_could_serve: bool = False,
    mark: str | None = None,
) -> list[Hit]:
    """
    Offers on sale on these plans for which each of MATCHES holds that has its value in `wanted`, by plan. One query.

    Of the criteria it reads period, nodes and organization. Free nodes are counted up to `counted`, all where it is
    None; `that_could_serve` leaves out offers that have fewer nodes in stock than are wanted. `mark` is that of the
    `plans` if they were remembered.

    :raises Changed: if the plans and their terms are others by now
    """
    windows = {plan: criteria.wish(terms, now) for plan, terms in plans.items()}
    values = {
        **wanted,
        "plans": list(plans),
        "periods": [_taken(terms, windows[plan]) for plan, terms in plans.items()],
        "now": now,
        "organization": criteria.organization and criteria.organization.pk,
        "nodes": criteria.nodes,
        "most": None if counted is None else counted + 1,  # one more tells whether there are more
    }
    matches = [MATCHES[name] for name in wanted] + [COULD_SERVE] * that_could_serve
    rows = _found(" AND ".join([FIND, *matches]) + IN_ORDER, values) if plans else []
    if mark is not None and mark != (rows[0][0] if rows else current_mark()):
        raise Changed
    return [_hit(row, counted, criteria.nodes, plans, windows) for row in rows]


def _found(sql: str, values: Mapping[str, Any]) -> list[Any]:
    with prepared() as cursor:
        cursor.execute(sql, values)
        rows: list[Any] = cursor.fetchall()
    return rows


def stock_of(pools: Collection[int]) -> dict[int, int]:
    """How many nodes of each pool are in stock, free or not. One query."""
    with prepared() as cursor:
        cursor.execute(STOCK, {"pools": sorted(pools)})
        return dict.fromkeys(pools, 0) | dict(cursor.fetchall())


def _taken(terms: Terms, window: Window) -> TimestamptzRange:
    return TimestamptzRange(window.starts_at, window.ends_at + cleaning(terms))


def _hit(row: Any, counted: int | None, nodes: int, plans: Mapping[int, Terms], windows: Mapping[int, Window]) -> Hit:
    _, *sold, idle, free, plan = row
    more = counted is not None and free > counted
    values: list[Any] = [*sold, free - more, more, free < nodes <= idle, plans[plan], windows[plan]]
    return Hit(*values)


# What may be asked of an offer.
MATCHES = {
    "plan": "plan.slug = %(plan)s",
    "gpu_model": "gpu.slug = %(gpu_model)s",
    "gpus": "kind.gpu_count = %(gpus)s",
    "gpu_memory_gb": "gpu.memory_gb >= %(gpu_memory_gb)s",
    "region": "site.region = %(region)s",
    "site": "site.slug = %(site)s",
    "provisioner": "pool.provisioner = %(provisioner)s",
    "renewable_share": "zone.renewable_percent >= %(renewable_share)s",
    "offer": "offer.id = %(offer)s",
    "offers": "offer.id = ANY(%(offers)s::bigint[])",
    "pool": "pool.id = %(pool)s",
}

# Counting stops where enough is known, so that a search costs what it finds. The organization's own rate goes first. Of
# the nodes that are idle as many are free as their site has firm power for: an order of more would be refused.
FIND = f"""
    SELECT {MARK},
           offer.id, offer.public_id, pool.id, pool.provisioner, rate.id, rate.micros_per_node_hour, kind.gpu_count,
           coalesce(gpu.memory_gb, 0), zone.gco2_per_kwh, idle.nodes, free.nodes, plan.id
      FROM unnest(%(plans)s::bigint[], %(periods)s::tstzrange[]) AS wish (plan_id, period)
      JOIN marketplace_plan AS plan ON plan.id = wish.plan_id
      JOIN marketplace_offer AS offer ON offer.plan_id = plan.id AND offer.listed
      JOIN marketplace_pool AS pool ON pool.id = offer.pool_id
      JOIN marketplace_nodetype AS kind ON kind.id = pool.node_type_id
      LEFT JOIN marketplace_gpumodel AS gpu ON gpu.id = kind.gpu_model_id
      JOIN marketplace_site AS site ON site.id = pool.site_id
      JOIN marketplace_gridzone AS zone ON zone.id = site.grid_zone_id
     CROSS JOIN LATERAL (
           SELECT id, micros_per_node_hour FROM marketplace_rate
            WHERE offer_id = offer.id AND starts_at <= %(now)s::timestamptz
              AND (organization_id IS NULL OR organization_id = %(organization)s::bigint)
            ORDER BY organization_id NULLS LAST, starts_at DESC LIMIT 1) AS rate
     CROSS JOIN LATERAL (
           SELECT count(*) AS nodes FROM (
               SELECT FROM marketplace_nodecalendar AS calendar
                 JOIN marketplace_node AS node ON node.id = calendar.node_id
                WHERE calendar.pool_id = pool.id
                  AND node_is_free(calendar, node, wish.period, '', %(now)s::timestamptz)
                LIMIT %(most)s::int) AS first) AS idle
     CROSS JOIN LATERAL (
           SELECT CASE WHEN idle.nodes = 0 OR plan.kind = 'surplus' OR NOT EXISTS (
                       SELECT FROM marketplace_powerwindow AS win
                        WHERE win.site_id = site.id AND win.period && wish.period)
                  THEN idle.nodes
                  ELSE site_powers(site.id, kind.power_w, idle.nodes, wish.period, '', %(now)s::timestamptz)
                  END AS nodes
           OFFSET 0) AS free  -- counted once, wherever it is asked for
     WHERE (NOT plan.private OR EXISTS (
           SELECT FROM marketplace_planaccess AS access
            WHERE access.plan_id = plan.id AND access.organization_id = %(organization)s::bigint))
"""  # noqa: S608  our own words
COULD_SERVE = """(free.nodes >= %(nodes)s::int OR %(nodes)s::int <= (
           SELECT count(*) FROM (
               SELECT FROM marketplace_node AS node WHERE node.pool_id = pool.id AND node_is_in_stock(node)
                LIMIT %(nodes)s::int) AS first))"""
IN_ORDER = " ORDER BY plan.position, plan.slug"
STOCK = """
    SELECT node.pool_id, count(*) FROM marketplace_node AS node
     WHERE node.pool_id = ANY(%(pools)s::bigint[]) AND node_is_in_stock(node) GROUP BY node.pool_id
"""
