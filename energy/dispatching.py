"""Every quarter of an hour each site gets a plan, or what the rule says where there is none; both are written down."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from django.db import IntegrityError, transaction

from energy import planning
from energy.models import Feed, FeedKind, PowerContract, PowerPlan, Reading, Tariff
from energy.planning import Decision, Floats, Forecast, Outlook, Plan, Rolling, State, Targets
from energy.proposing import propose_all
from energy.queries.standing import MEGA, THOUSAND, Standing, gpu_usd_per_mwh, standing
from marketplace.models import Site

log = logging.getLogger(__name__)

STEP = timedelta(minutes=15)
STEP_HOURS, STEPS_A_DAY, AN_HOUR = 0.25, 96, 4
LENGTHS = np.array([1] * 16 + [AN_HOUR] * 44, np.int64)  # four hours step by step, then hours: 48 in all
HORIZON = int(LENGTHS.sum())
LESSON_DAYS = 14  # of prices, from which a site's forecast learns
BUDGET_KEPT = timedelta(days=1)
KEPT = timedelta(days=14)  # plans; what was commanded is kept with its inputs
USUAL_NOTICE_HOURS = 1.0


@dataclass(frozen=True)
class Made:
    """What was decided for a site."""

    decision: Decision
    budget_watts: int
    budget_at: datetime | None


def plan_due(*, now: datetime) -> list[PowerPlan]:
    """A plan for every site with a contract that has none for this quarter of an hour yet. Safe to run twice, late, or
    never: a site whose figures are wrong holds up no other."""
    made = []
    for site in Site.objects.filter(pk__in=PowerContract.objects.values("site")).select_related("grid_zone"):
        try:
            row = plan_site(site=site, now=now)
        except Exception:
            log.exception("%s: no plan", site)
        else:
            made += [row] if row else []
    PowerPlan.objects.filter(starts_at__lt=now - KEPT).delete()
    return made


def plan_site(*, site: Site, now: datetime) -> PowerPlan | None:
    """The site's plan for this quarter of an hour; None if it has one, or has no contract."""
    starts_at = _floor(now)
    if PowerPlan.objects.filter(site=site, starts_at=starts_at).exists() or not (here := standing(site, now=now)):
        return None
    before = PowerPlan.objects.filter(site=site).order_by("-starts_at").first()
    made = decide(here, before=before)
    plan = made.decision.plan
    row = PowerPlan(
        site=site, starts_at=starts_at, ends_at=starts_at + STEP, made_at=now,
        basis=PowerPlan.Basis.PLAN if plan else PowerPlan.Basis.RULE, why=made.decision.reason[:300],
        inputs=here.inputs, seen={"uses": here.uses, "sources": here.sources},
        targets=_targets(here, made.decision.targets), ahead=_ahead(here, plan) if plan else [],
        internal_micros_per_mwh=round(float(plan.internal_usd_per_mwh[0, 0]) * MEGA) if plan else None,
        budget_watts=made.budget_watts, budget_at=made.budget_at,
    )  # fmt: skip
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:  # another worker was faster, from the same figures
        return None
    propose_all(here, row, now=now)
    return row


def decide(here: Standing, *, before: PowerPlan | None = None) -> Made:
    """By plan; by rule where a figure is missing or the solver has no answer, with the reason."""
    fleet, state = planning.Fleet.of([model(here)]), _state(here)
    rolling = Rolling(fleet, lengths=LENGTHS, step_hours=STEP_HOURS)
    ahead = outlook(here, steps=HORIZON)
    seen = np.array([_price_seen(here)])
    if here.missing:
        why = "no plan: " + "; ".join(here.missing)
        blind = np.array([np.nan])
        return Made(Decision(planning.by_rule(fleet, ahead, state, seen=blind), reason=why), 0, None)
    watts, at = _budget(here, rolling, state, before)
    rolling.budget_mw = np.array([watts / MEGA])
    found = rolling.decide(ahead, state, seen=seen)
    return Made(found if found.plan else _within_limits(found, fleet, ahead, state), watts, at)


def _within_limits(found: Decision, fleet: planning.Fleet, ahead: Outlook, state: State) -> Decision:
    """The rule knows prices alone: what the supply does not reach is cut in the usual order."""
    _, done = planning.execute(fleet, ahead, 0, found.targets, state)
    targets = Targets(done.mining_mw, found.targets.surplus_mw, done.charge_mw, done.discharge_mw)
    return replace(found, targets=targets)


