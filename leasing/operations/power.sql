-- Firm power is taken: marketplace/queries/power.sql says what a site has. A migration installs this function; whoever
-- changes it adds one that installs it again, as 0022_search does. docs/adr/0037 says why it is as it is.

-- From when on, within what is wanted, the site of an offer has not enough firm power for so many nodes of it; the end
-- of what is wanted if it always has. What is held for the quote ("" for none) counts as free. The caller has locked the
-- nodes' calendars; the site's power is locked until the end of the transaction: two orders of different nodes would
-- else both see the last kilowatt. It is asked for after the wait.
CREATE OR REPLACE FUNCTION leasing_take_power(
    wanted_offer bigint, nodes int, wanted tstzrange, quote text, moment timestamptz
) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
    place bigint;
    each bigint;
BEGIN
    SELECT pool.site_id, kind.power_w INTO place, each
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
    IF site_powers(place, each, nodes, wanted, quote, moment) >= nodes THEN
        RETURN upper(wanted);
    END IF;
    RETURN lower(site_short_of_power(place, nodes * each, wanted, quote, moment));
END
$$;
