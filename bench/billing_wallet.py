"""
What a wallet and a check of caps cost an organization with a long history: 1,000 leases that ended this month with
100,000 hours of usage, each hour posted; and what the chain of hashes adds to 20,000 postings that are written at once.
"""

import argparse
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import django
from django.core.management import call_command
from django.db import connection, transaction

from bench.table import Table, chapter, seconds

LEASES, HOURS = 1_000, 100  # ended leases of the organization, and slices of each
AT_ONCE = 20_000
MOST_MS, MOST_MICROSECONDS = 5.0, 100.0


def main(arguments: list[str]) -> int:
    """Measure everything; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="./run bench billing_wallet", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small and fast: whether it works, not how well")
    given = parser.parse_args(arguments)
    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)
    table = Table(judging=not given.quick)
    measure(table, given)
    return table.close()


def measure(table: Table, given: argparse.Namespace) -> None:
    """With the tables ready; adds an organization of its own."""
    # Django is set up by now, and these import models.
    from accounts.clock import now  # noqa: PLC0415
    from billing import budgets, queries  # noqa: PLC0415
    from billing.queries.months import month_of  # noqa: PLC0415
    from marketplace.catalogue import load  # noqa: PLC0415

    leases, at_once, rounds = (20, 200, 5) if given.quick else (LEASES, AT_ONCE, 300)
    moment = now()
    load(now=moment, node_limit=0)
    table.listen()
    model = _a_lease(moment)
    own = model.organization
    budgets.create(organization=own, actor="system:bench", created_by=None, project="", limit_micros=10**15, now=moment)
    hour = {month_of(moment): 3_600_000}
    asked: dict[str, Callable[[], object]] = {
        "the wallet": lambda: queries.wallet(organization=own, now=moment),
        "a check of caps": lambda: budgets.check(organization=own, project="", amounts_by_month=hour, now=moment),
    }
    with chapter(
        f"An organization with {leases:,} leases that ended this month and {leases * HOURS:,} slices of usage"
    ):
        few = {name: _milliseconds(ask, rounds) for name, ask in asked.items()}
        _history(model, leases, moment)
        for name, ask in asked.items():
            best, middle = _milliseconds(ask, rounds)
            note = f"without that history {few[name][0]:.2f} ms"
            table.add(name, best, "ms", bar=MOST_MS, most=True, middle=middle, note=note)
    with chapter(f"The chain of hashes, {at_once:,} postings of as many organizations by one statement"):
        table.add("a link", _chained(at_once, moment), "µs", bar=MOST_MICROSECONDS, most=True)


def _milliseconds(ask: Callable[[], object], rounds: int) -> tuple[float, float]:
    """The best and the middle of so many times."""
    times = [1000 * seconds(ask) for _ in range(rounds)]
    return min(times), median(times)


def _a_lease(now: datetime) -> Any:
    """One lease that was ordered and is over: the others are like it."""
    from accounts.models import Organization  # noqa: PLC0415
    from billing.models import Meter  # noqa: PLC0415
    from leasing.models import Lease  # noqa: PLC0415
    from marketplace.models import Image, Offer  # noqa: PLC0415
    from marketplace.queries import terms_of  # noqa: PLC0415

    offer = Offer.objects.filter(plan__kind="on_demand").order_by("pk")[0]
    lease = Lease.objects.create(
        organization=Organization.objects.create(name="Long History Ltd"), created_at=now, name="bench", offer=offer,
        terms=terms_of(plan=offer.plan, at=now), rate=offer.rates.all()[0], node_count=1, starts_at=now,
        guaranteed_until=now + timedelta(days=7), image=Image.objects.all()[0], state="ended", state_since=now,
    )  # fmt: skip
    Meter.objects.create(lease=lease, micros_per_node_hour=3_600_000, nodes=1, hold_micros=0, closed_at=now)
    return lease


def _history(model: Any, leases: int, now: datetime) -> None:
    given = {"model": model.pk, "leases": leases, "hours": HOURS, "own": model.organization_id, "now": now}
    with connection.cursor() as cursor:
        for statement in HISTORY:
            cursor.execute(statement, given)
        cursor.execute("VACUUM ANALYZE")


def _chained(at_once: int, now: datetime) -> float:
    """Microseconds for each link, after postings and entries were written without."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE billing_entry DISABLE TRIGGER USER")
        for statement in AT_ONCE_STATEMENTS:
            cursor.execute(statement, {"count": at_once, "now": now})
        cursor.execute("ALTER TABLE billing_entry ENABLE TRIGGER USER")
        cursor.execute("ANALYZE")
        cursor.execute("SELECT array_agg(id ORDER BY id) FROM billing_posting WHERE key LIKE 'once:%'")
        (ids,) = cursor.fetchone() or ([],)
        with transaction.atomic():
            taken = seconds(lambda: cursor.execute("SELECT billing_chain(%s)", [ids]))
    return taken / at_once * 1_000_000