def model(here: Standing) -> planning.Site:
    """The site as plans see it."""
    contract, battery = here.contract, here.supply.battery
    house_and_firm = contract.house_watts + here.idle_watts + sum(row.watts for row in here.firm)
    pue = contract.mining_pue_permille / THOUSAND / MEGA
    notices = [row.lease.terms.notice_seconds / 3600 for row in here.surplus]
    blocks = list(contract.blocks.all())
    return planning.Site(
        name=here.site.slug,
        interconnect_mw=contract.interconnect_watts / MEGA,
        secure_mw=here.secure_watts / MEGA,
        firm_mw=house_and_firm / MEGA,
        mining=tuple(
            planning.MiningClass(row.kind.slug, row.most_watts * pue, float(row.kind.joules_per_terahash))
            for row in here.classes
        ),
        battery=planning.Battery(
            battery.watts / MEGA, (battery.watt_hours - here.reserve_wh) / MEGA,
            battery.efficiency_permille / THOUSAND, battery.wear_micros_per_mwh / MEGA,
        ) if battery and battery.watts else None,
        block_mw=sum(block.watts for block in blocks) / MEGA,
        notice_hours=max(notices, default=USUAL_NOTICE_HOURS) + STEP_HOURS,
        demand_usd_per_mw=here.tariff.demand_micros_per_kw / THOUSAND if here.tariff else 0.0,
    )  # fmt: skip


def outlook(here: Standing, *, steps: int) -> Outlook:
    """What is expected of so many quarters of an hour from now on. Leases go on as they are."""
    contract, row = here.contract, np.ones((1, steps))
    price = prices(here, steps=steps)[None]
    surplus = sum(lease.watts for lease in here.surplus) / MEGA
    promised = np.arange(steps) * STEP_HOURS < model(here).notice_hours
    share = here.import_watts / max(contract.interconnect_watts, 1)
    return Outlook(
        hours=np.full(steps, STEP_HOURS), price=price, resale=_resale(here, price), grid=share * row,
        renewable_mw=_renewable(here, steps)[None],
        firm_mw=(here.uses["house"] + here.uses["gpu_firm"] + here.idle_watts) / MEGA * row,
        surplus_mw=surplus * row, promised_mw=surplus * promised[None] * row,
        surplus_usd_per_mwh=np.array([gpu_usd_per_mwh(here.surplus, contract) or 0.0]),
        mining_usd_per_mwh=np.array([[row.usd_per_mwh or 0.0 for row in here.classes]]),
    )  # fmt: skip


