"""
Price files: day-ahead and real-time $/MWh in steps of a quarter of an hour, as a dispatcher comes to know them.

Any CSV with the columns of `bench/data/ercot-hb-south-15min.csv.gz` will do, gzipped or not: other lengths and steps,
moments with or without a zone, rows that are missing, doubled, out of order or without a number, negative prices.
"""

import csv
import gzip
import math
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from statistics import multimode

import numpy as np

from energy.planning.forecasting import filled
from energy.planning.problem import Floats

OWN = Path(__file__).parent / "data" / "ercot-hb-south-15min.csv.gz"
MOMENT, DAY_AHEAD, REAL_TIME = "interval_start_local", "day_ahead_usd_per_mwh", "real_time_usd_per_mwh"
PUBLISHED_AT = 14  # o'clock, when the auction's prices of the next day are known (ERCOT: 13:30)


@dataclass(frozen=True)
class Prices:
    """Both prices (T,) without gaps; `hour` (T,) is the time of day at the start of each step, from 0 to 24."""

    name: str
    step_hours: float
    hour: Floats
    day_ahead: Floats
    real_time: Floats
    missing: int

    @property
    def steps(self) -> int:
        """T."""
        return len(self.hour)

    @property
    def steps_a_day(self) -> int:
        """How many steps a day has."""
        return round(24 / self.step_hours)

    def first(self, steps: int) -> "Prices":
        """The beginning only."""
        return Prices(
            self.name, self.step_hours, self.hour[:steps], self.day_ahead[:steps], self.real_time[:steps], self.missing
        )

    def published(self, step: int, ahead: int) -> Floats:
        """Day-ahead prices (ahead,) as they are known at a step: hours that are not auctioned yet are expected to cost
        what they cost a day before."""
        day, until = self.steps_a_day, self._known_until(step)
        places = np.arange(step, step + ahead)
        beyond = places >= until
        places[beyond] -= day * ((places[beyond] - until) // day + 1)
        return self.day_ahead[np.maximum(places, 0)]

    def _known_until(self, step: int) -> int:
        midnight = step + round(float(24 - self.hour[step]) / self.step_hours)
        known = midnight + (self.steps_a_day if self.hour[step] >= PUBLISHED_AT else 0)
        return min(known, self.steps)


def read(path: Path = OWN) -> Prices:
    """The prices of a file; raises ValueError, with what to do, for one that cannot be used."""
    rows = sorted(_rows(path).items())
    if len(rows) < 2:
        raise ValueError(f"{path}: {len(rows)} rows with a moment; a day of them at least is needed")
    steps = [int((after - before).total_seconds()) for (before, _), (after, _) in pairwise(rows)]
    seconds = min(multimode(steps))
    if 86_400 % seconds:
        raise ValueError(f"{path}: steps of {seconds} s do not fill a day; give quarters, halves or whole hours")
    first, last = rows[0][0], rows[-1][0]
    count = int((last - first).total_seconds()) // seconds + 1
    if count > 4_000_000 or count < 86_400 // seconds:
        raise ValueError(f"{path}: {count} steps of {seconds} s; a day at least and four million at most")
    table = np.full((count, 2), np.nan)
    for moment, prices in rows:
        table[int((moment - first).total_seconds()) // seconds] = prices
    begins = first.hour + first.minute / 60 + first.second / 3600
    day_ahead, real_time = (filled(table[:, column], steps_a_day=86_400 // seconds) for column in (0, 1))
    hour = (begins + np.arange(count) * seconds / 3600) % 24
    gaps = int(np.isnan(table).any(axis=1).sum())
    return Prices(path.name, seconds / 3600, hour, day_ahead, real_time, missing=gaps)


def _rows(path: Path) -> dict[datetime, tuple[float, float]]:
    """Prices by moment, on the clock of the first one; a moment without a zone is taken as it is."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        absent = {MOMENT, DAY_AHEAD, REAL_TIME} - set(reader.fieldnames or ())
        if absent:
            raise ValueError(f"{path}: no column {', '.join(sorted(absent))}")
        rows = [(_moment(row[MOMENT]), _number(row[DAY_AHEAD]), _number(row[REAL_TIME])) for row in reader]
    timed = [(moment, prices) for moment, *prices in rows if moment]
    zone = timed[0][0].tzinfo if timed else None
    return {moment.astimezone(zone): (first, second) for moment, (first, second) in timed}


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    zone = timezone(moment.utcoffset() or timedelta())
    return moment.replace(tzinfo=zone)


def _number(text: str | None) -> float:
    try:
        number = float(text or "nan")
    except ValueError:
        return float("nan")
    return number if math.isfinite(number) else float("nan")
