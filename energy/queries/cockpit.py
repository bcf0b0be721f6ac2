"""What the dispatcher's page shows of a site: power over the past and next two days, and what each use is worth."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet

from accounts.models import selected
from energy.models import Command, FeedKind, PowerPlan
from energy.queries.battery import BatteryNow, battery_now
from energy.queries.standing import MEGA, THOUSAND, Standing, gpu_usd_per_mwh, standing
from energy.states import COMMAND_OPEN
from marketplace.models import Site

HOUR, STEP_HOURS = timedelta(hours=1), 0.25
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
class Span:
    """Watts by use or source from `at` on: a quarter of an hour that was seen, or an hour that is `expected`."""

    at: datetime
    hours: float
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
    rows: Sequence[Span]
    top: int


@dataclass(frozen=True)
class Worth:
    """What a MWh is worth at the meter in one use, $; None: not known."""

    name: str
    usd_per_mwh: float | None

    @property
    def micros_per_mwh(self) -> int | None:
        """In micro-dollars."""
        return _micros(self.usd_per_mwh)


@dataclass(frozen=True)
class Carbon:
    """What a kWh from the grid carries, grams of CO2e, and whose word that is."""

    grams_per_kwh: float
    source: str

    @property
    def milligrams_per_kwh(self) -> int:
        """In whole numbers."""
        return round(self.grams_per_kwh * THOUSAND)


@dataclass(frozen=True)
class Cockpit:
    """All that the page and the API show of a site that has a contract. `plan` is its newest one, None before the
    first: then there are no `stacks`."""

    here: Standing
    plan: PowerPlan | None
    stacks: Sequence[Stack]
    worth: Sequence[Worth]
    carbon: Carbon
    battery: BatteryNow | None
    waiting: QuerySet[Command]

    @property
    def by_use(self) -> Sequence[Span]:
        """Power over time."""
        return self.stacks[0].rows if self.stacks else ()

    @property
    def by_source(self) -> Sequence[Span]:
        """Power over time."""
        return self.stacks[1].rows if self.stacks else ()

    @property
    def price_micros_per_mwh(self) -> int | None:
        """Of grid energy now, all that comes on top included; None: not known."""
        return _micros(self.here.usd_per_mwh)

    @property
    def hash_price_micros(self) -> int | None:
        """Per PH/s and day, the last that was told; None: never told."""
        return _micros(self.here.hash_usd)


def cockpit(site: Site, *, now: datetime) -> Cockpit | None:
    """The site now; None where it has no contract."""
    here = standing(site, now=now)
    if here is None:
        return None
    plan = site.power_plans.order_by("-starts_at").first()
    return Cockpit(
        here, plan, stacks(here, plan), worth(here, plan), carbon(here), battery_now(here), open_commands(site)
    )


def sites() -> QuerySet[Site]:
    """Sites with plans, with how many proposals wait: whose wait first, then the largest."""
    waiting = Count("power_commands", Q(power_commands__state="proposed"))
    with_power = Site.objects.filter(pk__in=PowerPlan.objects.values("site"))
    return with_power.annotate(waiting=waiting).order_by("-waiting", "-power_kw", "slug")


def overview() -> list[PowerPlan]:
    """The newest plan of each site, in the order of `sites`, whose rows they carry."""
    plans = {row.site_id: row for row in PowerPlan.objects.order_by("site_id", "-starts_at").distinct("site_id")}
    rows = [(site, plans[site.pk]) for site in sites() if site.pk in plans]
    for site, plan in rows:
        plan.site = site
    return [plan for _, plan in rows]


def wants_a_look(plan: PowerPlan, *, now: datetime) -> bool:
    """Whether something waits for the dispatcher at the site of an overview's plan, or no plan decides there now."""
    waiting: int = selected(plan.site, "waiting")
    return waiting > 0 or plan.basis != PowerPlan.Basis.PLAN or plan.ends_at < now


def totals(plans: Sequence[PowerPlan]) -> dict[str, int]:
    """Watts at the meter of each use and source, of all these together."""
    found: Counter[str] = Counter()
    for plan in plans:
        found.update({**plan.seen["uses"], **plan.seen["sources"]})
    return dict(found)