def prices(here: Standing, *, steps: int) -> Floats:
    """Expected $/MWh of each step; behind the horizon its last day goes on."""
    tariff = here.tariff
    if tariff is None or (tariff.feed and (here.price is None or here.price.value is None)):
        return np.zeros(steps)
    extra = tariff.micros_per_mwh / MEGA
    if tariff.feed is None:
        return np.full(steps, extra)
    near = _expected(here, tariff, tariff.feed) + extra
    repeats = -(-max(steps - HORIZON, 0) // STEPS_A_DAY)
    return np.concatenate([near, *[near[-STEPS_A_DAY:]] * repeats])[:steps]


def _expected(here: Standing, tariff: Tariff, feed: Feed) -> Floats:
    """Of the horizon, from the price seen last and what was published ahead; the same hour of yesterday where nothing
    was."""
    first = _floor(here.at) - LESSON_DAYS * STEPS_A_DAY * STEP
    real = _series(feed, first, LESSON_DAYS * STEPS_A_DAY + HORIZON)
    kin = {"kind": FeedKind.PRICE, "forecast": True}
    published = (
        Feed.objects.filter(site=here.site, **kin).first()
        or Feed.objects.filter(site=None, grid_zone=here.site.grid_zone_id, **kin).first()
    )
    said = _series(published, first, len(real)) if published else np.full(len(real), np.nan)
    day_before = np.concatenate([np.full(STEPS_A_DAY, np.nan), real[:-STEPS_A_DAY]])
    ahead = np.where(np.isnan(said), day_before, said)
    known = _price_seen(here) - tariff.micros_per_mwh / MEGA
    past = LESSON_DAYS * STEPS_A_DAY
    future = planning.filled(np.concatenate([[known], np.where(np.isnan(ahead[past:]), np.nan, ahead[past:])]),
                             steps_a_day=STEPS_A_DAY)[1:]  # fmt: skip
    if tariff.pricing == Tariff.Kind.DAY_AHEAD:
        return np.where(np.isnan(real[past:]), future, real[past:])
    learned = Forecast(sites=1, steps=HORIZON, step_hours=STEP_HOURS)
    for step in np.flatnonzero(~np.isnan(real[:past])):
        learned.observe(real_time=real[step : step + 1], day_ahead=np.nan_to_num(ahead[step : step + 1], nan=known))
    expected: Floats = learned.ahead(seen=np.array([known]), day_ahead=future[None])[0]
    return expected


def _series(feed: Feed, first: datetime, steps: int) -> Floats:
    """A feed's $/MWh in each step; NaN where nothing was told."""
    found = np.full(steps, np.nan)
    rows = Reading.objects.filter(feed=feed, ends_at__gt=first, starts_at__lt=first + steps * STEP)
    for starts_at, ends_at, value in rows.order_by("starts_at").values_list("starts_at", "ends_at", "value"):
        begin, end = max(-(-(starts_at - first) // STEP), 0), max(-(-(ends_at - first) // STEP), 0)
        found[begin:end] = value / MEGA
    return found


def _price_seen(here: Standing) -> float:
    """$/MWh, what comes on top included; NaN where none is known."""
    return float("nan") if here.usd_per_mwh is None else here.usd_per_mwh


def _resale(here: Standing, price: Floats) -> Floats:
    """What is paid for what is not used of a block; nothing where it cannot be sold."""
    tariff = here.tariff
    if tariff is None or tariff.sale_fee_micros_per_mwh is None or not here.contract.blocks.filter(resale=True):
        return np.zeros_like(price)
    return price - (tariff.micros_per_mwh + tariff.sale_fee_micros_per_mwh) / MEGA


def _renewable(here: Standing, steps: int) -> Floats:
    zone, first = ZoneInfo(here.site.time_zone), _floor(here.at)
    hours = [(first + step * STEP).astimezone(zone).hour for step in range(steps)]
    return np.array(
        [sum(row.rated_watts * row.usual_permille[hour] for row in here.supply.generation) for hour in hours],
        np.float64,
    ) / (MEGA * THOUSAND)


def _state(here: Standing) -> State:
    pue = here.contract.mining_pue_permille / THOUSAND / MEGA
    return State(
        np.array([max(here.stored.wh - here.reserve_wh, 0) / MEGA]),
        np.array([[row.watts * pue for row in here.classes]]).reshape(1, len(here.classes)),
        np.array([_peak_watts(here) / MEGA]),
    )


def _peak_watts(here: Standing) -> int:
    """The highest import that the billing period has seen, as the grid's meter tells."""
    told = Reading.objects.filter(
        feed__site=here.site, feed__kind=FeedKind.GRID, feed__forecast=False,
        starts_at__gte=_period(here)[0], starts_at__lte=here.at,
    )  # fmt: skip
    return max(told.order_by("-value").values_list("value", flat=True).first() or 0, 0)


def _period(here: Standing) -> tuple[datetime, datetime]:
    """The billing period, by the site's own days."""
    day = here.tariff.billing_day if here.tariff else 1
    local = here.at.astimezone(ZoneInfo(here.site.time_zone))
    start = local.replace(day=day, hour=0, minute=0, second=0, microsecond=0)
    if start > local:
        start = (start.replace(day=1) - timedelta(days=1)).replace(day=day)
    end = (start.replace(day=1) + timedelta(days=32)).replace(day=day)
    return start, end


def _budget(here: Standing, rolling: Rolling, state: State, before: PowerPlan | None) -> tuple[int, datetime | None]:
    """The import peak to stay under, planned to the period's end once a day; none without a demand charge."""
    if here.tariff is None or not here.tariff.demand_micros_per_kw:
        return 0, None
    start, end = _period(here)
    if before and before.budget_at and before.budget_at >= max(start, here.at - BUDGET_KEPT):
        return before.budget_watts, before.budget_at
    hours = max(int((end - here.at) / timedelta(hours=1)), 1)
    try:
        plan = rolling.set_budget(
            outlook(here, steps=hours * AN_HOUR), state, lengths=np.full(hours, AN_HOUR, np.int64)
        )
    except planning.Unsolved:
        return (before.budget_watts, None) if before else (0, None)
    return round(float(plan.peak_mw[0]) * MEGA), here.at


def _targets(here: Standing, targets: Targets) -> dict[str, object]:
    mining = {row.kind.slug: _watts(targets.mining_mw[0, place]) for place, row in enumerate(here.classes)}
    return {
        "mining": mining, "gpu_surplus": _watts(targets.surplus_mw[0]), "charging": _watts(targets.charge_mw[0]),
        "discharging": _watts(targets.discharge_mw[0]),
    }  # fmt: skip


def _ahead(here: Standing, plan: Plan) -> list[dict[str, object]]:
    return list(_hours(here, plan))


def _hours(here: Standing, plan: Plan) -> Iterator[dict[str, object]]:
    """The plan hour by hour."""
    first, ends = _floor(here.at), np.cumsum(LENGTHS)
    for hour in range(HORIZON // AN_HOUR):
        at = first + hour * AN_HOUR * STEP
        step = int(np.searchsorted(ends, hour * AN_HOUR, side="right"))
        yield {
            "at": at.isoformat(),
            "uses": {
                "house": here.uses["house"], "gpu_firm": here.uses["gpu_firm"], "gpu_idle": here.idle_watts,
                "gpu_surplus": _watts(plan.surplus_mw[0, step]), "mining": _watts(plan.mining_mw[0, :, step].sum()),
                "charging": _watts(plan.charge_mw[0, step]),
            },
            "sources": {
                "grid": _watts(plan.import_mw[0, step]), "solar": _watts(plan.renewable_mw[0, step]), "wind": 0,
                "discharging": _watts(plan.discharge_mw[0, step]),
            },
            "internal_usd_per_mwh": round(float(plan.internal_usd_per_mwh[0, step]), 2),
        }  # fmt: skip


def _watts(mw: float) -> int:
    return round(float(mw) * MEGA)


def _floor(moment: datetime) -> datetime:
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)
