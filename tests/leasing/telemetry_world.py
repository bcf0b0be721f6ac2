"""Readings as a site's watcher hands them over, and what is kept of them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection

from leasing.provisioners.base import GPUReading, Reading
from leasing.telemetry.packs import Sample, packed
from marketplace.models import Node
from tests.factories import DAY, NOON


def a_gpu(index: int = 0, **figures: Any) -> GPUReading:
    typical: dict[str, Any] = {
        "utilization": 90,
        "memory_mib": 70_000,
        "temperature_c": 60,
        "power_mw": 600_000,
        "energy_mj": 1_000_000,
        "ecc_uncorrected": 0,
    }
    return GPUReading(index=index, uuid=f"GPU-{index}", **typical | figures)


def a_reading(node: Node, at: datetime = NOON, *gpus: GPUReading, **fields: Any) -> Reading:
    return Reading(node_id=node.public_id, at=at, **{"reached": True, "gpus": gpus or (a_gpu(),), **fields})


def rows(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())


def kept(nodes: Iterable[Node]) -> set[Sample]:
    """Every sample of these nodes, wherever it is."""
    ids = [node.pk for node in nodes]
    found = set(packed(ids, since=NOON - 99 * DAY, until=NOON + 99 * DAY))
    columns = ", ".join(Sample._fields)
    for table in ("leasing_gpusample", "leasing_gpusamplelate"):
        theirs = f"SELECT {columns} FROM {table} WHERE gpu IN (SELECT id FROM leasing_gpu WHERE node_id = ANY(%s))"
        found |= {Sample(*row) for row in rows(theirs, ids)}
    return found


def pieces(table: str = "leasing_gpusample") -> list[str]:
    """The partitions of a table, oldest first."""
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass"
    return sorted(name for (name,) in rows(query, table))
