-- Firm power: what a site may sell is in marketplace_powerwindow, what is sold is its live claims of leases on plans
-- that are not surplus, each with the draw of its node's type. A migration installs these functions; whoever changes
-- them adds one that installs them again. docs/adr/0037 says why they are as they are.

-- From when on, within what is wanted, a site has not enough firm power for so many watts more; the end of what is
-- wanted if it always has. What the lease `but` (NULL for none) has counts as free. Where there is no window there is
-- no limit. Seen by the statement that asks.
CREATE OR REPLACE FUNCTION leasing_power_until(
    site bigint, more bigint, wanted tstzrange, but bigint
) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    WITH sold AS (
        SELECT claim.period * wanted AS period, kind.power_w AS watts
          FROM marketplace_pool AS pool
          JOIN marketplace_nodetype AS kind ON kind.id = pool.node_type_id
          JOIN marketplace_nodecalendar AS calendar ON calendar.pool_id = pool.id AND calendar.busy && wanted
          JOIN leasing_claim AS claim ON claim.node_id = calendar.node_id AND claim.released_at IS NULL
                                     AND claim.period && wanted
          JOIN leasing_lease AS lease ON lease.id = claim.lease_id
          JOIN marketplace_offer AS offer ON offer.id = lease.offer_id
          JOIN marketplace_plan AS plan ON plan.id = offer.plan_id
         WHERE pool.site_id = site AND plan.kind <> 'surplus' AND lease.id IS DISTINCT FROM but),
    limits AS (
        SELECT period * wanted AS period, firm_watts FROM marketplace_powerwindow
         WHERE site_id = site AND period && wanted),
    steps AS (
        SELECT lower(period) AS moment, watts FROM sold
        UNION ALL SELECT upper(period), -watts FROM sold
        UNION ALL SELECT lower(period), 0 FROM limits),
    loads AS (
        SELECT moment, sum(sum(watts)) OVER (ORDER BY moment) AS watts FROM steps GROUP BY moment)
    SELECT coalesce(min(loads.moment), upper(wanted))
      FROM loads JOIN limits ON limits.period @> loads.moment
     WHERE loads.watts + more > limits.firm_watts
$$;

-- The same for nodes of an offer, whose calendars the caller has locked, with the site's power locked until the end of
-- the transaction: two orders of different nodes would else both see the last kilowatt. It is asked for after the wait.
CREATE OR REPLACE FUNCTION leasing_take_power(
    wanted_offer bigint, nodes int, wanted tstzrange, but bigint
) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
    place bigint;
    more bigint;
BEGIN
    SELECT pool.site_id, nodes * kind.power_w INTO place, more
      FROM marketplace_offer AS offer
      JOIN marketplace_plan AS plan ON plan.id = offer.plan_id
      JOIN marketplace_pool AS pool ON pool.id = offer.pool_id
      JOIN marketplace_nodetype AS kind ON kind.id = pool.node_type_id
     WHERE offer.id = wanted_offer AND plan.kind <> 'surplus'
       AND EXISTS (SELECT FROM marketplace_powerwindow AS win WHERE win.site_id = pool.site_id AND win.period && wanted);
    IF place IS NULL THEN
        RETURN upper(wanted);
    END IF;
    PERFORM pg_advisory_xact_lock(1195787346, place::int);  -- "GFIR"; taken after calendars, before anything else
    -- At any instant a node counts once: if all that are busy at some time then fit together, no more need be looked at.
    IF more + (SELECT coalesce(sum(kind.power_w), 0)
                 FROM marketplace_pool AS pool
                 JOIN marketplace_nodetype AS kind ON kind.id = pool.node_type_id
                 JOIN marketplace_nodecalendar AS calendar ON calendar.pool_id = pool.id AND calendar.busy && wanted
                WHERE pool.site_id = place)
       <= (SELECT min(firm_watts) FROM marketplace_powerwindow WHERE site_id = place AND period && wanted) THEN
        RETURN upper(wanted);
    END IF;
    RETURN leasing_power_until(place, more, wanted, but);
END
$$;
