"""The first moment at which enough nodes of a pool are free side by side: one statement, however many pools."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from marketplace.models import Terms
from marketplace.queries.windows import HORIZON, LATE, Window, cleaning
from marketplace.states import IN_STOCK, NodeState


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

    Those that have none within 60 days are left out. Every free period of a node lets a lease start from its own start
    (aligned to the plan's steps) up to its end less the length: the answer is where enough of these first overlap.
    """
    given: dict[str, Any] = {
        "now": now,
        "late": now + LATE,
        "horizon": HORIZON,
        "nodes": nodes,
        "ready": NodeState.AVAILABLE,
        "in_stock": sorted(IN_STOCK),
        "keys": [search.key for search in searches],
        "pools": [search.pool_id for search in searches],
        "starts": [search.window.starts_at for search in searches],
        "needs": [search.window.length + cleaning(search.terms) for search in searches],
        "steps": [search.terms.granularity_seconds for search in searches],
        "shifts": [search.terms.offset_seconds for search in searches],
    }
    with connection.cursor() as cursor:
        cursor.execute(EARLIEST, given)
        return dict(cursor.fetchall())


# A node that is not ready yet has its claim in `busy`; once that is past it is late, free only when it says so.
EARLIEST = """
    WITH wish AS (
        SELECT * FROM unnest(%(keys)s::bigint[], %(pools)s::bigint[], %(starts)s::timestamptz[], %(needs)s::interval[],
                             %(steps)s::int[], %(shifts)s::int[])
                   AS wish (key, pool_id, starts_at, needs, step, shift)
    ), may_start AS (
        SELECT wish.key, span.since, upper(gap) - wish.needs AS until
          FROM wish
          JOIN marketplace_nodecalendar AS calendar USING (pool_id)
          JOIN marketplace_node AS node ON node.id = calendar.node_id
               AND node.state = ANY(%(in_stock)s) AND node.cordoned_at IS NULL
         CROSS JOIN LATERAL unnest(
               tstzmultirange(tstzrange(
                   CASE WHEN node.state = %(ready)s THEN wish.starts_at ELSE greatest(wish.starts_at, %(late)s) END,
                   wish.starts_at + %(horizon)s + wish.needs))
               - calendar.busy
               - CASE WHEN calendar.held_until > %(now)s THEN tstzmultirange(calendar.held) ELSE '{}' END) AS gap
         CROSS JOIN LATERAL (
               SELECT CASE WHEN wish.step <= 1 THEN lower(gap) ELSE to_timestamp(
                   ceil((extract(epoch FROM lower(gap)) - wish.shift) / wish.step) * wish.step + wish.shift)
               END AS since) AS span
         WHERE span.since <= upper(gap) - wish.needs
    ), side_by_side AS (
        SELECT key, at, change, sum(change) OVER (PARTITION BY key ORDER BY at, change DESC) AS nodes
          FROM (SELECT key, since AS at, 1 AS change FROM may_start
                UNION ALL SELECT key, until, -1 FROM may_start) AS changes
    )
    SELECT key, min(at) FROM side_by_side WHERE nodes >= %(nodes)s AND change = 1 GROUP BY key
"""
