"""What was measured, beside what it has to be; and how busy the machine was meanwhile."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

LOOPS = 1_500_000


@dataclass(frozen=True)
class Line:
    """One figure, or the best of several with the one in their `middle`. A `bar` is the least that it may be, or with
    `most` the most; without one it is told for the reader only."""

    name: str
    figure: float
    unit: str
    middle: float | None = None
    bar: float | None = None
    most: bool = False
    note: str = ""

    @property
    def held(self) -> bool:
        """Whether the figure is where its bar wants it."""
        return self.bar is None or (self.figure <= self.bar if self.most else self.figure >= self.bar)

    def __str__(self) -> str:
        bar = "" if self.bar is None else f"{'≤' if self.most else '≥'} {_number(self.bar)}"
        verdict = "" if self.bar is None else ("held" if self.held else "MISSED")
        middle = "" if self.middle is None else f"middle {_number(self.middle)}"
        tail = ", ".join(filter(None, (middle, self.note)))
        return f"{self.name:<64} {_number(self.figure):>9} {self.unit:<9} {bar:>9} {verdict:<7} {tail}".rstrip()


@dataclass
class Table:
    """Lines as they come, each printed at once, and the canary's times between them in milliseconds. Without `judging`
    no bar is looked at: a small fleet says nothing about speed."""

    judging: bool = True
    lines: list[Line] = field(default_factory=list)
    canary_ms: list[float] = field(default_factory=list)

    def add(
        self, name: str, figure: float, unit: str, *, bar: float | None = None, most: bool = False,
        middle: float | None = None, note: str = "",
    ) -> None:  # fmt: skip
        """A figure; see Line."""
        self.lines.append(Line(name, figure, unit, middle, bar if self.judging else None, most, note))
        print(self.lines[-1], flush=True)
        self.listen()

    def middle(
        self, name: str, figures: Sequence[float], unit: str, *, bar: float | None = None, most: bool = False
    ) -> None:
        """Of several figures the middle, which its bar judges: the best of them says as much of what disturbed the
        other half of a ratio."""
        span = f"from {_number(min(figures))} to {_number(max(figures))}"
        self.add(name, median(figures), unit, bar=bar, most=most, note=span)

    def listen(self) -> None:
        """Time a loop that does nothing but count: it takes longer when others use the cores."""
        began = time.perf_counter()
        for _ in range(LOOPS):
            pass
        self.canary_ms.append(1000 * (time.perf_counter() - began))

    @property
    def missed(self) -> list[Line]:
        """Those whose bar is not held."""
        return [line for line in self.lines if self.judging and not line.held]

    def close(self) -> int:
        """Say how it ended; the exit status."""
        times = self.canary_ms
        print(
            f"\nA pure Python loop of {LOOPS:,} turns took {min(times):.0f} ms at best, {median(times):.0f} ms in the "
            f"middle and {max(times):.0f} ms at worst between the measurements."
        )
        held = (
            "Every bar is held." if self.judging else "No bar was looked at: the fleet was too small to say anything."
        )
        print("Missed: " + "; ".join(line.name for line in self.missed) if self.missed else held)
        return 1 if self.missed else 0


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@contextmanager
def chapter(title: str) -> Iterator[None]:
    """A headline over what follows."""
    print(f"\n{title}", flush=True)
    yield


def _number(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 1000 or figure == int(figure) else f"{figure:,.3g}"
