"""The energy of a lease: its hours, and what they come to."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from energy.models import LeaseHour, Quality
from leasing.models import Lease

SUMMED = ("energy_wh", "renewable_wh", "location_ug", "market_ug")


@dataclass(frozen=True)
class Total:
    """What hours come to, in whole units; how many of them are known in which way."""

    hours: int
    energy_wh: int
    renewable_wh: int
    location_ug: int
    market_ug: int
    by_quality: dict[str, int]

    @property
    def renewable_percent(self) -> float | None:
        """None without energy."""
        return 100 * self.renewable_wh / self.energy_wh if self.energy_wh else None


def hours_of(lease: Lease, *, since: datetime | None = None, until: datetime | None = None) -> list[LeaseHour]:
    """A lease's hours, oldest first, in a half-open time or all of them."""
    rows = LeaseHour.objects.filter(lease=lease).order_by("starts_at")
    if since is not None:
        rows = rows.filter(starts_at__gte=since)
    if until is not None:
        rows = rows.filter(starts_at__lt=until)
    return list(rows)


def total(rows: Sequence[LeaseHour]) -> Total:
    """All of them together."""
    sums = {name: sum(getattr(row, name) for row in rows) for name in SUMMED}
    qualities = Counter(row.quality for row in rows)
    return Total(len(rows), **sums, by_quality={quality.value: qualities[quality] for quality in Quality})
