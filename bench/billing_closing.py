"""Closing months of different sizes, beside the same rows written by hand; every constraint and trigger is on."""

import argparse
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction

from accounts.clock import now
from bench.billing_world import a_month, a_stock
from bench.table import Table, chapter, seconds
from billing import invoicing
from billing.invoicing import Closed
from billing.queries.lines import bounds
from billing.queries.months import month_of, previous_month

SLOWER_AT_MOST = 1.5  # than by hand; with bulk_create it was 6.5 times when this bar was set, object by object 60 times
JUDGED = 100_000  # leases: fewer say little
CURVE = 1.5  # times the time for each lease, from the size before
CREDITS = 0.3  # of the leases have an outage that became known late


def measure(table: Table, given: argparse.Namespace) -> None:
    """One month for each size; a larger one has the smaller ones' rows beside it, as in life."""
    model, month, before = a_stock(now()), month_of(now()), 0.0
    for leases in given.leases:
        month = previous_month(month)
        with chapter(f"{leases:,} leases, {leases * CREDITS:,.0f} outage credits, {leases // 5:,} customers"):
            a_month(model, month, leases=leases, customers=leases // 5, credits=CREDITS)
            each = _one_size(table, month, leases, rounds=1 if leases > JUDGED else given.rounds)
            if before:
                bar = CURVE if leases > JUDGED else None
                table.add("time for each lease, against the size before", each / before, "times", bar=bar, most=True)
            before = each


def _one_size(table: Table, month: date, leases: int, *, rounds: int) -> float:
    """Seconds of the product's close for each lease, at best."""
    moment = now()
    by_hand, ours, closed = list[float](), list[float](), list[Closed]()
    for _ in range(rounds):
        by_hand.append(_timed(lambda: _bare(month, moment)))
        ours.append(_timed(lambda: closed.append(invoicing.close(period=month, now=moment))))
    table.add("by hand in SQL: lines, invoices, ledger", min(by_hand), "s")
    table.add("the product's close", min(ours), "s", note=f"{closed[-1].issued:,} invoices")
    bar = SLOWER_AT_MOST if leases >= JUDGED else None
    table.add("the product's close, against by hand", min(ours) / min(by_hand), "times", bar=bar, most=True)
    return min(ours) / leases


def _timed(work: Callable[[], object]) -> float:
    """Until all would be committed: deferred constraints and triggers have run. Then nothing has happened."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")

    def whole() -> None:
        with transaction.atomic():
            work()
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            transaction.set_rollback(True)

    return seconds(whole)


def _bare(month: date, moment: datetime) -> None:
    given: dict[str, Any] = {"month": month, "now": moment, **bounds(month)}
    with connection.cursor() as cursor:
        for statement in BARE:
            cursor.execute(statement, given if "%(" in statement else None)


BARE = (
    """
    CREATE TEMP TABLE bare_line ON COMMIT DROP AS
    SELECT line.*, CASE WHEN micros < 0 THEN -((5000 - micros) / 10000) ELSE (micros + 5000) / 10000 END AS cents
      FROM (SELECT lease.organization_id, used.lease_id, used.micros_per_node_hour,
                   sum(used.seconds)::bigint AS seconds, sum(used.outage_node_seconds)::bigint AS outage,
                   sum(used.micros)::bigint AS micros
              FROM billing_usage AS used
              JOIN leasing_lease AS lease ON lease.id = used.lease_id
             WHERE used.from_at >= %(begin)s AND used.from_at < %(end)s
             GROUP BY lease.organization_id, used.lease_id, used.micros_per_node_hour) AS line
    """,
    """
    CREATE TEMP TABLE bare_invoice ON COMMIT DROP AS
    SELECT nextval('billing_invoice_id_seq') AS id, nextval('billing_posting_id_seq') AS posting_id, organization_id,
           row_number() OVER (ORDER BY organization_id) AS n, sum(cents)::bigint AS cents,
           sum(cents)::bigint * 10000 - sum(micros)::bigint AS rounding
      FROM bare_line GROUP BY organization_id
    """,
    "ANALYZE bare_line",
    "ANALYZE bare_invoice",
    """
    INSERT INTO billing_invoice (id, public_id, organization_id, number, period_start, period_end, issued_at,
                                 total_cents, tax_cents, tax_rate_ppm, tax_note, mode, purchase_order, seller,
                                 seller_tax_id, buyer, buyer_tax_id, sha256)
    SELECT id, 'iv_' || gen_random_uuid(), organization_id, 'B-' || n, %(month)s, %(end)s::date, %(now)s, cents,
           0, 0, '', 'prepaid', '', '', '', '', '', ''
      FROM bare_invoice
    """,
    """
    INSERT INTO billing_invoiceline (invoice_id, lease_id, kind, description, seconds, nodes, outage_node_seconds,
                                     micros_per_node_hour, micros, cents)
    SELECT invoice.id, line.lease_id, 'usage',
           lease.name || ': ' || meter.nodes || ' × ' || kind.name || ' in ' || site.name, line.seconds, meter.nodes,
           line.outage, line.micros_per_node_hour, line.micros, line.cents
      FROM bare_line AS line
      JOIN bare_invoice AS invoice USING (organization_id)
      JOIN leasing_lease AS lease ON lease.id = line.lease_id
      JOIN billing_meter AS meter ON meter.lease_id = line.lease_id
      JOIN marketplace_offer AS offer ON offer.id = lease.offer_id
      JOIN marketplace_pool AS pool ON pool.id = offer.pool_id
      JOIN marketplace_nodetype AS kind ON kind.id = pool.node_type_id
      JOIN marketplace_site AS site ON site.id = pool.site_id
    """,
    """
    INSERT INTO billing_ledgeraccount (organization_id, kind, balance_micros)
    SELECT organization_id, 'rounding', 0 FROM bare_invoice WHERE rounding <> 0
    """,
    "ANALYZE billing_ledgeraccount",  # else what follows may be planned for the few accounts that there were before
    """
    INSERT INTO billing_posting (id, public_id, organization_id, kind, key, at, memo)
    SELECT posting_id, 'le_' || gen_random_uuid(), organization_id, 'rounding', 'bare:' || id, %(now)s, ''
      FROM bare_invoice WHERE rounding <> 0
    """,
    """
    WITH part AS (
        SELECT invoice.posting_id, account.id, account.balance_micros,
               CASE account.kind WHEN 'wallet' THEN -invoice.rounding ELSE invoice.rounding END AS micros
          FROM bare_invoice AS invoice
          JOIN billing_ledgeraccount AS account USING (organization_id)
         WHERE invoice.rounding <> 0 AND account.kind IN ('wallet', 'rounding')
    ), entry AS (
        INSERT INTO billing_entry (posting_id, account_id, amount_micros, balance_micros)
        SELECT posting_id, id, micros, balance_micros + micros FROM part
    )
    UPDATE billing_ledgeraccount AS account SET balance_micros = account.balance_micros + part.micros
      FROM part WHERE part.id = account.id
    """,
)
