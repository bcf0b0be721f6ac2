-- How nodes are taken, and how an order is written down: the one statement of leasing/operations/booking.py, installed
-- by a migration. Whoever changes this file adds a migration that installs it again, as 0030_short does.
--
-- Each statement of these functions sees what was committed before it began: what a wait for a lock was for is seen
-- by the next one. Locks are taken on calendars with node ids ascending, and let go by the end of a block that failed.

-- Of the free nodes (marketplace/queries/free.sql) those that may be chosen: `any`; `unheld`: on which a hold may be
-- written, none being there for whatever time; `own`: those that are held for the quote. With a fabric group ("" for
-- any) of that alone.
CREATE OR REPLACE FUNCTION leasing_is_choice(
    calendar marketplace_nodecalendar, node marketplace_node, wanted tstzrange, quote text, moment timestamptz,
    which text, fabric text
) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT node_is_free(calendar, node, wanted, quote, moment)
       AND (which = 'any'
            OR which = 'unheld' AND (calendar.held_until IS NULL OR calendar.held_until <= moment)
            OR which = 'own' AND calendar.held_for = quote AND calendar.held_until > moment)
       AND (fabric = '' OR node.fabric_group = fabric)
$$;

-- The first `nodes` choices of a pool, locked; or NULL, with nothing locked. Without `patient` those that somebody else
-- has locked are passed over; with it they are waited for. They are looked at once more when they are locked: the lock
-- is on the calendar, and what was seen of a node's state and cordon is from before the wait.
CREATE OR REPLACE FUNCTION leasing_lock_choice(
    pool bigint, nodes int, wanted tstzrange, quote text, moment timestamptz, which text, fabric text, patient boolean
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    found bigint[];
    still int;
BEGIN
    FOR try IN 1..CASE WHEN patient THEN 5 ELSE 1 END LOOP
        BEGIN
            IF patient THEN
                SELECT array_agg(locked.node_id) INTO found FROM (
                    SELECT calendar.node_id
                      FROM marketplace_nodecalendar AS calendar JOIN marketplace_node AS node ON node.id = node_id
                     WHERE calendar.pool_id = pool
                       AND leasing_is_choice(calendar, node, wanted, quote, moment, which, fabric)
                     ORDER BY calendar.node_id LIMIT nodes FOR NO KEY UPDATE OF calendar) AS locked;
            ELSE
                SELECT array_agg(locked.node_id) INTO found FROM (
                    SELECT calendar.node_id
                      FROM marketplace_nodecalendar AS calendar JOIN marketplace_node AS node ON node.id = node_id
                     WHERE calendar.pool_id = pool
                       AND leasing_is_choice(calendar, node, wanted, quote, moment, which, fabric)
                     ORDER BY calendar.node_id LIMIT nodes FOR NO KEY UPDATE OF calendar SKIP LOCKED) AS locked;
            END IF;
            IF cardinality(found) = nodes THEN
                SELECT count(*) INTO still
                  FROM marketplace_nodecalendar AS calendar JOIN marketplace_node AS node ON node.id = node_id
                 WHERE calendar.node_id = ANY (found)
                   AND leasing_is_choice(calendar, node, wanted, quote, moment, which, fabric);
                IF still = nodes THEN
                    RETURN found;
                END IF;
            END IF;
            RAISE EXCEPTION USING ERRCODE = 'GL001', MESSAGE = 'too few nodes are free';
        EXCEPTION WHEN SQLSTATE 'GL001' THEN
            NULL;  -- a part of them is let go
        END;
        IF NOT EXISTS (
            SELECT FROM marketplace_nodecalendar AS calendar JOIN marketplace_node AS node ON node.id = node_id
             WHERE calendar.pool_id = pool
               AND leasing_is_choice(calendar, node, wanted, quote, moment, which, fabric)
             ORDER BY calendar.node_id OFFSET nodes - 1
        ) THEN
            EXIT;  -- nobody is to be waited for
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

-- The same, first passing over what others have locked, then, if `wait`, in line for it. With `together` they are of
-- one fabric group, the one with the fewest free nodes that has enough; nothing is locked while another one is tried.
CREATE OR REPLACE FUNCTION leasing_lock_nodes(
    pool bigint, nodes int, wanted tstzrange, quote text, moment timestamptz, which text, fabric text, together boolean,
    wait boolean
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    groups text[] := ARRAY[fabric];
    found bigint[];
BEGIN
    FOR patient IN 0..wait::int LOOP
        IF together THEN
            SELECT array_agg(fitting.name ORDER BY fitting.size, fitting.name) INTO groups FROM (
                SELECT node.fabric_group AS name, count(*) AS size
                  FROM marketplace_nodecalendar AS calendar JOIN marketplace_node AS node ON node.id = node_id
                 WHERE calendar.pool_id = pool AND node.fabric_group <> ''
                   AND leasing_is_choice(calendar, node, wanted, quote, moment, which, fabric)
                 GROUP BY node.fabric_group HAVING count(*) >= nodes) AS fitting;
        END IF;
        FOR turn IN 1..coalesce(cardinality(groups), 0) LOOP
            found := leasing_lock_choice(pool, nodes, wanted, quote, moment, which, groups[turn], patient = 1);
            IF found IS NOT NULL THEN
                RETURN found;
            END IF;
        END LOOP;
    END LOOP;
    RETURN NULL;
END
$$;

-- The calendars of every node that a lease claims, locked, ids ascending; their ids. What it was given while we waited
-- would be locked out of order: then all is let go, and it begins anew.
CREATE OR REPLACE FUNCTION leasing_lock_claimed(wanted_lease bigint) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    found bigint[];
    still bigint[];
BEGIN
    LOOP
        BEGIN
            SELECT coalesce(array_agg(node_id ORDER BY node_id), '{}') INTO found
              FROM leasing_claim WHERE lease_id = wanted_lease AND released_at IS NULL;
            PERFORM FROM marketplace_nodecalendar WHERE node_id = ANY (found) ORDER BY node_id FOR NO KEY UPDATE;
            SELECT coalesce(array_agg(node_id ORDER BY node_id), '{}') INTO still
              FROM leasing_claim WHERE lease_id = wanted_lease AND released_at IS NULL;
            IF still = found THEN
                RETURN found;
            END IF;
            RAISE EXCEPTION USING ERRCODE = 'GL001', MESSAGE = 'the lease was given another node';
        EXCEPTION WHEN SQLSTATE 'GL001' THEN
            NULL;  -- its calendars are let go
        END;
    END LOOP;
END
$$;

-- Writes the calendars of locked nodes anew from their live claims.
CREATE OR REPLACE FUNCTION leasing_write_calendars(nodes bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE marketplace_nodecalendar AS calendar
       SET (busy, not_firm) = (
           SELECT coalesce(range_agg(live.period), '{}'),
                  coalesce(range_agg(live.period) FILTER (WHERE plan.kind IS NULL OR plan.kind = 'surplus'), '{}')
             FROM leasing_claim AS live
             LEFT JOIN leasing_lease AS lease ON lease.id = live.lease_id
             LEFT JOIN marketplace_offer AS offer ON offer.id = lease.offer_id
             LEFT JOIN marketplace_plan AS plan ON plan.id = offer.plan_id
            WHERE live.node_id = calendar.node_id AND live.released_at IS NULL)
     WHERE calendar.node_id = ANY (nodes);
END
$$;

-- Lets go of a lease's nodes, whose calendars are locked: `busy` is what is still claimed.
CREATE OR REPLACE FUNCTION leasing_release(
    wanted_lease bigint, nodes bigint[], moment timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE leasing_claim SET released_at = moment
     WHERE lease_id = wanted_lease AND node_id = ANY (nodes) AND released_at IS NULL;
    PERFORM leasing_write_calendars(nodes);
END
$$;

-- How far locked nodes may be claimed from a moment on before another claim begins, or what is held for another quote:
-- at most `wanted`.
CREATE OR REPLACE FUNCTION leasing_reach(
    nodes bigint[], after timestamptz, wanted timestamptz, quote text, moment timestamptz
) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT greatest(after, least(
        wanted,
        (SELECT min(lower(period)) FROM leasing_claim
          WHERE node_id = ANY (nodes) AND released_at IS NULL AND lower(period) >= after),
        (SELECT min(lower(held)) FROM marketplace_nodecalendar
          WHERE node_id = ANY (nodes) AND held_until > moment AND held_for <> quote AND upper(held) > after)))
$$;

-- A held lease becomes an agreement, with a machine for each of its nodes, in their order: `machines` are the rows as
-- their model has them. False, and nothing is changed, if the lease was moved meanwhile.
CREATE OR REPLACE FUNCTION leasing_confirm(
    lease_id bigint, lease_version int, nodes bigint[], machines jsonb, actor text, moment timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE leasing_lease
       SET state = 'scheduled', version = version + 1, state_since = moment, reason = '', deadline = NULL
     WHERE id = lease_id AND state = 'held' AND version = lease_version;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO leasing_transition (lease_id, seq, old, new, at, reason, actor)
    VALUES (lease_id, lease_version + 1, 'held', 'scheduled', moment, '', leasing_confirm.actor);
    WITH made AS (
        INSERT INTO leasing_machine SELECT filled.*
          FROM unnest(nodes) WITH ORDINALITY AS node (id, place),
               jsonb_populate_record(NULL::leasing_machine, machines -> (node.place::int - 1) || jsonb_build_object(
                   'id', nextval('leasing_machine_id_seq'), 'lease_id', lease_id, 'node_id', node.id)) AS filled
        RETURNING id, version, state)
    INSERT INTO leasing_machinetransition (machine_id, seq, old, new, at, reason, actor)
    SELECT made.id, made.version, '', made.state, moment, '', leasing_confirm.actor FROM made;
    RETURN true;
END
$$;

-- Nodes for a lease, all or none: those that `quote` holds, its own or another of its organization's; else, for an
-- open-ended one, rather those that are free for the whole `horizon`. `wanted` is what is taken at least; `lease`,
-- `keys`, `machines` and `events` are rows as their models have them. With machines it is confirmed at once, without
-- them it stays held.
-- No id, with nothing changed, if too few nodes are free or, being `short`, their site has not enough firm power
-- (power.sql): for the whole of `wanted`; an open-ended one reaches no further than that power does.
CREATE OR REPLACE FUNCTION leasing_order(
    lease jsonb, keys jsonb, machines jsonb, events jsonb, pool bigint, wanted tstzrange, horizon tstzrange, quote text,
    actor text, OUT lease_id bigint, OUT guaranteed_until timestamptz, OUT nodes bigint[], OUT short boolean
) LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := lease ->> 'created_at';
    size int := lease ->> 'node_count';
    together boolean := lease ->> 'same_fabric';
    taken tstzrange := wanted;
    enough timestamptz;
    surplus boolean := plan.kind = 'surplus'
        FROM marketplace_offer AS offer JOIN marketplace_plan AS plan ON plan.id = offer.plan_id
        WHERE offer.id = (lease ->> 'offer_id')::bigint;
BEGIN
    IF quote <> '' THEN  -- its hold may have lapsed, or a node have broken down: others will do then
        nodes := leasing_lock_nodes(pool, size, wanted, quote, moment, 'own', '', together, true);
    END IF;
    IF nodes IS NULL AND horizon <> wanted THEN
        nodes := leasing_lock_nodes(pool, size, horizon, quote, moment, 'any', '', together, false);
    END IF;
    IF nodes IS NULL THEN
        nodes := leasing_lock_nodes(pool, size, wanted, quote, moment, 'any', '', together, true);
    END IF;
    IF nodes IS NULL THEN
        RETURN;
    END IF;
    IF horizon <> wanted THEN
        taken := tstzrange(lower(wanted), leasing_reach(nodes, lower(wanted), upper(horizon), quote, moment));
    END IF;
    enough := leasing_take_power((lease ->> 'offer_id')::bigint, size, taken, quote, moment);
    short := enough < upper(wanted);
    IF short THEN
        RETURN;
    END IF;
    taken := tstzrange(lower(taken), least(enough, upper(taken)));
    lease_id := nextval('leasing_lease_id_seq');
    SELECT upper(taken) - cleaning_seconds * interval '1 second' INTO guaranteed_until
      FROM marketplace_terms WHERE id = (lease ->> 'terms_id')::bigint;
    INSERT INTO leasing_lease SELECT filled.* FROM jsonb_populate_record(NULL::leasing_lease,
        lease || jsonb_build_object('id', lease_id, 'guaranteed_until', guaranteed_until)) AS filled;
    INSERT INTO leasing_leasekey (lease_id, name, public_key, fingerprint)
    SELECT leasing_order.lease_id, key.name, key.public_key, key.fingerprint
      FROM jsonb_populate_recordset(NULL::leasing_leasekey, keys) AS key;
    INSERT INTO leasing_claim (node_id, lease_id, period)
    SELECT node.id, leasing_order.lease_id, taken FROM unnest(nodes) AS node (id);
    UPDATE marketplace_nodecalendar
       SET busy = busy + tstzmultirange(taken),
           not_firm = CASE WHEN surplus THEN not_firm + tstzmultirange(taken) ELSE not_firm END
     WHERE node_id = ANY (nodes);
    IF quote <> '' THEN  -- also what it holds beside these: never waited for, as that would be out of order; it lapses
        UPDATE marketplace_nodecalendar SET held = NULL, held_until = NULL, held_for = ''
         WHERE node_id = ANY (ARRAY(
             SELECT node_id FROM marketplace_nodecalendar
              WHERE held_for = quote AND held_for <> '' FOR NO KEY UPDATE SKIP LOCKED));
    END IF;
    INSERT INTO leasing_transition (lease_id, seq, old, new, at, reason, actor)
    VALUES (lease_id, (lease ->> 'version')::int, '', lease ->> 'state', moment, '', leasing_order.actor);
    IF machines <> '[]' THEN
        PERFORM leasing_confirm(lease_id, (lease ->> 'version')::int, nodes, machines, leasing_order.actor, moment);
    END IF;
    INSERT INTO accounts_event SELECT filled.*
      FROM jsonb_array_elements(events) AS event,
           jsonb_populate_record(NULL::accounts_event,
               event || jsonb_build_object('id', nextval('accounts_event_id_seq'))) AS filled;
END
$$;

-- A lease whose use has not begun is called off, its calendars locked before: machines that wait are withdrawn and its
-- nodes let go; `events` are rows as their model has them. False, and nothing is changed, if it was moved meanwhile.
CREATE OR REPLACE FUNCTION leasing_cancel(
    wanted_lease bigint, old_state text, old_version int, nodes bigint[], events jsonb, reason text, actor text,
    moment timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE leasing_lease
       SET state = 'cancelled', version = version + 1, state_since = moment, reason = leasing_cancel.reason,
           deadline = NULL, environment = ''
     WHERE id = wanted_lease AND state = old_state AND version = old_version;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO leasing_transition (lease_id, seq, old, new, at, reason, actor)
    VALUES (wanted_lease, old_version + 1, old_state, 'cancelled', moment, leasing_cancel.reason, leasing_cancel.actor);
    WITH moved AS (
        UPDATE leasing_machine
           SET state = 'withdrawn', version = version + 1, state_since = moment, reason = leasing_cancel.reason,
               deadline = NULL
         WHERE lease_id = wanted_lease AND state = 'pending'
        RETURNING id, version)
    INSERT INTO leasing_machinetransition (machine_id, seq, old, new, at, reason, actor)
    SELECT id, version, 'pending', 'withdrawn', moment, leasing_cancel.reason, leasing_cancel.actor
      FROM moved ORDER BY id;
    PERFORM leasing_release(wanted_lease, nodes, moment);
    INSERT INTO accounts_event SELECT filled.*
      FROM jsonb_array_elements(events) AS event,
           jsonb_populate_record(NULL::accounts_event,
               event || jsonb_build_object('id', nextval('accounts_event_id_seq'))) AS filled;
    RETURN true;
END
$$;
