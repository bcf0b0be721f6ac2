"""Points as lines to be drawn: one chart for each figure, one line for each GPU, a gap where nothing was heard."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from leasing.telemetry.points import Line

WIDTH, HEIGHT = 600, 120  # of the drawing, in its own units
FIGURES = (
    ("Utilization", "utilization_percent", "%", 1, 100),
    ("Memory", "memory_max_mib", "GiB", 1024, 0),
    ("Temperature", "temperature_max_c", "°C", 1, 100),
    ("Power", "power_mw", "W", 1000, 0),
)
"""Title, field of Point, unit, how many of the field make one unit, and the least that the chart reaches up to."""


@dataclass(frozen=True)
class Chart:
    """One figure over time. `paths` are the `d` of SVG paths; `newest` and `highest` are of all GPUs, in `unit`."""

    title: str
    unit: str
    paths: Sequence[str]
    newest: float
    highest: float
    top: float


def charts(lines: Sequence[Line], *, since: datetime, until: datetime, step: timedelta) -> list[Chart]:
    """A chart for each figure that any GPU tells."""
    drawn = (_chart(lines, since, until, step, *figure) for figure in FIGURES)
    return [chart for chart in drawn if chart is not None]


def _chart(
    lines: Sequence[Line], since: datetime, until: datetime, step: timedelta,
    title: str, field: str, unit: str, scale: int, least: float,
) -> Chart | None:  # fmt: skip
    told = [[(p.at, value / scale) for p in line.points if (value := getattr(p, field)) is not None] for line in lines]
    told = [points for points in told if points]
    if not told:
        return None
    highest = max(value for points in told for _, value in points)
    _, newest = max(points[-1] for points in told)  # of those that are equally new, the highest
    top, width = max(least, highest) or 1, max(until - since, step)

    def place(at: datetime, value: float) -> str:
        across = min(1.0, max(0.0, (at - since) / width))
        return f"{WIDTH * across:.1f} {HEIGHT * (1 - value / top):.1f}"

    paths = [" ".join(_moves(points, step, place)) for points in told]
    return Chart(title, unit, paths, newest, highest, top)


def _moves(
    points: Sequence[tuple[datetime, float]], step: timedelta, place: Callable[[datetime, float], str]
) -> Iterator[str]:
    """To each point: a line from the one before, or, after a gap, a dot that a line may go on from."""
    before = None
    for at, value in points:
        joined = before is not None and at - before <= step
        yield f"L{place(at, value)}" if joined else f"M{place(at, value)}h0"
        before = at
