-- What a site may sell firm, and what is sold: the search, the windows, the calendar, holds and orders all ask these
-- functions. A migration installs them; whoever changes this file adds one that installs it again, as 0009_search does.
-- docs/adr/0037 says why they are as they are.

-- The wanted time, where the site is limited, cut wherever its limit changes or what is sold of it: that is what nodes
-- are claimed for on plans that are not surplus, and what another quote than this one ("" for none) holds at a moment;
-- each node with the draw of its type. Seen by the statement that asks.
CREATE OR REPLACE FUNCTION site_firm_power(
    site bigint, wanted tstzrange, quote text, moment timestamptz
) RETURNS TABLE (period tstzrange, firm_watts bigint, sold_watts bigint) LANGUAGE sql STABLE AS $$
    WITH limits AS (
        SELECT win.period * wanted AS period, win.firm_watts
          FROM marketplace_powerwindow AS win WHERE win.site_id = site AND win.period && wanted),
    sold AS (
        SELECT taken * wanted AS period, pool.watts
          FROM (SELECT pool.id, kind.power_w AS watts
                  FROM marketplace_pool AS pool JOIN marketplace_nodetype AS kind ON kind.id = pool.node_type_id
                 WHERE pool.site_id = site OFFSET 0) AS pool  -- first: the planner thinks that few calendars match
          JOIN marketplace_nodecalendar AS calendar ON calendar.pool_id = pool.id
         CROSS JOIN LATERAL unnest(
               calendar.busy - calendar.not_firm
               + CASE WHEN calendar.held_firm AND node_is_held(calendar, quote, moment)
                      THEN tstzmultirange(calendar.held) ELSE '{}' END) AS taken
         WHERE (calendar.busy && wanted OR calendar.held && wanted) AND taken && wanted),
    steps AS (
        SELECT lower(sold.period) AS at, watts FROM sold
        UNION ALL SELECT upper(sold.period), -watts FROM sold
        UNION ALL SELECT lower(limits.period), 0 FROM limits
        UNION ALL SELECT upper(limits.period), 0 FROM limits),
    loads AS (
        SELECT at, lead(at) OVER (ORDER BY at) AS until, sum(sum(watts)) OVER (ORDER BY at) AS watts
          FROM steps GROUP BY at)
    SELECT tstzrange(loads.at, loads.until), limits.firm_watts, loads.watts::bigint
      FROM loads JOIN limits ON limits.period @> tstzrange(loads.at, loads.until)
$$;

-- Whether a site has so many watts more whatever is sold of it when: at any instant a node counts once, so it has if
-- all of its nodes would fit together, or at least those that are taken at some time in what is wanted.
CREATE OR REPLACE FUNCTION site_surely_powers(site bigint, more bigint, wanted tstzrange) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    room bigint := (SELECT min(firm_watts) FROM marketplace_powerwindow
                     WHERE site_id = site AND period && wanted) - more;
BEGIN
    RETURN room IS NULL OR room >= (
        SELECT coalesce(sum(kind.power_w * (
                   SELECT count(*) FROM marketplace_nodecalendar AS calendar WHERE calendar.pool_id = pool.id)), 0)
          FROM marketplace_pool AS pool JOIN marketplace_nodetype AS kind ON kind.id = pool.node_type_id
         WHERE pool.site_id = site
    ) OR room >= (
        SELECT coalesce(sum(kind.power_w * (
                   SELECT count(*) FROM marketplace_nodecalendar AS calendar
                    WHERE calendar.pool_id = pool.id AND (calendar.busy && wanted OR calendar.held && wanted))), 0)
          FROM marketplace_pool AS pool JOIN marketplace_nodetype AS kind ON kind.id = pool.node_type_id
         WHERE pool.site_id = site);
END
$$;

-- When within the wanted time the site has not so many watts more.
CREATE OR REPLACE FUNCTION site_short_of_power(
    site bigint, more bigint, wanted tstzrange, quote text, moment timestamptz
) RETURNS tstzmultirange LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF site_surely_powers(site, more, wanted) THEN
        RETURN '{}';
    END IF;
    RETURN (SELECT coalesce(range_agg(period) FILTER (WHERE sold_watts + more > firm_watts), '{}')
              FROM site_firm_power(site, wanted, quote, moment));
END
$$;

-- How many nodes more of a type, up to so many, the site has power for in all of the wanted time.
CREATE OR REPLACE FUNCTION site_powers(
    site bigint, watts bigint, most bigint, wanted tstzrange, quote text, moment timestamptz
) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF site_surely_powers(site, most * watts, wanted) THEN
        RETURN most;
    END IF;
    RETURN (SELECT least(most, greatest(0, min((firm_watts - sold_watts) / greatest(watts, 1))))
              FROM site_firm_power(site, wanted, quote, moment));
END
$$;
