"""Whom a site turns down, in which order, and what it says it cannot do."""

import pytest

from energy.planning.shedding import Load, Running, SurplusLease, Use, shed

LEASES = (
    SurplusLease("dear", 2, notice_hours=0.5, credit_usd_per_hour=400, budget_hours=10),
    SurplusLease("cheap", 1, notice_hours=1, credit_usd_per_hour=50, budget_hours=10),
    SurplusLease("spent", 4, notice_hours=0.5, credit_usd_per_hour=1, budget_hours=2),
)
LOAD = Load(
    charging_mw=3, mining=(Running("new", 6, 90), Running("old", 4, 50)), spare_mw=5, spare_mwh=6,
    idle=(Running("node 7", 1),), surplus=LEASES,
)  # fmt: skip


@pytest.mark.parametrize(
    ("mw", "cuts", "at_once", "missing"),
    [
        (2, [("battery", 2)], 0, 0),
        (5, [("battery", 3), ("old", 2)], 0, 0),
        (12, [("battery", 3), ("old", 4), ("new", 5)], 0, 0),
        (15.5, [("battery", 3), ("old", 4), ("new", 6), ("battery", 2), ("node 7", 1)], 0, 0),
        (16.5, [("battery", 3), ("old", 4), ("new", 6), ("battery", 2), ("node 7", 1), ("cheap", 1)], 0.5, 0),
        (25, [("battery", 3), ("old", 4), ("new", 6), ("battery", 2), ("node 7", 1), ("cheap", 1), ("dear", 2)], 9, 6),
    ],
)
def test_the_order_is_charging_miners_battery_idle_nodes_and_then_cheap_leases_within_their_budgets(
    mw: float, cuts: list[tuple[str, float]], at_once: float, missing: float
) -> None:
    done = shed(LOAD, mw=mw, hours=3)
    assert [(cut.name, cut.mw) for cut in done.cuts] == cuts
    assert (done.missing_at_once_mw, done.missing_mw) == (at_once, missing)


def test_each_cut_says_what_it_costs_and_a_lease_when_it_pauses() -> None:
    done = shed(LOAD, mw=16.5, hours=3)
    assert done.usd == pytest.approx(4 * 50 * 3 + 6 * 90 * 3 + 50 * 2)
    assert [(cut.after_hours, cut.usd) for cut in done.cuts if cut.use is Use.SURPLUS] == [(1, 100)]


def test_a_lease_whose_notice_is_as_long_as_the_event_is_left_alone() -> None:
    assert [cut.name for cut in shed(LOAD, mw=25, hours=1).cuts if cut.use is Use.SURPLUS] == ["spent", "dear"]
