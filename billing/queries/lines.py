"""
The lines of a month, by lease in the order in which they were ordered, by kind, and by price; each rounded to cents
once. The one spelling: the close writes what this selects, and the preview of the running month shows it.
"""

import json
from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

from django.db import connection

from billing.models import BESIDES_USE, InvoiceLine, LineKind
from billing.queries.months import next_month, start_of
from leasing.models import Lease
from marketplace.measures import nodes_of_sql


def half_away(amount: str, unit: int) -> str:
    """SQL for whole units of an integer expression, half a unit away from zero, as `marketplace.money.cents_of`."""
    return f"(sign({amount})::bigint * ((2 * abs({amount}) + {unit}) / {2 * unit}))"


def _case(words: Mapping[str, str]) -> str:
    return " ".join(f"WHEN '{given}' THEN '{said}'" for given, said in words.items())


BESIDES = ", ".join(f"'{kind.value}'" for kind in BESIDES_USE)
KIND_PLACE = f"array_position(ARRAY{LineKind.values}, line.kind::text)"
IN_ORDER = f"line.lease_id, {KIND_PLACE}, line.micros_per_node_hour"

# %(organizations)s are keys, %(unposted)s a JSON list of rows that count as if they were posted. `sliced` and `spread`
# say how long the slices of usage are together, and from the first to the last: more only if slices overlap.
LINES = f"""
    WITH closing AS (SELECT unnest(%(organizations)s::bigint[]) AS organization_id),
    used AS (
        SELECT lease.organization_id, used.lease_id, used.micros_per_node_hour, used.seconds, used.outage_node_seconds,
               used.micros, used.from_at, used.until_at
          FROM closing
          JOIN leasing_lease AS lease USING (organization_id)
          JOIN billing_usage AS used ON used.lease_id = lease.id
                                    AND used.from_at >= %(begin)s AND used.from_at < %(end)s
        UNION ALL
        SELECT *, NULL, NULL
          FROM jsonb_to_recordset(%(unposted)s::jsonb) AS new (
               organization_id bigint, lease_id bigint, micros_per_node_hour bigint, seconds bigint,
               outage_node_seconds bigint, micros bigint)
    ),
    sums AS (
        SELECT organization_id, lease_id, 'usage' AS kind, micros_per_node_hour, sum(seconds)::bigint AS seconds,
               sum(outage_node_seconds)::bigint AS outage_node_seconds, sum(micros)::bigint AS micros,
               sum(until_at - from_at) AS sliced, max(until_at) - min(from_at) AS spread
          FROM used
         GROUP BY organization_id, lease_id, micros_per_node_hour
        UNION ALL
        SELECT posting.organization_id, posting.lease_id, shown.kind, min(meter.micros_per_node_hour), 0, 0,
               -sum(entry.amount_micros)::bigint, NULL, NULL
          FROM closing
          JOIN billing_posting AS posting ON posting.organization_id = closing.organization_id
          CROSS JOIN LATERAL (
               SELECT CASE posting.kind {_case({kind.value: line for kind, line in BESIDES_USE.items()})} END AS kind
               ) AS shown
          JOIN billing_entry AS entry ON entry.posting_id = posting.id
          JOIN billing_ledgeraccount AS account ON account.id = entry.account_id AND account.kind = 'wallet'
          JOIN billing_meter AS meter ON meter.lease_id = posting.lease_id
         WHERE posting.kind IN ({BESIDES})
           AND posting.at >= %(begin)s AND posting.at < %(end)s
         GROUP BY posting.organization_id, posting.lease_id, shown.kind
    )
    SELECT line.organization_id, line.lease_id, line.kind,
           left(lease.name || ': ' || CASE line.kind
               WHEN 'usage' THEN {nodes_of_sql("meter.nodes", "node_type.name")} || ' in ' || site.name
               {_case({kind.value: str(kind.label) for kind in LineKind if kind != LineKind.USAGE})} END, 200
           ) AS description,
           line.seconds, meter.nodes, line.outage_node_seconds, line.micros_per_node_hour, line.micros,
           {half_away("line.micros", 10_000)} AS cents, line.sliced, line.spread
      FROM sums AS line
      JOIN leasing_lease AS lease ON lease.id = line.lease_id
      JOIN billing_meter AS meter ON meter.lease_id = line.lease_id
      JOIN marketplace_offer AS offer ON offer.id = lease.offer_id
      JOIN marketplace_pool AS pool ON pool.id = offer.pool_id
      JOIN marketplace_nodetype AS node_type ON node_type.id = pool.node_type_id
      JOIN marketplace_site AS site ON site.id = pool.site_id
"""  # noqa: S608  our own words
SHOWN = (
    "lease_id", "kind", "description", "seconds", "nodes", "outage_node_seconds", "micros_per_node_hour", "micros",
    "cents",
)  # fmt: skip


def bounds(month: date) -> dict[str, datetime]:
    """What a statement asks for as its month: half-open, UTC."""
    return {"begin": start_of(month), "end": start_of(next_month(month))}


def lines_of(
    *, organizations: Collection[int], month: date, unposted: Collection[dict[str, int]] = ()
) -> list[InvoiceLine]:
    """Unsaved lines of a month, with their leases."""
    given: dict[str, Any] = {
        "organizations": list(organizations),
        "unposted": json.dumps(list(unposted)),
        **bounds(month),
    }
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(SHOWN)} FROM ({LINES}) AS line ORDER BY {IN_ORDER}", given)  # noqa: S608
        rows = [InvoiceLine(**dict(zip(SHOWN, row, strict=True))) for row in cursor.fetchall()]
    leases = Lease.objects.in_bulk([row.lease_id for row in rows])
    for row in rows:
        row.lease = leases[row.lease_id]
    return rows
