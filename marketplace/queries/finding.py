"""The statement of the search: offers that match, at the price in force, and how many nodes of each are free."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from psycopg.types.range import TimestamptzRange

from accounts.prepared import ask
from marketplace.models import PlanKind, Provisioner, Terms
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
    fact: int  # of FACTS, what it was asked for; else 0
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
    fact: str | None = None,
    mark: str | None = None,
) -> list[Hit]:
    """
    Offers on sale on these plans for which each of MATCHES holds that has its value in `wanted`, in the plans' order.
    One query.

    Of the criteria it reads period, nodes, whether these are of one fabric group, and organization. Free nodes are
    counted up to `counted`, all where it is None; `that_could_serve` leaves out offers that have fewer nodes in stock
    than are wanted. `fact` names one of FACTS that each hit brings. `mark` is that of the `plans` if they were
    remembered.

    :raises Changed: if the plans and their terms are others by now
    """
    windows = {plan: criteria.wish(terms, now) for plan, terms in plans.items()}
    values = {
        **wanted,
        "plans": list(plans),
        "periods": [_taken(terms, windows[plan]) for plan, terms in plans.items()],
        "firm": [terms.plan.kind != PlanKind.SURPLUS for terms in plans.values()],
        "private": [terms.plan.private for terms in plans.values()],
        "now": now,
        "organization": criteria.organization and criteria.organization.pk,
        "nodes": criteria.nodes,
        "most": None if counted is None else counted + 1,  # one more tells whether there are more
    }
    counting, could_serve = (IN_ONE_GROUP, GROUP_COULD_SERVE) if criteria.together else (IDLE, COULD_SERVE)
    matches = [MATCHES[name] for name in wanted] + [could_serve] * that_could_serve
    sql = " AND ".join([FIND.format(fact=FACTS.get(fact or "", "0"), idle=counting), *matches])
    rows = ask(sql, values) if plans else []
    if mark is not None and mark != (rows[0][0] if rows else current_mark()):
        raise Changed
    places = {plan: place for place, plan in enumerate(plans)}
    hits = [_hit(row, counted, criteria.nodes, plans, windows) for row in rows]
    return sorted(hits, key=lambda hit: (places[hit.terms.plan_id], hit.offer_id))


def stock_of(pools: Collection[int]) -> dict[int, int]:
    """How many nodes of each pool are in stock, free or not. One query."""
    return dict.fromkeys(pools, 0) | dict(ask(STOCK, {"pools": sorted(pools)}))


def _taken(terms: Terms, window: Window) -> TimestamptzRange:
    return TimestamptzRange(window.starts_at, window.ends_at + cleaning(terms))


def _hit(row: Any, counted: int | None, nodes: int, plans: Mapping[int, Terms], windows: Mapping[int, Window]) -> Hit:
    _, *sold, idle, free, plan = row
    more = counted is not None and free > counted
    values: list[Any] = [*sold, free - more, more, free < nodes <= idle, plans[plan], windows[plan]]
    return Hit(*values)


# What may be asked of an offer, besides its plan and when its nodes are free.
MATCHES = {
    "gpu_model": "kind.gpu_model_id = (SELECT id FROM marketplace_gpumodel WHERE slug = %(gpu_model)s)",
    "gpus": "kind.gpu_count = %(gpus)s",
    "gpu_memory_gb": "kind.gpu_model_id IN (SELECT id FROM marketplace_gpumodel WHERE memory_gb >= %(gpu_memory_gb)s)",
    "region": "pool.site_id IN (SELECT id FROM marketplace_site WHERE region = %(region)s)",
    "site": "pool.site_id = (SELECT id FROM marketplace_site WHERE slug = %(site)s)",
    "provisioner": "pool.provisioner = %(provisioner)s",
    "renewable_share": """pool.site_id IN (
           SELECT site.id FROM marketplace_site AS site
             JOIN marketplace_gridzone AS zone ON zone.id = site.grid_zone_id
            WHERE zone.renewable_percent >= %(renewable_share)s)""",
    "offer": "offer.id = %(offer)s",
    "offers": "offer.id = ANY(%(offers)s::bigint[])",
    "pool": "pool.id = %(pool)s",
}
# What an order of hits may need: the memory of all GPUs of a node in GB, grams of CO2-equivalent per kWh of its grid.
FACTS = {
    "memory": """coalesce((SELECT gpu.memory_gb * kind.gpu_count FROM marketplace_gpumodel AS gpu
                            WHERE gpu.id = kind.gpu_model_id), 0)""",
    "carbon": """(SELECT zone.gco2_per_kwh FROM marketplace_site AS site
                    JOIN marketplace_gridzone AS zone ON zone.id = site.grid_zone_id WHERE site.id = pool.site_id)""",
}

# The nodes that are idle all the time: in whatever groups, or with one for all of them the most of one fabric group.
IDLE = """
           SELECT count(*) AS nodes FROM (
               SELECT FROM marketplace_nodecalendar AS calendar
                 JOIN marketplace_node AS node ON node.id = calendar.node_id
                WHERE calendar.pool_id = pool.id
                  AND node_is_free(calendar, node, wish.period, '', %(now)s::timestamptz)
                LIMIT %(most)s::int) AS first"""
IN_ONE_GROUP = """
           SELECT least(coalesce(max(size), 0), %(most)s::int) AS nodes FROM (
               SELECT count(*) AS size FROM marketplace_nodecalendar AS calendar
                 JOIN marketplace_node AS node ON node.id = calendar.node_id
                WHERE calendar.pool_id = pool.id AND node.fabric_group <> ''
                  AND node_is_free(calendar, node, wish.period, '', %(now)s::timestamptz)
                GROUP BY node.fabric_group) AS fabric"""

# Tables that a question does not need are not joined, and what is known of plans comes with them: half of what a search
# cost was the way through all of them. Counting stops where enough is known, so that a search costs what it finds. The
# organization's own rate goes first. Of the nodes that are idle as many are free as their site has firm power for: an
# order of more would be refused.
FIND = f"""
    SELECT {MARK},
           offer.id, offer.public_id, pool.id, pool.provisioner, rate.id, rate.micros_per_node_hour, kind.gpu_count,
           {{fact}}, idle.nodes, free.nodes, wish.plan_id
      FROM unnest(%(plans)s::bigint[], %(periods)s::tstzrange[], %(firm)s::boolean[], %(private)s::boolean[])
           AS wish (plan_id, period, firm, private)
      JOIN marketplace_offer AS offer ON offer.plan_id = wish.plan_id AND offer.listed
      JOIN marketplace_pool AS pool ON pool.id = offer.pool_id
      JOIN marketplace_nodetype AS kind ON kind.id = pool.node_type_id
     CROSS JOIN LATERAL (
           SELECT id, micros_per_node_hour FROM marketplace_rate
            WHERE offer_id = offer.id AND starts_at <= %(now)s::timestamptz
              AND (organization_id IS NULL OR organization_id = %(organization)s::bigint)
            ORDER BY organization_id NULLS LAST, starts_at DESC LIMIT 1) AS rate
     CROSS JOIN LATERAL ({{idle}}) AS idle
     CROSS JOIN LATERAL (
           SELECT CASE WHEN idle.nodes = 0 OR NOT wish.firm OR NOT EXISTS (
                       SELECT FROM marketplace_powerwindow AS win
                        WHERE win.site_id = pool.site_id AND win.period && wish.period)
                  THEN idle.nodes
                  ELSE site_powers(pool.site_id, kind.power_w, idle.nodes, wish.period, '', %(now)s::timestamptz)
                  END AS nodes
           OFFSET 0) AS free  -- counted once, wherever it is asked for
     WHERE (NOT wish.private OR EXISTS (
           SELECT FROM marketplace_planaccess AS access
            WHERE access.plan_id = wish.plan_id AND access.organization_id = %(organization)s::bigint))
"""  # noqa: S608  our own words
COULD_SERVE = """(free.nodes >= %(nodes)s::int OR EXISTS (
           SELECT FROM marketplace_node AS node WHERE node.pool_id = pool.id AND node_is_in_stock(node)
           OFFSET %(nodes)s::int - 1))"""
GROUP_COULD_SERVE = """EXISTS (
           SELECT FROM marketplace_node AS node
            WHERE node.pool_id = pool.id AND node_is_in_stock(node) AND node.fabric_group <> ''
            GROUP BY node.fabric_group HAVING count(*) >= %(nodes)s::int)"""
STOCK = """
    SELECT node.pool_id, count(*) FROM marketplace_node AS node
     WHERE node.pool_id = ANY(%(pools)s::bigint[]) AND node_is_in_stock(node) GROUP BY node.pool_id
"""
