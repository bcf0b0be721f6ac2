"""What leases were charged: no more than their active seconds, and the same however it is counted."""

from billing.invariants.rule import Rule

RULES = (
    Rule(
        "I5",
        "No lease is charged for more than its active seconds, nor one that was never active at all.",
        """
        SELECT 'lease ' || lease.public_id || ' was charged ' || meter.charged_micros
          FROM billing_meter AS meter
          JOIN leasing_lease AS lease ON lease.id = meter.lease_id
         WHERE meter.charged_micros::numeric * 3600 > greatest(meter.micros_per_node_hour, (
                   SELECT max(micros_per_node_hour) FROM billing_meterprice WHERE meter_id = meter.id
               ))::numeric * meter.nodes * coalesce((
                   SELECT sum(extract(epoch FROM coalesce(spell.until, %(now)s) - spell.at))
                     FROM (SELECT new, at, lead(at) OVER (ORDER BY seq) AS until
                             FROM leasing_transition WHERE lease_id = lease.id) AS spell
                    WHERE spell.new = 'active'), 0)
        """,
    ),
    Rule(
        "I5b",
        "A meter's charge is the sum of its usage.",
        """
        SELECT 'lease ' || meter.lease_id
          FROM billing_meter AS meter
         WHERE meter.charged_micros <> coalesce((SELECT sum(micros) FROM billing_usage
                                                  WHERE lease_id = meter.lease_id), 0)
        """,
    ),
    Rule(
        "I5d",
        "What a lease owes for a month, counted a second way, is what it was charged.",
        """
        SELECT 'lease ' || lease.public_id || ' in ' || difference.month || ': ' || difference.owed_micros || ' owed, '
               || difference.posted_micros || ' charged'
          FROM billing_difference AS difference JOIN leasing_lease AS lease ON lease.id = difference.lease_id
         WHERE difference.gone_at IS NULL
        """,
    ),
    Rule(
        "I5c",
        "No whole month since a budget was set has more usage than it allows, but for windows agreed before.",
        """
        SELECT 'budget ' || budget.public_id || ' in ' || date_trunc('month', used.from_at, 'UTC')::date
          FROM billing_budget AS budget
          JOIN leasing_lease AS lease ON lease.organization_id = budget.organization_id
                                     AND budget.project IN ('', lease.project)
          JOIN billing_usage AS used ON used.lease_id = lease.id
                                    AND used.from_at >= date_trunc('month', budget.changed_at, 'UTC')
                                                     + interval '1 month'
         WHERE budget.active AND NOT (lease.ends_at IS NOT NULL AND lease.created_at < budget.changed_at)
         GROUP BY budget.id, date_trunc('month', used.from_at, 'UTC')
        HAVING sum(used.micros) > budget.limit_micros
        """,
    ),
    Rule(
        "I5e",
        "What a lease was charged for a month is the sum of its usage in it.",
        """
        SELECT 'lease ' || lease_id || ' in ' || month
          FROM billing_monthuse AS kept
          FULL JOIN (SELECT lease_id, date_trunc('month', from_at, 'UTC')::date AS month, sum(micros) AS micros
                       FROM billing_usage GROUP BY 1, 2) AS used USING (lease_id, month)
         WHERE kept.micros IS DISTINCT FROM used.micros
        """,
    ),
)
