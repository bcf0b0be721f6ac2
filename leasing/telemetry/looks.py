"""The newest word about each node, written for a whole site in one go: counters are computed by the database."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.db import connection, transaction

Look = tuple[int, datetime, str, str, str]
"""One look at one node: its primary key, when, the OutageCause ("": nothing is wrong), the detail, the boot id ("" when
the host did not tell; the one that is known stays)."""


class Turn(NamedTuple):
    """A node that was well and is not any more, or the other way round. `cause` is the new one, "" for well again;
    `was` the old one. `last_good_at` is the last good look before this one, None where there never was any."""

    node_id: int
    at: datetime
    cause: str
    was: str
    last_good_at: datetime | None


LOOKS = """
    SELECT DISTINCT ON (node_id) * FROM unnest(
        %(node_ids)s::bigint[], %(times)s::timestamptz[], %(causes)s::text[], %(details)s::text[], %(boots)s::text[]
    ) AS look (node_id, at, cause, detail, boot_id)
    ORDER BY node_id, at DESC
"""

# So that every look is an update of a locked row: a node's first look then counts like any other, also when two
# workers have it at once.
MEET = f"""
INSERT INTO leasing_nodehealth (node_id, seen_at, boot_id, cause, detail, last_good_at, history, bad_looks,
       good_looks)
SELECT node_id, '-infinity', '', '', '', NULL, 0, 0, 0 FROM ({LOOKS}) AS look
 WHERE NOT EXISTS (SELECT FROM leasing_nodehealth AS known WHERE known.node_id = look.node_id)
 ORDER BY node_id
    ON CONFLICT DO NOTHING
"""

# The rows are locked in the order of their nodes before any is written: two calls wait for each other, never in a ring.
UPSERT = f"""
WITH look AS ({LOOKS}), old AS MATERIALIZED (
    SELECT health.* FROM leasing_nodehealth AS health JOIN look USING (node_id)
     WHERE health.seen_at < look.at
     ORDER BY health.node_id FOR NO KEY UPDATE OF health
), written AS (
    UPDATE leasing_nodehealth AS health
       SET seen_at = look.at,
           cause = look.cause,
           detail = left(look.detail, 200),
           boot_id = CASE look.boot_id WHEN '' THEN old.boot_id ELSE look.boot_id END,
           last_good_at = CASE look.cause WHEN '' THEN look.at ELSE old.last_good_at END,
           history = (old.history * 2 + CASE look.cause WHEN '' THEN 0 ELSE 1 END) & 31,
           good_looks = CASE look.cause WHEN '' THEN old.good_looks + 1 ELSE 0 END,
           bad_looks = CASE look.cause WHEN '' THEN 0 ELSE old.bad_looks + 1 END
      FROM old JOIN look USING (node_id)
     WHERE health.node_id = old.node_id
 RETURNING health.node_id, look.at, look.cause, old.cause AS was, old.last_good_at
)
SELECT * FROM written WHERE (cause = '') <> (was = '') ORDER BY node_id
"""


@transaction.atomic
def upsert_health(looks: Iterable[Look]) -> list[Turn]:
    """
    Write the newest look at each node into NodeHealth. A look that is not newer than the stored one changes nothing,
    so looks may come late, twice, or out of order; of several at one node only the newest counts.

    Returns the nodes that turned from well to not, or back. A node that was never seen counts as well before.
    """
    columns = list(zip(*looks, strict=True))
    if not columns:
        return []
    names = ("node_ids", "times", "causes", "details", "boots")
    arrays = {name: list(column) for name, column in zip(names, columns, strict=True)}
    with connection.cursor() as cursor:
        cursor.execute(MEET, arrays)
        cursor.execute(UPSERT, arrays)
        return [Turn(*row) for row in cursor.fetchall()]
