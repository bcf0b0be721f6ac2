"""The first moment at which enough nodes of a pool are free side by side: two statements at most for many pools."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from accounts.prepared import prepared
from marketplace.models import Terms
from marketplace.queries.windows import HORIZON, Window, cleaning

SOON = timedelta(days=2)


@dataclass(frozen=True)
class Search:
    """What is looked for: nodes of a pool, for as long as `window`, from its start on. `key` names it in the answer."""

    key: int
    pool_id: int
    terms: Terms
    window: Window


def earliest(*, searches: Sequence[Search], nodes: int, now: datetime) -> dict[int, datetime]:
    """
    For each search, the first start from the wished one on at which `nodes` nodes are free for as long as wished.

    Those that have none within 60 days are left out. Most have one within days, so that is looked at first.
    """
    found: dict[int, datetime] = {}
    for reach in (SOON, HORIZON):
        if left := [search for search in searches if search.key not in found]:
            found |= _within(reach, left, nodes, now)
    return found


def _within(reach: timedelta, searches: Sequence[Search], nodes: int, now: datetime) -> dict[int, datetime]:
    given: dict[str, Any] = {
        "now": now,
        "reach": reach,
        "nodes": nodes,
        "keys": [search.key for search in searches],
        "pools": [search.pool_id for search in searches],
        "starts": [search.window.starts_at for search in searches],
        "needs": [search.window.length + cleaning(search.terms) for search in searches],
        "steps": [search.terms.granularity_seconds for search in searches],
        "shifts": [search.terms.offset_seconds for search in searches],
    }
    with prepared() as cursor:
        cursor.execute(EARLIEST, given)
        return dict(cursor.fetchall())


# Every free period of a node lets a lease start from its own start (aligned to the plan's steps) up to its end less the
# length: the answer is where enough of these first overlap.
EARLIEST = """
    WITH wish AS (
        SELECT key, pool_id, starts_at, needs, step * interval '1 second' AS step, to_timestamp(shift) AS origin
          FROM unnest(%(keys)s::bigint[], %(pools)s::bigint[], %(starts)s::timestamptz[], %(needs)s::interval[],
                      %(steps)s::int[], %(shifts)s::int[])
                   AS wish (key, pool_id, starts_at, needs, step, shift)
    ), may_start AS (
        SELECT wish.key, upper(gap) - wish.needs AS until,
               CASE WHEN step <= interval '1 second' THEN lower(gap)
                    ELSE date_bin(step, lower(gap) + step - interval '1 microsecond', origin) END AS since
          FROM wish
          JOIN marketplace_nodecalendar AS calendar USING (pool_id)
          JOIN marketplace_node AS node ON node.id = calendar.node_id
         CROSS JOIN LATERAL unnest(node_gaps(
               calendar, node, tstzrange(wish.starts_at, wish.starts_at + %(reach)s::interval + wish.needs),
               %(now)s::timestamptz)) AS gap
         WHERE lower(gap) + wish.needs <= upper(gap)
    ), side_by_side AS (
        SELECT key, at, change,
               sum(change) OVER (PARTITION BY key ORDER BY at, change DESC ROWS UNBOUNDED PRECEDING) AS nodes
          FROM (SELECT key, since AS at, 1 AS change FROM may_start WHERE since <= until
                UNION ALL SELECT key, until, -1 FROM may_start WHERE since <= until) AS changes
    )
    SELECT key, min(at) FROM side_by_side WHERE nodes >= %(nodes)s AND change = 1 GROUP BY key
"""
