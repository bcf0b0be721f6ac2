"""A plan for each site each quarter of an hour: from what is known, with its age, or by rule with the reason."""

from datetime import timedelta

import pytest
from django.db import Error, transaction

from accounts.models import Organization
from energy import planning
from energy.dispatching import KEPT, STEP, plan_due
from energy.models import Command, FeedKind, PowerPlan, Reading, SitePolicy, Tariff
from energy.queries.standing import MINERS
from leasing.provisioners.fake import World
from marketplace.models import Site
from tests import factories
from tests.energy.conftest import LONG_AGO, STANDBY, WATTS, a_battery, a_feed, told
from tests.energy.dispatched import USD, a_planned_site
from tests.factories import HOUR, NOON
from tests.leasing.conftest import active
from tests.leasing.interrupted import a_surplus_lease

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("usd", "new", "old"), [(40, 4, 4), (90, 4, 0), (150, 0, 0)])
def test_each_class_of_miners_runs_while_it_earns_more_than_its_energy_costs(
    site: Site, usd: int, new: int, old: int
) -> None:
    a_planned_site(site, usd=usd)
    (plan,) = plan_due(now=NOON)
    assert (plan.basis, plan.why) == ("plan", "")
    assert plan.targets["mining"] == {"new": new * WATTS, "old": old * WATTS}
    assert plan.internal_micros_per_mwh == pytest.approx(usd * USD, rel=1e-3)
    assert len(plan.ahead) == 48 and plan.ahead[47]["uses"]["mining"] == (new + old) * WATTS
    assert {row["name"]: row["age_seconds"] for row in plan.inputs} == {
        "macon-price": 0, "hash-price-feed": 0, MINERS: 0,
    }  # fmt: skip


def test_a_site_is_planned_once_a_quarter_of_an_hour_and_plans_are_forgotten_after_two_weeks(site: Site) -> None:
    a_planned_site(site)
    assert [len(plan_due(now=NOON + minutes * timedelta(minutes=1))) for minutes in (3, 14, 15)] == [1, 0, 1]
    assert {plan.starts_at for plan in PowerPlan.objects.all()} == {NOON, NOON + STEP}
    plan_due(now=NOON + KEPT + STEP)
    assert PowerPlan.objects.filter(starts_at__lte=NOON + STEP).count() == 1, "the one that is not older is kept"
    with pytest.raises(Error, match=r"(?i)cannot update"), transaction.atomic():
        PowerPlan.objects.update(why="")


def test_without_a_price_or_a_hash_price_miners_stay_and_the_reason_is_said(site: Site) -> None:
    a_planned_site(site)
    Reading.objects.all().delete()
    (plan,) = plan_due(now=NOON)
    assert plan.basis == "rule" and plan.internal_micros_per_mwh is None
    assert plan.why == "no plan: the price macon-price was never told; no hash price was ever told"
    assert plan.targets["mining"] == {"new": 4 * WATTS, "old": 4 * WATTS}


@pytest.fixture
def unsolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """The solver has no answer."""

    def fail(*_: object, **__: object) -> None:
        raise planning.Unsolved("Time limit reached")

    monkeypatch.setattr(planning.Rolling, "plan", fail)


@pytest.mark.usefixtures("unsolved")
@pytest.mark.parametrize(
    ("hours_old", "automatic", "made"), [(0, False, "proposed"), (0, True, "approved"), (60, True, "")]
)
def test_where_the_solver_has_no_answer_the_rule_is_proposed_while_figures_are_fresh(
    site: Site, *, hours_old: int, automatic: bool, made: str
) -> None:
    kinds = a_planned_site(site, usd=90)
    a_battery(site)
    SitePolicy.objects.create(site=site, automatic=automatic, most_watts_per_step=10**9).classes.set(kinds)
    (plan,) = plan_due(now=NOON + hours_old * HOUR)
    assert (plan.basis, plan.why) == ("rule", "no plan: Time limit reached")
    found = [(row.kind, row.state, row.target) for row in Command.objects.all()]
    assert found == ([("miners", made, {"old": 4 * STANDBY})] if made else [])
    assert not made or "the rule decides" in Command.objects.get().why


@pytest.mark.usefixtures("unsolved")
def test_the_rule_runs_no_more_miners_than_the_site_is_supplied_for(site: Site) -> None:
    a_planned_site(site)
    told(a_feed(FeedKind.GRID_AVAILABLE, site=site), 5 * WATTS, NOON)
    (plan,) = plan_due(now=NOON)
    assert plan.targets["mining"] == {"new": 4 * WATTS, "old": WATTS}, "the least worth are cut first"


def test_an_old_figure_is_used_and_marked(site: Site) -> None:
    a_planned_site(site, usd=90)
    (plan,) = plan_due(now=NOON + 60 * HOUR)
    stale = {row["name"]: (row["stale"], row["age_seconds"]) for row in plan.inputs}
    assert stale == {"macon-price": (True, 12 * 3600), "hash-price-feed": (True, 36 * 3600), MINERS: (False, 0)}
    assert plan.basis == "plan" and plan.targets["mining"]["old"] == 0


def test_leases_are_counted_by_their_nodes_and_a_demand_charge_sets_a_budget_once_a_day(
    acme: Organization, world: World, site: Site
) -> None:
    active(acme, factories.an_offer())
    a_surplus_lease(acme)
    a_planned_site(site, gpu_pue_permille=1250)
    a_battery(site)
    price = Tariff.objects.get().feed
    Tariff.objects.create(
        site=site, starts_at=LONG_AGO + HOUR, pricing="real_time", micros_per_mwh=0, feed=price, note="t",
        demand_micros_per_kw=10 * USD,
    )  # fmt: skip
    (first,) = plan_due(now=NOON)
    (later,) = plan_due(now=NOON + HOUR)
    assert (first.seen["uses"]["gpu_firm"], first.seen["uses"]["gpu_surplus"]) == (12_750, 12_750)
    assert first.targets["gpu_surplus"] == 12_750
    assert first.budget_watts >= 25_500 and later.budget_at == first.budget_at == NOON
    assert FeedKind.GRID not in first.inputs
