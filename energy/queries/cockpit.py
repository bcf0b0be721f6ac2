"""What the dispatcher's page shows of a site: power over the past and next two days, and what each use is worth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet

from energy.models import Command, PowerPlan
from energy.queries.standing import MEGA, Standing, gpu_usd_per_mwh
from energy.states import COMMAND_OPEN
from marketplace.models import Site

HOUR = timedelta(hours=1)
HOURS = 48  # back and ahead
WIDTH, HEIGHT = 960, 240  # of the drawing, in its own units
USES = (
    ("house", "House"),
    ("gpu_firm", "GPU, firm"),
    ("gpu_surplus", "GPU, surplus"),
    ("gpu_idle", "GPU, idle"),
    ("mining", "Mining"),
    ("charging", "Into the battery"),
)
SOURCES = (("grid", "Grid"), ("solar", "Solar"), ("wind", "Wind"), ("discharging", "Battery"))


@dataclass(frozen=True)
class Hour:
    """Watts by use or source in an hour; `expected` if it is ahead."""

    at: datetime
    watts: dict[str, int]
    expected: bool


@dataclass(frozen=True)
class Band:
    """One use in a chart: the `d` of an SVG path, and its watts now."""

    key: str
    name: str
    path: str
    now: int


@dataclass(frozen=True)
class Stack:
    """A chart of uses, or of sources, stacked. `top` is its upper end in watts."""

    title: str
    bands: Sequence[Band]
    rows: Sequence[Hour]
    top: int
    now_x: float


@dataclass(frozen=True)
class Worth:
    """What a MWh is worth at the meter in one use, $; None: not known."""

    name: str
    usd_per_mwh: float | None


def sites() -> QuerySet[Site]:
    """Sites with a contract, with how many proposals wait."""
    waiting = Count("power_commands", Q(power_commands__state="proposed"))
    with_power = Site.objects.filter(pk__in=PowerPlan.objects.values("site"))
    return with_power.annotate(waiting=waiting).order_by("slug")


def newest_plans() -> dict[int, PowerPlan]:
    """Of each site, by its key."""
    rows = PowerPlan.objects.order_by("site_id", "-starts_at").distinct("site_id").select_related("site")
    return {row.site_id: row for row in rows}


def stacks(site: Site, plan: PowerPlan | None, *, now: datetime) -> list[Stack]:
    """Uses and sources over time; none without any plan."""
    if plan is None:
        return []
    past = PowerPlan.objects.filter(
        site=site, starts_at__gt=now - HOURS * HOUR, starts_at__lte=now, starts_at__minute=0
    )
    rows = list(past.order_by("starts_at").values_list("starts_at", "seen"))
    return [
        _stack(title, names, [*_seen(rows, part), *_expected(plan, part, now)], now)
        for title, part, names in (("Power by use", "uses", USES), ("Power by source", "sources", SOURCES))
    ]


def worth(here: Standing, plan: PowerPlan | None) -> list[Worth]:
    """$/MWh of each use side by side, the dearest first, what is not known last."""
    internal = plan.internal_micros_per_mwh if plan else None
    rows = [
        Worth("GPU, firm", gpu_usd_per_mwh(here.firm, here.contract)),
        Worth("GPU, surplus", gpu_usd_per_mwh(here.surplus, here.contract)),
        *(Worth(f"Mining, {row.kind.name}", row.usd_per_mwh) for row in here.classes),
        Worth("Grid energy, now", _price(here)),
        Worth("One more MWh at the site (plan)", None if internal is None else internal / MEGA),
    ]
    return sorted(rows, key=lambda row: -1e9 if row.usd_per_mwh is None else row.usd_per_mwh, reverse=True)


def commands_of(site: Site | None = None) -> QuerySet[Command]:
    """Commands, the newest first."""
    rows = Command.objects.select_related("site", "lease", "undoes", "undone_by").order_by("-pk")
    return rows if site is None else rows.filter(site=site)


def open_commands(site: Site) -> QuerySet[Command]:
    """What waits, or is under way."""
    return commands_of(site).filter(state__in=sorted(COMMAND_OPEN))


def _price(here: Standing) -> float | None:
    if here.tariff is None:
        return None
    if here.tariff.feed is None:
        return here.tariff.micros_per_mwh / MEGA
    value = here.price.value if here.price else None
    return None if value is None else (value + here.tariff.micros_per_mwh) / MEGA


def _seen(rows: Sequence[tuple[datetime, Any]], part: str) -> Iterator[Hour]:
    for at, seen in rows:
        yield Hour(at, seen[part], expected=False)


def _expected(plan: PowerPlan, part: str, now: datetime) -> Iterator[Hour]:
    for row in plan.ahead:
        if (at := datetime.fromisoformat(row["at"])) > now - HOUR:
            yield Hour(at, row[part], expected=True)


def _stack(title: str, names: Sequence[tuple[str, str]], rows: Sequence[Hour], now: datetime) -> Stack:
    top = max((sum(row.watts.values()) for row in rows), default=0) or 1
    since = now - HOURS * HOUR
    width = WIDTH / (2 * HOURS)
    bands, below = [], [0] * len(rows)
    for key, name in names:
        parts = []
        for place, row in enumerate(rows):
            watts = max(row.watts.get(key, 0), 0)
            x = max((row.at - since) / HOUR, 0) * width
            y, high = HEIGHT * (1 - (below[place] + watts) / top), HEIGHT * watts / top
            if watts:
                parts.append(f"M{x:.1f} {y:.1f}h{width - 1:.1f}v{high:.1f}h{1 - width:.1f}z")
            below[place] += watts
        latest = [row for row in rows if not row.expected]
        bands.append(Band(key, name, "".join(parts), latest[-1].watts.get(key, 0) if latest else 0))
    return Stack(title, bands, rows, top, WIDTH / 2)
