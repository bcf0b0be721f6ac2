"""The first moment at which enough nodes of a pool are free side by side: five statements at most for many pools."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from accounts.prepared import ask
from marketplace.models import PlanKind, Terms
from marketplace.queries.windows import HORIZON, Window, cleaning

LOOKS = (timedelta(days=2), timedelta(days=8))


@dataclass(frozen=True)
class Search:
    """What is looked for: nodes of a pool, for as long as `window`, from its start on. `key` names it in the answer."""

    key: int
    pool_id: int
    terms: Terms
    window: Window


def earliest(
    *, searches: Sequence[Search], nodes: int, now: datetime, same_fabric: bool = False
) -> dict[int, datetime]:
    """
    For each search, the first start from the wished one on at which `nodes` nodes are free for as long as wished; with
    `same_fabric` nodes of one fabric group.

    Those that have none within 60 days are left out. Most have one within days, so that is looked at first; for the
    others up to where as many nodes have nothing booked any more: by then there is one, unless power is short.
    """
    found: dict[int, datetime] = {}
    statement = STARTS_IN_GROUPS if same_fabric else STARTS
    for look in (*LOOKS, HORIZON) if same_fabric else LOOKS:  # nothing says when a group is free for good
        if left := [search for search in searches if search.key not in found]:
            until = [search.window.starts_at + look for search in left]
            found |= _asked(statement, left, until=until, nodes=nodes, now=now)
    left = [search for search in searches if search.key not in found]
    return found if same_fabric or not left else found | _later(left, nodes, now)


def _later(searches: Sequence[Search], nodes: int, now: datetime) -> dict[int, datetime]:
    """Those of the starts that come behind the looks."""
    by = _free_for_good(searches, nodes, now)
    could = [search for search in searches if search.key in by]
    found = _starts(could, [by[search.key] for search in could], nodes, now)
    dark = [it for it in could if it.key not in found and by[it.key] < it.window.starts_at + HORIZON]
    return found | _starts(dark, [search.window.starts_at + HORIZON for search in dark], nodes, now)


def _starts(searches: Sequence[Search], until: Sequence[datetime], nodes: int, now: datetime) -> dict[int, datetime]:
    """Those of the starts that are in `until`, of each search, or before."""
    return _asked(STARTS, searches, until=until, nodes=nodes, now=now) if searches else {}


def _free_for_good(searches: Sequence[Search], nodes: int, now: datetime) -> dict[int, datetime]:
    """By when as many nodes are free for ever, if not in 60 days; nothing where a pool has not as many in stock."""
    return _asked(FREE_FOR_GOOD, searches, horizon=HORIZON, nodes=nodes, now=now)


def _asked(statement: str, searches: Sequence[Search], **given: Any) -> dict[int, datetime]:
    values: dict[str, Any] = {
        "keys": [search.key for search in searches],
        "pools": [search.pool_id for search in searches],
        "starts": [search.window.starts_at for search in searches],
        "needs": [search.window.length + cleaning(search.terms) for search in searches],
        "steps": [search.terms.granularity_seconds for search in searches],
        "shifts": [search.terms.offset_seconds for search in searches],
        "firm": [search.terms.plan.kind != PlanKind.SURPLUS for search in searches],
    }
    return dict(ask(statement, values | given))


# Every free period of a node lets a lease start from its own start (aligned to the plan's steps) up to its end less the
# length: the answer is where enough of these first overlap. To take a calendar apart is what costs: that is done only
# where the node is free from the last start that is asked about to the end of a lease from the first one on, and has a
# time as long at all, be it before, between or behind what is booked. Nor does a lease start that would run while the
# site has not the firm power for as many nodes.
_STARTS = """
    WITH wish AS MATERIALIZED (
        SELECT key, pool_id, starts_at, last, needs, step * interval '1 second' AS step, to_timestamp(shift) AS origin,
               CASE WHEN firm AND EXISTS (SELECT FROM marketplace_powerwindow AS win WHERE win.site_id = pool.site_id)
                    THEN site_short_of_power(
                         pool.site_id, %(nodes)s * kind.power_w::bigint, tstzrange(starts_at, last + needs), '',
                         %(now)s::timestamptz)
                    ELSE '{{}}' END AS dark
          FROM unnest(%(keys)s::bigint[], %(pools)s::bigint[], %(starts)s::timestamptz[], %(until)s::timestamptz[],
                      %(needs)s::interval[], %(steps)s::int[], %(shifts)s::int[], %(firm)s::bool[])
                   AS wish (key, pool_id, starts_at, last, needs, step, shift, firm)
          JOIN marketplace_pool AS pool ON pool.id = wish.pool_id
          JOIN marketplace_nodetype AS kind ON kind.id = pool.node_type_id
    ), may_start AS (
        SELECT {lane}, upper(gap) - wish.needs AS until,
               CASE WHEN step <= interval '1 second' THEN lower(gap)
                    ELSE date_bin(step, lower(gap) + step - interval '1 microsecond', origin) END AS since
          FROM wish
          JOIN marketplace_nodecalendar AS calendar USING (pool_id)
          JOIN marketplace_node AS node ON node.id = calendar.node_id
         CROSS JOIN LATERAL unnest(node_gaps(
               calendar, node, tstzrange(wish.starts_at, wish.last + wish.needs), %(now)s::timestamptz
               ) - wish.dark) AS gap
         WHERE NOT calendar.busy && tstzrange(wish.last, greatest(wish.last, wish.starts_at + wish.needs))
           AND (isempty(calendar.busy) OR lower(calendar.busy) >= wish.starts_at + wish.needs
                OR calendar.longest_gap >= wish.needs OR upper(calendar.busy) <= wish.last)
           AND lower(gap) + wish.needs <= upper(gap){which}
    ), side_by_side AS (
        SELECT key, at, change,
               sum(change) OVER (PARTITION BY {lane} ORDER BY at, change DESC ROWS UNBOUNDED PRECEDING) AS nodes
          FROM (SELECT {lane}, since AS at, 1 AS change FROM may_start WHERE since <= until
                UNION ALL SELECT {lane}, until, -1 FROM may_start WHERE since <= until) AS changes
    )
    SELECT key, min(at) FROM side_by_side WHERE nodes >= %(nodes)s AND change = 1 GROUP BY key
"""
STARTS = _STARTS.format(lane="key", which="")
STARTS_IN_GROUPS = _STARTS.format(lane="key, fabric_group", which=" AND fabric_group <> ''")
FREE_FOR_GOOD = """
    SELECT key, least(for_good.moment + step * interval '1 second', wish.starts_at + %(horizon)s::interval)
      FROM unnest(%(keys)s::bigint[], %(pools)s::bigint[], %(starts)s::timestamptz[], %(steps)s::int[])
                   AS wish (key, pool_id, starts_at, step)
     CROSS JOIN LATERAL (
           SELECT greatest(wish.starts_at, node_free_for_good(calendar, node, %(now)s::timestamptz)) AS moment
             FROM marketplace_nodecalendar AS calendar JOIN marketplace_node AS node ON node.id = calendar.node_id
            WHERE calendar.pool_id = wish.pool_id AND node_is_in_stock(node)
            ORDER BY 1 OFFSET %(nodes)s::int - 1 LIMIT 1) AS for_good
"""