def stacks(here: Standing, plan: PowerPlan | None) -> list[Stack]:
    """Uses and sources over time; none without any plan."""
    if plan is None:
        return []
    past = PowerPlan.objects.filter(site=here.site, starts_at__gt=here.at - HOURS * HOUR, starts_at__lt=plan.starts_at)
    rows = list(past.order_by("starts_at").values_list("starts_at", "seen"))
    parts = (("Power by use", "uses", USES, here.uses), ("Power by source", "sources", SOURCES, here.sources))
    return [
        _stack(title, names, [*_seen(rows, part), *_expected(plan, part)], told, here.at)
        for title, part, names, told in parts
    ]


def carbon(here: Standing) -> Carbon:
    """Of the hour where a feed tells it, else the zone's yearly average."""
    told = here.told(FeedKind.CARBON)
    if told is not None:
        return Carbon(told / THOUSAND, here.feeds[FeedKind.CARBON].feed.name)
    zone = here.site.grid_zone
    return Carbon(float(zone.gco2_per_kwh), f"{zone.code}, yearly average")


def worth(here: Standing, plan: PowerPlan | None) -> list[Worth]:
    """$/MWh of each use side by side, the dearest first, what is not known last."""
    internal = plan.internal_micros_per_mwh if plan else None
    rows = [
        Worth("GPU, firm", gpu_usd_per_mwh(here.firm, here.contract)),
        Worth("GPU, surplus", gpu_usd_per_mwh(here.surplus, here.contract)),
        *(Worth(f"Mining, {row.kind.name}", row.usd_per_mwh) for row in here.classes),
        Worth("Grid energy, now", here.usd_per_mwh),
        Worth("One more MWh at the site (plan)", None if internal is None else internal / MEGA),
    ]
    return sorted(rows, key=lambda row: -1e9 if row.usd_per_mwh is None else row.usd_per_mwh, reverse=True)


def commands_of(site: Site | None = None, *, state: str = "") -> QuerySet[Command]:
    """Commands, the newest first; of one site, or in one state."""
    rows = Command.objects.select_related("site", "lease", "undoes", "undone_by").order_by("-pk")
    rows = rows if site is None else rows.filter(site=site)
    return rows.filter(state=state) if state else rows


def open_commands(site: Site) -> QuerySet[Command]:
    """What waits, or is under way."""
    return commands_of(site).filter(state__in=sorted(COMMAND_OPEN))


def _seen(rows: Sequence[tuple[datetime, Any]], part: str) -> Iterator[Span]:
    for at, seen in rows:
        yield Span(at, STEP_HOURS, seen[part], expected=False)


def _expected(plan: PowerPlan, part: str) -> Iterator[Span]:
    for row in plan.ahead:
        yield Span(datetime.fromisoformat(row["at"]), 1.0, row[part], expected=True)


def _stack(
    title: str, names: Sequence[tuple[str, str]], rows: Sequence[Span], told: Mapping[str, int], now: datetime
) -> Stack:
    top = max((sum(row.watts.values()) for row in rows), default=0) or 1
    bands, below = [], [0] * len(rows)
    for key, name in names:
        path = "".join(_bar(row, key, below[place], top, now) for place, row in enumerate(rows))
        below = [under + max(row.watts.get(key, 0), 0) for under, row in zip(below, rows, strict=True)]
        bands.append(Band(key, name, path, told.get(key, 0)))
    return Stack(title, bands, rows, top)


def _bar(row: Span, key: str, below: int, top: int, now: datetime) -> str:
    """One use in one span: a rectangle, which what is beyond the drawing is cut off from."""
    scale, watts = WIDTH / (2 * HOURS), max(row.watts.get(key, 0), 0)
    begins = (row.at - now) / HOUR + HOURS
    left, right = (min(max(hour, 0.0), 2.0 * HOURS) * scale for hour in (begins, begins + row.hours))
    if not watts or right <= left:
        return ""
    y, high = HEIGHT * (1 - (below + watts) / top), HEIGHT * watts / top
    return f"M{left:.1f} {y:.1f}H{right:.1f}v{high:.1f}H{left:.1f}z"


def _micros(usd: float | None) -> int | None:
    return None if usd is None else round(usd * MEGA)