HISTORY = (
    """
    INSERT INTO leasing_lease
    SELECT filled.* FROM generate_series(1, %(leases)s) AS number
      JOIN leasing_lease AS model ON model.id = %(model)s,
           jsonb_populate_record(model, jsonb_build_object(
               'id', nextval('leasing_lease_id_seq'), 'public_id', 'ls_history' || number)) AS filled
    """,
    """
    INSERT INTO billing_meter
    SELECT filled.* FROM leasing_lease AS lease JOIN billing_meter AS model ON model.lease_id = %(model)s,
           jsonb_populate_record(model, jsonb_build_object(
               'id', nextval('billing_meter_id_seq'), 'lease_id', lease.id)) AS filled
     WHERE lease.public_id LIKE 'ls_history%%'
    """,
    """
    INSERT INTO billing_usage (lease_id, kind, from_at, until_at, seconds, outage_node_seconds, micros_per_node_hour,
                               nodes, micros)
    SELECT id, 'use', date_trunc('month', %(now)s, 'UTC') + hour * interval '1 minute',
           date_trunc('month', %(now)s, 'UTC') + (hour + 1) * interval '1 minute', 60, 0, 3600000, 1, 60000
      FROM leasing_lease, generate_series(1, %(hours)s) AS hour WHERE public_id LIKE 'ls_history%%'
    """,
    """
    INSERT INTO billing_ledgeraccount (organization_id, kind, balance_micros)
    SELECT %(own)s, kind, 0 FROM unnest(ARRAY['wallet', 'revenue']) AS kind
        ON CONFLICT DO NOTHING
    """,
    """
    WITH made AS (
        INSERT INTO billing_posting (public_id, organization_id, kind, key, at, memo, lease_id)
        SELECT 'le_history' || usage.id, %(own)s, 'usage', 'history:' || usage.id, usage.until_at, '', lease_id
          FROM billing_usage AS usage JOIN leasing_lease AS lease ON lease.id = lease_id
         WHERE lease.public_id LIKE 'ls_history%%'
        RETURNING id)
    INSERT INTO billing_entry (posting_id, account_id, amount_micros, balance_micros)
    SELECT made.id, account.id, CASE kind WHEN 'wallet' THEN -60000 ELSE 60000 END, 0
      FROM made CROSS JOIN billing_ledgeraccount AS account WHERE account.organization_id = %(own)s
    """,
)
AT_ONCE_STATEMENTS = (
    """
    INSERT INTO accounts_organization
    SELECT filled.* FROM (SELECT * FROM accounts_organization ORDER BY id LIMIT 1) AS model,
           generate_series(1, %(count)s) AS number,
           jsonb_populate_record(model::accounts_organization, jsonb_build_object(
               'id', nextval('accounts_organization_id_seq'), 'public_id', 'og_once' || number)) AS filled
    """,
    """
    INSERT INTO billing_ledgeraccount (organization_id, kind, balance_micros)
    SELECT id, kind, 0 FROM accounts_organization, unnest(ARRAY['wallet', 'promotions']) AS kind
     WHERE public_id LIKE 'og_once%%'
    """,
    """
    WITH made AS (
        INSERT INTO billing_posting (public_id, organization_id, kind, key, at, memo)
        SELECT 'le_once' || id, id, 'credit', 'once:' || id, %(now)s, 'credit for an outage'
          FROM accounts_organization WHERE public_id LIKE 'og_once%%'
        RETURNING id, organization_id)
    INSERT INTO billing_entry (posting_id, account_id, amount_micros, balance_micros)
    SELECT made.id, account.id, CASE kind WHEN 'wallet' THEN 60000 ELSE -60000 END, 0
      FROM made JOIN billing_ledgeraccount AS account USING (organization_id)
    """,
)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
