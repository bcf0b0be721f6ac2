-- What "free" means: the search, the windows, holds and orders all ask these functions. A migration installs them;
-- whoever changes this file adds one that installs it again, as 0009_search does. PostgreSQL writes each of them out
-- where it is called: they cost what the written-out condition costs.

-- Whether a node may be booked, now or ahead: marketplace.states.IN_STOCK, and not cordoned.
CREATE OR REPLACE FUNCTION node_is_in_stock(node marketplace_node) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT node.state IN ('available', 'deploying', 'leased', 'wiping') AND node.cordoned_at IS NULL
$$;

-- Whether another quote than this one ("" for none) holds the node at a moment, whenever that is for.
CREATE OR REPLACE FUNCTION node_is_held(
    calendar marketplace_nodecalendar, quote text, moment timestamptz
) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT calendar.held_until IS NOT NULL AND calendar.held_until > moment AND calendar.held_for <> quote
$$;

-- Whether neither a claim nor another quote's hold touches what is wanted, seen at a moment. If that begins now the
-- node must be ready.
CREATE OR REPLACE FUNCTION node_is_free(
    calendar marketplace_nodecalendar, node marketplace_node, wanted tstzrange, quote text, moment timestamptz
) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT node_is_in_stock(node) AND (node.state = 'available' OR lower(wanted) > moment)
       AND NOT calendar.busy && wanted
       AND NOT (node_is_held(calendar, quote, moment) AND calendar.held && wanted)
$$;

-- Every period within a reach in which the node is free. What a node that is not ready yet is busy with is in its
-- calendar; once that is past the node is late, and hoped for in a minute.
CREATE OR REPLACE FUNCTION node_gaps(
    calendar marketplace_nodecalendar, node marketplace_node, reach tstzrange, moment timestamptz
) RETURNS tstzmultirange LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN NOT node_is_in_stock(node) THEN '{}'
                WHEN node.state = 'available' THEN tstzmultirange(reach)
                ELSE tstzmultirange(reach * tstzrange(moment + interval '1 minute', NULL)) END
         - CASE WHEN node_is_held(calendar, '', moment) THEN calendar.busy + tstzmultirange(calendar.held)
                ELSE calendar.busy END
$$;

-- From when on nothing more is booked of a node, nor held: NULL, if nothing is at all.
CREATE OR REPLACE FUNCTION node_free_for_good(
    calendar marketplace_nodecalendar, node marketplace_node, moment timestamptz
) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT greatest(upper(calendar.busy),
                    CASE WHEN node_is_held(calendar, '', moment) THEN upper(calendar.held) END,
                    CASE WHEN node.state <> 'available' THEN moment + interval '1 minute' END)
$$;

-- The longest time between two periods of a calendar: who looks for a longer one need not look between them.
CREATE OR REPLACE FUNCTION longest_gap(busy tstzmultirange) RETURNS interval LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(max(upper(gap) - lower(gap)), interval '0')
      FROM unnest(tstzmultirange(range_merge(busy)) - busy) AS gap
$$;
