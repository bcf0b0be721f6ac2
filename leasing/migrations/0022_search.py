"""
What calendars know of firm power is written with the claims, and asked before nodes are taken: see booking.sql and
power.sql in leasing/operations.
"""

from pathlib import Path

from django.db import migrations

OPERATIONS = Path(__file__).parent.parent / "operations"
FORWARD = [(OPERATIONS / name).read_text() for name in ("power.sql", "booking.sql")]
BEFORE = """
    DROP FUNCTION IF EXISTS leasing_power_until(bigint, bigint, tstzrange, bigint);
    DROP FUNCTION IF EXISTS leasing_take_power(bigint, int, tstzrange, bigint);
"""
BACK = "CREATE FUNCTION leasing_power_until() RETURNS void LANGUAGE sql AS 'SELECT';"  # what 0017_power drops
KNOWN = """
    UPDATE marketplace_nodecalendar AS calendar SET not_firm = others.periods
      FROM (SELECT claim.node_id, range_agg(claim.period) AS periods
              FROM leasing_claim AS claim
              LEFT JOIN leasing_lease AS lease ON lease.id = claim.lease_id
              LEFT JOIN marketplace_offer AS offer ON offer.id = lease.offer_id
              LEFT JOIN marketplace_plan AS plan ON plan.id = offer.plan_id
             WHERE claim.released_at IS NULL AND (plan.kind IS NULL OR plan.kind = 'surplus')
             GROUP BY claim.node_id) AS others
     WHERE others.node_id = calendar.node_id
"""


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0009_search"), ("leasing", "0021_orders")]

    operations = [
        migrations.RunSQL(BEFORE, BACK),
        migrations.RunSQL(FORWARD[0], migrations.RunSQL.noop),
        migrations.RunSQL(FORWARD[1], migrations.RunSQL.noop),
        migrations.RunSQL(KNOWN, migrations.RunSQL.noop),
    ]
