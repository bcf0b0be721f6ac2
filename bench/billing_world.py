"""Customers whose leases of a month are over and metered, as the closing finds them."""

from datetime import date, datetime
from typing import Any

from django.db import connection

from accounts.models import Organization
from bench.search_world import a_catalogue, a_lease
from billing import operations
from billing.queries.lines import bounds
from leasing.models import Lease

BEFORE = 1_000  # postings: without any the database cannot know that a posting has two entries, and reads all of them


def a_stock(now: datetime) -> Lease:
    """A small catalogue, and one lease that was booked as any other: the rest are like it."""
    a_catalogue(nodes=50, sites=5, now=now)
    model = Organization.objects.create(name="Model")
    for n in range(BEFORE):
        operations.grant(organization=model, amount_micros=1_000_000, key=f"bench:{n}", memo="", now=now)
    return a_lease(model, now)


def a_month(model: Lease, month: date, *, leases: int, customers: int, credits: float) -> None:
    """Leases of one to two hours on one node, in two slices, and a later credit for an outage in a part of them."""
    given: dict[str, Any] = {
        "month": f"{month:%Y%m}",
        "model": model.pk,
        "leases": leases,
        "customers": customers,
        "credits": credits,
        **bounds(month),
    }
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS wanted, customer")
        for statement in (CUSTOMERS, WALLETS, PAID_IN, WANTED, LEASES, METERS, SLICES, CREDITS, "VACUUM ANALYZE"):
            cursor.execute(statement, given if "%(" in statement else None)


CUSTOMERS = """
    CREATE TEMP TABLE customer AS
    SELECT row_number() OVER () AS place, nextval('accounts_organization_id_seq') AS id
      FROM generate_series(1, %(customers)s)
"""
WALLETS = """
    WITH made AS (
        INSERT INTO accounts_organization (id, public_id, name, data_retention_hours, ordering_hold)
        SELECT id, 'og_bench' || id, 'Customer ' || id, 24, '' FROM customer
        RETURNING id
    )
    INSERT INTO billing_ledgeraccount (organization_id, kind, balance_micros)
    SELECT id, kind, CASE kind WHEN 'wallet' THEN 1000000000 ELSE -1000000000 END
      FROM made CROSS JOIN unnest(ARRAY['wallet', 'promotions']) AS kind
"""
# A ledger that was never written to is like no other: the database would have nothing to plan by.
PAID_IN = """
    WITH made AS (
        INSERT INTO billing_posting (public_id, organization_id, kind, key, at, memo)
        SELECT 'le_bench' || id, id, 'credit', 'bench:' || id, %(begin)s - interval '1 day', '' FROM customer
        RETURNING id, organization_id)
    INSERT INTO billing_entry (posting_id, account_id, amount_micros, balance_micros)
    SELECT made.id, account.id, account.balance_micros, account.balance_micros
      FROM made JOIN billing_ledgeraccount AS account USING (organization_id)
"""
WANTED = """
    CREATE TEMP TABLE wanted AS
    SELECT nextval('leasing_lease_id_seq') AS id, customer.id AS organization_id, begins,
           60 + (random() * 3500)::int AS rest, 15000000 + (random() * 15000)::int * 1000 AS rate,
           random() < %(credits)s AS out
      FROM (SELECT 1 + floor(random() * %(customers)s)::int AS place,
                   %(begin)s + floor(random() * 640) * interval '1 hour' AS begins
              FROM generate_series(1, %(leases)s)) AS chance
      JOIN customer USING (place)
"""
LEASES = """
    INSERT INTO leasing_lease
    SELECT filled.* FROM wanted JOIN leasing_lease AS model ON model.id = %(model)s,
           jsonb_populate_record(model, jsonb_build_object(
               'id', wanted.id, 'public_id', 'ls_bench' || wanted.id, 'organization_id', wanted.organization_id,
               'starts_at', begins, 'ends_at', begins + interval '2 hours',
               'guaranteed_until', begins + interval '2 hours', 'state', 'ended')) AS filled
"""
METERS = """
    INSERT INTO billing_meter (lease_id, organization_id, micros_per_node_hour, nodes, hold_micros, seconds,
                               outage_node_seconds, charged_micros, metered_until, closed_at)
    SELECT id, organization_id, rate, 1, 0, 3600 + rest, 0, rate::bigint * (3600 + rest) / 3600,
           begins + interval '2 hours', begins + interval '2 hours'
      FROM wanted
"""
SLICES = """
    INSERT INTO billing_usage (lease_id, kind, from_at, until_at, seconds, outage_node_seconds, micros_per_node_hour,
                               nodes, micros)
    SELECT id, 'use', begins + n * interval '1 hour', begins + n * interval '1 hour' + length * interval '1 second',
           length, 0, rate, 1, rate::bigint * length / 3600
      FROM wanted, LATERAL (VALUES (0, 3600), (1, rest)) AS slice (n, length)
"""
CREDITS = """
    INSERT INTO billing_usage (lease_id, kind, corrects_id, from_at, until_at, seconds, outage_node_seconds,
                               micros_per_node_hour, nodes, micros)
    SELECT wanted.id, 'correction', used.id, begins + interval '3 hours', begins + interval '3 hours', 0, 120, rate, 1,
           -(rate::bigint * 120 / 3600)
      FROM wanted JOIN billing_usage AS used ON used.lease_id = wanted.id AND used.from_at = wanted.begins
     WHERE out
"""
