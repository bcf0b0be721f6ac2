"""
Thousands of miners behind real sockets: told, read back and judged, a part of them misbehaving.

The stand-in plays them in a process of its own at the pace of real ones. What it really draws is asked of its meter.
"""

import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any

import django
from django.core.management import call_command

from bench.table import Table, chapter
from standins import control

SITE_WATTS = 50_000_000
BEHAVIOURS = {"refusing": 100, "silent": 100, "lying": 100}  # one in so many does so
MOST_SECONDS = 60


@dataclass(frozen=True)
class Part:
    """Miners of one of the stand-in's models, as a row of their class says what they are."""

    model: str
    count: int
    watts: int
    joules_per_terahash: float
    dialect: str


FLEET = (
    Part("s21", 6000, 3500, 17.5, "luxos"),
    Part("s19jpro", 3000, 3068, 29.5, "luxos"),
    Part("s19", 4000, 3250, 34.2, "cgminer"),
)


@dataclass
class Standin:
    """Where the miners answer, and who is asked what they draw."""

    first: IPv4Address
    port: int
    control: str

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The control's answer."""
        return control.ask(self.control, path, body)


def measure(table: Table, fleet: Sequence[Part]) -> None:
    """All miners of a site to sleep and awake again."""
    total = sum(part.count for part in fleet)
    with chapter(f"{total:,} miners, 1 % of them refusing, 1 % silent, 1 % lying"), standing_in(fleet) as standin:
        _all(table, standin, miners(standin, fleet), total)


def prepare(*, quick: bool) -> list[Part]:
    """Django and the tables; and the fleet, a hundredth of it if it shall be `quick`."""
    django.setup()
    from django.conf import settings  # noqa: PLC0415 - Django is set up by now

    call_command("migrate", verbosity=0, skip_checks=True)
    settings.MINER_NETWORKS = ["127.0.0.0/8"]
    return [replace(part, count=part.count // (100 if quick else 1)) for part in FLEET]


def _all(table: Table, standin: Standin, classes: Mapping[int, int], total: int) -> None:
    worked = time.process_time()
    took, report = _obey(standin, dict.fromkeys(classes, 0), urgent=True)
    worked = time.process_time() - worked
    name, told = f"{total:,} told to sleep, read back and written down", words(report.counts)
    table.add(name, took, "s", bar=MOST_SECONDS, most=True, note=told)
    table.add("of that, time of a processor", worked, "s")
    good = total - sum(-(-(total - first) // part) for first, part in enumerate(BEHAVIOURS.values()))
    slept = 100 * report.counts["obeyed"] / good
    table.add("of those that do as they are told, judged to have slept", slept, "%", bar=100)
    unseen = max(0, standin.ask("meter")["watts"] - report.load_watts) / 1e6
    table.add("drawn, but not counted as load", unseen, "MW", bar=0.01, most=True)
    took, report = _obey(standin, classes, urgent=False)
    table.add("those that slept told to wake and read back", took, "s", note=words(report.counts))


def _obey(standin: Standin, target: Mapping[int, int] | int, *, urgent: bool) -> tuple[float, Any]:
    from accounts.clock import now  # noqa: PLC0415
    from energy import commanding  # noqa: PLC0415
    from energy.models import Miner  # noqa: PLC0415
    from marketplace.models import Site  # noqa: PLC0415

    site, by_pk = Site.objects.get(slug="bench"), dict(Miner.objects.values_list("pk", "address"))

    def meter(miners: Collection[int]) -> Mapping[int, int]:
        drawn = standin.ask("meter")["miners"]
        return {pk: drawn[by_pk[pk]] for pk in miners}

    began = time.perf_counter()
    report = commanding.obey(
        site=site, target=target, actor="system:bench", reason="measured", now=now(), meter=meter,
        within=2 * MOST_SECONDS, urgent=urgent,
    )  # fmt: skip
    return time.perf_counter() - began, report


def miners(standin: Standin, fleet: Sequence[Part]) -> dict[int, int]:
    """Rows for the stand-in's miners, in place of those before; each class with what all its miners may draw."""
    from accounts.clock import now  # noqa: PLC0415
    from energy.models import Miner, MinerClass  # noqa: PLC0415
    from marketplace.models import GridZone, Site  # noqa: PLC0415

    Miner.objects.all().delete()
    zone, _ = GridZone.objects.get_or_create(
        code="BENCH", defaults={"name": "Bench", "gco2_per_kwh": 1, "renewable_percent": 1}
    )
    place = {"name": "Bench", "grid_zone": zone, "latitude": 0, "longitude": 0, "power_kw": SITE_WATTS // 1000}
    site, _ = Site.objects.get_or_create(slug="bench", defaults=place)
    rows: list[Miner] = []
    moment, classes = now(), {}
    for part in fleet:
        figures = {"name": part.model, "watts": part.watts, "dialect": part.dialect, "ramp_down_seconds": 5}
        kind, _ = MinerClass.objects.get_or_create(
            slug=part.model, defaults={**figures, "joules_per_terahash": part.joules_per_terahash}
        )
        classes[kind.pk] = part.count * part.watts
        for number in range(part.count):
            address = str(standin.first + len(rows))
            rows.append(
                Miner(
                    site=site, miner_class=kind, name=f"{part.model}-{number}", address=address, port=standin.port,
                    since=moment, load_watts=part.watts,
                )
            )  # fmt: skip
    Miner.objects.bulk_create(rows, batch_size=2000)
    for first, (behaviour, every) in enumerate(BEHAVIOURS.items()):
        standin.ask("behaviour", {"behaviour": behaviour, "miners": [row.address for row in rows[first::every]]})
    return classes


def words(counts: Mapping[str, int]) -> str:
    """How many did what."""
    return ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items() if count)


@contextmanager
def standing_in(fleet: Sequence[Part]) -> Iterator[Standin]:
    """The process of these miners, until the block is over."""
    wanted = ",".join(f"{part.model}:{part.count}" for part in fleet)
    argv = [sys.executable, "-m", "standins.miners", "--fleet", wanted]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        said = process.stdout.readline().replace(",", "").split()
        yield Standin(IPv4Address(said[3]), int(said[6]), said[-1])
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
