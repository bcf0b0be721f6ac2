"""Storing telemetry: how fast rows come in, and how little of them is kept."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from statistics import median

from django.db import connection

from bench.fleet_world import GPUS, SimulatedNode
from bench.table import Table, seconds
from leasing.provisioners.base import Reading
from leasing.telemetry.house import GRACE, KEEP_SAMPLES, keep_house
from leasing.telemetry.packs import packed
from leasing.telemetry.partitions import DAY, HOUR, PACKS, SAMPLES, SLOT
from leasing.telemetry.samples import Numbers, encoded, open_hours, write

START = datetime(2026, 1, 5, tzinfo=UTC)
slots = (START + place * SLOT for place in count(1))


def writing(table: Table, nodes: list[SimulatedNode], sites: int, *, rounds: int) -> None:
    """Rows per second on one connection: a raw COPY, the fast way, exactly once, and the same batch again."""
    known: Numbers = {}
    write([node.read(START) for node in nodes], known=known)  # every GPU has its number now, the hours their pieces
    open_hours([START + place * HOUR for place in range(3)])
    rows, some = len(nodes) * GPUS, nodes[: max(1, len(nodes) // sites)]
    raw = _raw_speed(rounds, nodes, known)
    table.add("a raw COPY of the same rows into the same table, for comparison", max(raw), "rows/s", middle=median(raw))
    for name, every, bar, exactly_once in (
        (f"COPY straight into the partition, {rows:,} rows at a time", nodes, 300_000, False),
        (f"the same, a site's {len(some) * GPUS:,} rows at a time", some, None, False),
        (f"exactly once, {rows:,} rows at a time", nodes, 100_000, True),
        (f"the same, a site's {len(some) * GPUS:,} rows at a time", some, None, True),
    ):
        speed = _speed(rounds, every, lambda batch, once=exactly_once: write(batch, exactly_once=once, known=known))  # type: ignore[misc]
        table.add(name, max(speed), "rows/s", bar=bar, middle=median(speed), note=_beside(speed, raw))
    batch = [node.read(START) for node in nodes]
    again = [rows / seconds(lambda: write(batch, known=known)) for _ in range(rounds)]
    table.add(
        "a batch that is there already, sent again",
        max(again),
        "rows/s",
        middle=median(again),
        note=_beside(again, raw),
    )


def _beside(speeds: list[float], raw: list[float]) -> str:
    return f"{max(speeds) / max(raw):.2f} of the raw COPY"


def _speed(rounds: int, nodes: list[SimulatedNode], store: Callable[[list[Reading]], object]) -> list[float]:
    """Rows per second, in that many rounds."""
    times = []
    for _ in range(rounds):
        at = next(slots)
        batch = [node.read(at) for node in nodes]
        times.append(seconds(lambda: store(batch)))  # noqa: B023  called at once
    return [len(nodes) * GPUS / took for took in times]


def _raw_speed(rounds: int, nodes: list[SimulatedNode], known: Numbers) -> list[float]:
    """What the database alone takes, for rows that are ready to be sent."""
    times = []
    for at in islice(slots, rounds):
        everything = b"".join(encoded([node.read(at) for node in nodes], known))
        times.append(seconds(lambda: _copy(everything, at)))  # noqa: B023  called at once
    return [len(nodes) * GPUS / took for took in times]


def _copy(everything: bytes, at: datetime) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {SAMPLES.name(at)} FROM STDIN (FORMAT binary)") as copy:
        copy.write(everything)


def keeping(table: Table, nodes: list[SimulatedNode], fleet: int) -> None:
    """An hour of some nodes: packed, read back, and what is left after its retention."""
    hour, samples = START + 30 * DAY, len(nodes) * GPUS * 240
    readings = [node.read(hour + place * SLOT) for place in range(240) for node in nodes]
    write(readings, exactly_once=False)
    known = {(gpu.energy_mj, gpu.power_mw) for reading in readings for gpu in reading.gpus}
    taken = seconds(lambda: keep_house(now=hour + HOUR + GRACE))
    size = _query(f"SELECT pg_total_relation_size('{PACKS.name(hour)}')")
    table.add("kept of a sample, indexes and all", size / samples, "bytes", bar=10, most=True)
    body = _query("SELECT sum(octet_length(body)) FROM leasing_gpusamplepack WHERE at = %s", hour)
    table.add("of that, packed samples", body / samples, "bytes")
    read = packed([node.key for node in nodes], since=hour, until=hour + HOUR)
    same = len(read) == samples and {(sample.energy_mj, sample.power_mw) for sample in read} == known
    table.add("packed samples that are read back as they were written", 100 * same, "%", bar=100)
    speed = samples / taken
    projected = timedelta(seconds=round(fleet * GPUS * 240 / speed))
    table.add("rolled up and packed", speed, "samples/s", note=f"an hour of the whole fleet in {projected}")
    keep_house(now=hour + KEEP_SAMPLES + 2 * DAY)
    left = _query("SELECT sum(samples) FROM leasing_gpuhour WHERE at = %s", hour)
    table.add("of the samples in hourly roll-ups when they are gone", 100 * left / samples, "%", bar=100)


def _query(query: str, *parameters: object) -> float:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)  # type: ignore[arg-type]
        return float(cursor.fetchone()[0])
