"""Hours as they are kept: one packed row for each node. Written from samples, read back as samples."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from leasing.telemetry.packing import pack, unpack
from leasing.telemetry.partitions import HOUR, SLOT
from leasing.telemetry.rollup import roll_hour, slots_of


class Sample(NamedTuple):
    """A GPU (its number in leasing_gpu) in one 15-second slot, in the order of the columns of leasing_gpusample."""

    at: datetime
    gpu: int
    energy_mj: int | None
    memory_mib: int | None
    power_mw: int | None
    ecc: int | None
    utilization: int | None
    temperature_c: int | None
    lost: bool


# By slot and range, so that the primary key (at, gpu) finds a few nodes' samples in each of the 240 slots.
GATHER = """
SELECT node_id, count(*), array_agg(gpu), array_agg(slot), array_agg(energy_mj), array_agg(memory_mib),
       array_agg(power_mw), array_agg(ecc), array_agg(utilization), array_agg(temperature_c), array_agg(lost)
  FROM (SELECT gpu.node_id, sample.gpu, (date_part('epoch', sample.at - %(hour)s) / 15)::int AS slot, energy_mj,
               memory_mib, power_mw, ecc, utilization, temperature_c, lost::int
          FROM {source} AS sample JOIN leasing_gpu AS gpu ON gpu.id = sample.gpu
         WHERE sample.at = ANY(%(slots)s) AND sample.gpu BETWEEN %(first)s AND %(last)s
           AND gpu.node_id = ANY(%(nodes)s)
         ORDER BY gpu.node_id, sample.gpu, sample.at) AS sample
 GROUP BY node_id
"""
KEEP = """
INSERT INTO leasing_gpusamplepack (node_id, at, samples, body) VALUES (%s, %s, %s, %s)
    ON CONFLICT (node_id, at) DO UPDATE SET samples = excluded.samples, body = excluded.body
"""


def pack_nodes(hour: datetime, *, source: str, nodes: Collection[int]) -> int:
    """Roll up and pack these nodes' hour from the table `source`, in a transaction; how many samples were packed."""
    roll_hour(hour, source=source, nodes=nodes)
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(id), max(id) FROM leasing_gpu WHERE node_id = ANY(%s)", [list(nodes)])
        first, last = cursor.fetchone()
        given = {"hour": hour, "slots": slots_of(hour, HOUR), "nodes": list(nodes), "first": first, "last": last}
        cursor.execute(GATHER.format(source=source), given)
        rows = [(node, hour, count, pack(columns)) for node, count, *columns in cursor.fetchall()]
        cursor.executemany(KEEP, rows)
    return sum(count for _, _, count, _ in rows)


def packed(nodes: Iterable[int], *, since: datetime, until: datetime) -> list[Sample]:
    """The samples in all packed hours of these nodes that begin in [since, until)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, body FROM leasing_gpusamplepack WHERE node_id = ANY(%s) AND at >= %s AND at < %s",
            [list(nodes), since, until],
        )
        return [sample for hour, body in cursor.fetchall() for sample in _unpacked(hour, bytes(body))]


def _unpacked(hour: datetime, body: bytes) -> Iterator[Sample]:
    gpus, slots, *figures, lost = unpack(body)
    times = (hour + SLOT * slot for slot in slots if slot is not None)
    for at, gpu, *row, gone in zip(times, gpus, *figures, lost, strict=True):
        yield Sample._make((at, gpu, *row, bool(gone)))
