"""Many who want the same nodes at once: of one pool, and four at a time."""

from django.db import connection

from bench import pgbench
from bench.booking_ordering import deadlocks
from leasing.models import Lease
from marketplace.models import Node, Offer

# By hand: a lease of four named nodes, their calendars locked in the order of ids or as they come; and given back.
FUNCTIONS = """
    CREATE OR REPLACE FUNCTION bench_take(nodes bigint[], wanted tstzrange, sorted boolean, model leasing_lease)
    RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        made bigint := nextval('leasing_lease_id_seq');
        locked int := 0;
        turn bigint;
    BEGIN
        IF sorted THEN
            PERFORM FROM marketplace_nodecalendar WHERE node_id = ANY (nodes) AND NOT busy && wanted
              ORDER BY node_id FOR NO KEY UPDATE;
            GET DIAGNOSTICS locked = ROW_COUNT;
        ELSE
            FOREACH turn IN ARRAY nodes LOOP
                PERFORM FROM marketplace_nodecalendar WHERE node_id = turn AND NOT busy && wanted FOR NO KEY UPDATE;
                locked := locked + FOUND::int;
            END LOOP;
        END IF;
        IF locked < cardinality(nodes) THEN
            RETURN NULL;
        END IF;
        UPDATE marketplace_nodecalendar SET busy = busy + tstzmultirange(wanted) WHERE node_id = ANY (nodes);
        INSERT INTO leasing_lease SELECT row.* FROM jsonb_populate_record(
            model, jsonb_build_object('id', made, 'public_id', 'ls_hand' || made)) AS row;
        INSERT INTO leasing_claim (node_id, lease_id, period) SELECT node, made, wanted FROM unnest(nodes) AS node;
        RETURN made;
    END $$;
    CREATE OR REPLACE FUNCTION bench_give_back(lease bigint) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        nodes bigint[] := (SELECT array_agg(node_id) FROM leasing_claim WHERE lease_id = lease);
    BEGIN
        PERFORM FROM marketplace_nodecalendar WHERE node_id = ANY (nodes) ORDER BY node_id FOR NO KEY UPDATE;
        UPDATE leasing_claim SET released_at = now() WHERE lease_id = lease;
        UPDATE marketplace_nodecalendar AS calendar
           SET busy = coalesce((SELECT range_agg(period) FROM leasing_claim AS live
                                 WHERE live.node_id = calendar.node_id AND live.released_at IS NULL), '{}')
         WHERE node_id = ANY (nodes);
    END $$;
"""
# Each client begins at another of the pool's nodes and goes up or down from there.
FOUR = r"""
\set from random(0, :size - 1)
\set step random(0, 1) * 2 - 1
\set a :lowest + mod(:from + 3 * :size, :size)
\set b :lowest + mod(:from + :step + 3 * :size, :size)
\set c :lowest + mod(:from + 2 * :step + 3 * :size, :size)
\set d :lowest + mod(:from + 3 * :step + 3 * :size, :size)
\set begin random(0, 48)
\set end :begin + 12
SELECT coalesce(bench_take(ARRAY[cast(:a AS bigint), cast(:b AS bigint), cast(:c AS bigint), cast(:d AS bigint)],
           tstzrange(now() + cast(:begin AS int) * interval '1 hour', now() + cast(:end AS int) * interval '1 hour'),
           cast(:sorted AS int) = 1, model), 0) AS made
  FROM leasing_lease AS model WHERE id = cast(:model AS bigint) \gset
SELECT bench_give_back(cast(:made AS bigint)) WHERE cast(:made AS bigint) > 0;
"""


def four_by_hand(offer: Offer, *, clients: int, turns: int, in_order: bool) -> tuple[float, int]:
    """Orders a second that were answered, each taken lease given back at once; and the deadlocks of it."""
    nodes = list(Node.objects.filter(pool=offer.pool_id).order_by("pk").values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(FUNCTIONS)
    model, before = Lease.objects.order_by("-pk")[0].pk, deadlocks()
    rate = pgbench.rate(
        FOUR, clients=clients, turns=turns, lowest=nodes[0], size=len(nodes), model=model, sorted=int(in_order)
    )
    return rate, deadlocks() - before
