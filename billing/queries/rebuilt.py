"""
What the leases of an organization owe for a month, worked out a second time: by one statement, from the facts alone,
with nothing of the meter in it. Ranges are intersected where the meter counts stretch by stretch. `billing.rebuilding`
compares it with what was charged.
"""

from dataclasses import dataclass
from datetime import date

from django.db import connection

from accounts.models import Organization
from billing.queries.months import next_month, start_of


@dataclass(frozen=True)
class Owed:
    """
    One lease in one month, in micro-dollars: what it owes by the facts, as far as it is metered; and the sum of its
    usage of that month with the corrections of that. `settled` is False while the meter still has to hear of a fact.
    """

    lease_id: int
    owed_micros: int
    posted_micros: int
    settled: bool

    @property
    def differs(self) -> bool:
        """Whether one of the two is wrong."""
        return self.settled and self.owed_micros != self.posted_micros


def _seconds(ranges: str) -> str:
    """SQL for the length of a multirange."""
    return f"(SELECT coalesce(sum(extract(epoch FROM upper(r) - lower(r))), 0) FROM unnest({ranges}) AS r)"  # noqa: S608


STATEMENT = f"""
WITH candidate AS (  -- found without what was over before the month
    SELECT lease_id FROM billing_meter WHERE organization_id = %(organization)s AND closed_at IS NULL
     UNION
    SELECT lease_id FROM billing_meter WHERE organization_id = %(organization)s AND closed_at >= %(since)s
     UNION
    SELECT lease_id FROM billing_monthuse WHERE organization_id = %(organization)s AND month = %(month)s
),
lease AS (
    SELECT lease.id, lease.node_count AS nodes, lease.starts_at, lease.ends_at, lease.state,
           meter.id AS meter_id, meter.micros_per_node_hour, meter.metered_until, meter.closed_at, meter.corrected_for,
           CASE WHEN meter.closed_at IS NULL THEN coalesce(meter.metered_until, '-infinity') ELSE 'infinity'
            END AS reached
      FROM candidate
      JOIN leasing_lease AS lease ON lease.id = candidate.lease_id
      JOIN billing_meter AS meter ON meter.lease_id = lease.id
     WHERE (EXISTS (SELECT FROM leasing_claim
                     WHERE lease_id = lease.id AND period && tstzrange(%(since)s, %(until)s))
            OR EXISTS (SELECT FROM billing_usage
                        WHERE lease_id = lease.id AND from_at >= %(since)s AND from_at < %(until)s))
),
-- When it was in its tenant's hands.
active AS (
    SELECT id, range_agg(tstzrange(at, until)) AS time
      FROM (SELECT lease.id, move.new, move.at,
                   least(lead(move.at) OVER (PARTITION BY lease.id ORDER BY move.seq), lease.ends_at) AS until
              FROM lease JOIN leasing_transition AS move ON move.lease_id = lease.id) AS stretch
     WHERE new = 'active' AND (until IS NULL OR at < until)
     GROUP BY id
),
-- When each of its machines did not serve it.
outage AS (
    SELECT machine.lease_id AS id, machine.id AS machine, range_agg(tstzrange(began_at, ended_at)) AS time
      FROM lease
      JOIN leasing_machine AS machine ON machine.lease_id = lease.id
      JOIN leasing_outage AS outage ON outage.machine_id = machine.id
     GROUP BY machine.lease_id, machine.id
),
-- Which price holds when: of what was agreed for a moment, the last. The first one holds for all time before it.
agreed AS (
    SELECT id, 0 AS number, starts_at AS since, micros_per_node_hour AS rate FROM lease
     UNION ALL
    SELECT lease.id, price.id, price.from_at, price.micros_per_node_hour
      FROM lease JOIN billing_meterprice AS price ON price.meter_id = lease.meter_id
),
standing AS (
    SELECT id, since, rate, lag(rate) OVER (PARTITION BY id ORDER BY since) AS before
      FROM agreed
     WHERE NOT EXISTS (SELECT FROM agreed AS later
                        WHERE later.id = agreed.id AND later.number > agreed.number AND later.since <= agreed.since)
),
price AS (
    SELECT id, rate, CASE WHEN before IS NULL THEN '-infinity' ELSE since END AS since,
           coalesce(lead(since) OVER (PARTITION BY id ORDER BY since), 'infinity') AS until
      FROM standing
     WHERE rate IS DISTINCT FROM before
),
-- What it owes from its beginning up to the month's first moment and up to its end, or up to where it is metered.
part AS (
    SELECT lease.id, edge.sign, price.rate,
           floor({_seconds("active.time * tstzmultirange(tstzrange(NULL, least(price.until, moment)))")})
         - floor({_seconds("active.time * tstzmultirange(tstzrange(NULL, least(price.since, moment)))")}) AS seconds,
           lease.nodes,
           (SELECT ceil(sum({_seconds("outage.time * active.time * mine")}))
              FROM outage WHERE outage.id = lease.id) AS lost
      FROM lease
      JOIN active ON active.id = lease.id
      JOIN price ON price.id = lease.id
     CROSS JOIN (VALUES (-1, %(since)s::timestamptz), (1, %(until)s::timestamptz)) AS edge (sign, month_edge)
     CROSS JOIN LATERAL (SELECT least(edge.month_edge, lease.reached) AS moment) AS reached
     CROSS JOIN LATERAL (SELECT tstzmultirange(
                tstzrange(least(price.since, moment), least(price.until, moment))) AS mine) AS own
),
owed AS (
    SELECT id, sum(sign * micros) AS micros
      FROM (SELECT id, sign,
                   floor(sum(rate * (seconds * nodes - least(coalesce(lost, 0), seconds * nodes))) / 3600) AS micros
              FROM part GROUP BY id, sign) AS edge
     GROUP BY id
)
SELECT lease.id, coalesce(owed.micros, 0)::bigint,
       (SELECT coalesce(sum(usage.micros), 0)::bigint
          FROM billing_usage AS usage LEFT JOIN billing_usage AS corrected ON corrected.id = usage.corrects_id
         WHERE usage.lease_id = lease.id AND coalesce(corrected.from_at, usage.from_at) >= %(since)s
           AND coalesce(corrected.from_at, usage.from_at) < %(until)s),
       (lease.closed_at IS NOT NULL OR lease.state NOT IN ('reclaiming', 'ended', 'cancelled', 'failed', 'expired'))
       AND NOT EXISTS (
           SELECT FROM billing_meterprice AS news
            WHERE news.meter_id = lease.meter_id AND lease.closed_at IS NULL
              AND news.agreed_at > lease.metered_until AND news.from_at < lease.metered_until)
       AND NOT EXISTS (
           SELECT FROM leasing_machine AS machine JOIN leasing_outage AS news ON news.machine_id = machine.id
            WHERE machine.lease_id = lease.id
              AND news.recorded_at > coalesce(
                      CASE WHEN lease.closed_at IS NULL THEN lease.metered_until ELSE lease.corrected_for END,
                      lease.closed_at - interval '60 seconds')
              AND (lease.closed_at IS NOT NULL OR news.began_at < lease.metered_until))
  FROM lease LEFT JOIN owed ON owed.id = lease.id
 ORDER BY lease.id
"""  # noqa: S608  our own words


def owed(*, organization: Organization, month: date) -> list[Owed]:
    """
    Every lease of the organization that was charged in the UTC month that begins on `month`, or had nodes in it and was
    not over before.
    """
    span = {"month": month, "since": start_of(month), "until": start_of(next_month(month))}
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT, {"organization": organization.pk, **span})
        return [Owed(*row) for row in cursor.fetchall()]
