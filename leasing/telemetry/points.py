"""What is shown of a GPU over time, and how finer points become coarser ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

MJ_PER_WH = 3_600_000


@dataclass(frozen=True)
class Point:
    """One GPU in one step of time that begins at `at`. No point: nothing was heard of it. None: it does not tell.

    `energy_mj` is what was used since the point before, or since its own first sample where there is none before.
    """

    at: datetime
    samples: int
    utilization_percent: int | None
    utilization_max_percent: int | None
    memory_max_mib: int | None
    temperature_max_c: int | None
    power_mw: int | None
    energy_mj: int | None
    first_mj: int | None
    last_mj: int | None

    @property
    def energy_wh(self) -> float | None:
        """The same in watt-hours."""
        return None if self.energy_mj is None else self.energy_mj / MJ_PER_WH


@dataclass(frozen=True)
class Line:
    """One GPU's points, oldest first."""

    index: int
    uuid: str
    points: Sequence[Point]

    @property
    def energy_wh(self) -> float:
        """All that it used in them."""
        return sum(point.energy_wh or 0.0 for point in self.points)


def fold(hour: datetime, minutes: Sequence[Point]) -> Point:
    """Minutes as one point."""
    energy = [point for point in with_energy(minutes) if point.energy_mj is not None]
    return Point(
        at=hour,
        samples=sum(point.samples for point in minutes),
        utilization_percent=_mean(minutes, "utilization_percent"),
        utilization_max_percent=_largest(minutes, "utilization_max_percent"),
        memory_max_mib=_largest(minutes, "memory_max_mib"),
        temperature_max_c=_largest(minutes, "temperature_max_c"),
        power_mw=_mean(minutes, "power_mw"),
        energy_mj=sum(point.energy_mj or 0 for point in energy) if energy else None,
        first_mj=energy[0].first_mj if energy else None,
        last_mj=energy[-1].last_mj if energy else None,
    )


def _mean(points: Sequence[Point], name: str) -> int | None:
    told = [(getattr(point, name), point.samples) for point in points if getattr(point, name) is not None]
    return round(sum(value * weight for value, weight in told) / sum(weight for _, weight in told)) if told else None


def _largest(points: Sequence[Point], name: str) -> int | None:
    return max((value for point in points if (value := getattr(point, name)) is not None), default=None)


def with_energy(points: Sequence[Point]) -> list[Point]:
    """With what was used between two points added to the later one. A counter that fell began again from zero."""
    whole, before = [], None
    for point in points:
        if point.energy_mj is not None and point.first_mj is not None:
            if before is not None:
                between = point.first_mj - before if point.first_mj >= before else point.first_mj
                point = replace(point, energy_mj=point.energy_mj + between)
            before = point.last_mj
        whole.append(point)
    return whole
