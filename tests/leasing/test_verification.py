"""Workers that die, sleep or race over an enrolment; calling one off; and nodes that prove themselves again."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Event, IllegalMove, Organization
from leasing import enrolling, schedule, working
from leasing.inspection.inventory import Disk
from leasing.models import Enrolment, Inspection
from leasing.operations import enrolment as operations
from leasing.operations.enrolment import (
    DEADLINES,
    NodeInUse,
    verify_again,
    withdraw,
)
from leasing.provisioners.base import (
    HostUnfit,
    Unreachable,
)
from leasing.states import ENROLMENT_FAILED_TWIN, EnrolmentState
from marketplace.models import Node, Offer, Rate
from marketplace.states import NodeState
from tests import factories
from tests.factories import NOON, PUBLIC_KEY
from tests.leasing import stages
from tests.leasing.conftest import hold
from tests.leasing.enrolled import all_steps, ask, assert_nothing_is_left
from tests.leasing.scripted import Scripted

pytestmark = pytest.mark.django_db


# --- workers that die, sleep or race


def test_a_worker_that_slept_changes_nothing(inspector: Scripted) -> None:
    enrolment = ask()
    sleeper = enrolling.take(site=enrolment.site, now=NOON)
    assert sleeper is not None
    outcome = enrolling.act(sleeper)
    later = NOON + working.WORK_FOR
    all_steps(enrolment, later)
    assert not enrolling.apply(enrolment=sleeper, outcome=outcome, now=later)
    assert not enrolling.apply_error(enrolment=sleeper, error=HostUnfit("no"), now=later)
    enrolment.refresh_from_db()
    assert enrolment.state == EnrolmentState.PASSED and Node.objects.count() == 1


def test_a_result_that_comes_after_the_deadline_is_dropped(inspector: Scripted) -> None:
    enrolment = ask()
    mine = enrolling.take(site=enrolment.site, now=NOON)
    assert mine is not None
    outcome = enrolling.act(mine)
    enrolling.give_up_overdue(now=NOON + DEADLINES["reaching"])
    assert not enrolling.apply(enrolment=mine, outcome=outcome, now=NOON + DEADLINES["reaching"])


def test_each_state_in_progress_has_a_deadline() -> None:
    assert set(DEADLINES) == set(ENROLMENT_FAILED_TWIN)


# --- withdrawing


def test_a_withdrawn_enrolment_leaves_nothing_and_its_name_is_free(inspector: Scripted) -> None:
    enrolment = ask()
    mine = enrolling.take(site=enrolment.site, now=NOON)
    assert mine is not None
    withdraw(enrolment=enrolment, actor="user:us_staff", now=NOON)
    enrolment.refresh_from_db()
    assert enrolment.state == EnrolmentState.WITHDRAWN
    assert_nothing_is_left(enrolment)
    assert not enrolling.apply(enrolment=mine, outcome=enrolling.Reached(PUBLIC_KEY), now=NOON)
    with pytest.raises(IllegalMove):
        withdraw(enrolment=enrolment, actor="user:us_staff", now=NOON)
    ask()


# --- verifying again


def test_a_known_node_leaves_the_stock_until_it_has_passed_again(inspector: Scripted) -> None:
    all_steps(ask())
    node, rates = Node.objects.get(), Rate.objects.count()
    again = verify_again(node=node, actor="user:us_staff", now=NOON)
    node.refresh_from_db()
    assert (node.state, node.reason, again.state) == (NodeState.VERIFYING, again.public_id, EnrolmentState.INSPECTING)
    all_steps(again)
    node.refresh_from_db()
    assert (node.state, again.state) == (NodeState.AVAILABLE, EnrolmentState.PASSED)
    assert Inspection.objects.filter(node=node, passed=True).count() == 2
    assert Rate.objects.count() == rates
    assert Event.objects.filter(kind="node.verified", subject=node.public_id).exists()


@pytest.mark.parametrize("found", ["wrong", "broken", "silent"])
def test_a_known_node_that_does_not_pass_is_quarantined_with_the_reason(inspector: Scripted, found: str) -> None:
    all_steps(ask())
    node = Node.objects.get()
    if found == "wrong":
        inspector.without(vcpus=2)
    if found == "broken":
        inspector.without(disks=(Disk("nvme0n1", "S0", "DISK", 30_000, "nvme", read_only=True),))
    if found == "silent":
        inspector.fail("inspect", Unreachable("no answer"), times=99)
    again = all_steps(verify_again(node=node, actor="user:us_staff", now=NOON))
    enrolling.give_up_overdue(now=NOON + DEADLINES["inspecting"])
    node.refresh_from_db()
    again.refresh_from_db()
    assert (node.state, node.reason) == (NodeState.QUARANTINED, again.reason)
    assert again.reason in {"wrong_hardware", "inspecting_deadline"}
    assert Event.objects.get(kind="node.quarantined").data["detail"] == again.detail
    assert Offer.objects.get().listed


def test_a_node_that_is_used_or_booked_soon_is_not_verified(inspector: Scripted, acme: Organization) -> None:
    node = stages.active(acme, NOON).machines.get().node
    with pytest.raises(IllegalMove):
        verify_again(node=node, actor="user:us_staff", now=NOON)
    offer = stages.an_offer(NOON, site="valdosta")
    hold(acme, offer, rate=offer.rates.first())
    with pytest.raises(NodeInUse, match="within the next 55 minutes"):
        verify_again(node=Node.objects.get(pool=offer.pool), actor="user:us_staff", now=NOON)
    assert not Enrolment.objects.exists()


def test_a_withdrawn_verification_leaves_the_node_in_quarantine(inspector: Scripted) -> None:
    all_steps(ask())
    node = Node.objects.get()
    withdraw(enrolment=verify_again(node=node, actor="a", now=NOON), actor="user:us_staff", now=NOON)
    node.refresh_from_db()
    assert (node.state, node.reason) == (NodeState.QUARANTINED, "verification_withdrawn")
    verify_again(node=node, actor="user:us_staff", now=NOON)


WEEK = enrolling.VERIFIED_EVERY


def test_a_few_nodes_that_stood_idle_for_a_week_are_verified_by_the_clock() -> None:
    factories.a_pool(3)
    factories.a_pool(1, site=factories.a_site("valdosta"))
    Node.objects.update(state_since=NOON)
    enrolling.verify_idle(now=NOON + WEEK - timedelta(seconds=1))
    assert not Enrolment.objects.exists()
    enrolling.verify_idle(now=NOON + WEEK)
    enrolling.verify_idle(now=NOON + WEEK)
    at = Enrolment.objects.values_list("site__slug", flat=True)
    assert sorted(at) == ["macon", "macon", "valdosta"]  # two at a time at each site
    assert Node.objects.filter(state=NodeState.AVAILABLE).count() == 1


def test_the_clock_leaves_nodes_alone_that_are_booked_soon_or_cordoned(acme: Organization) -> None:
    now = NOON + WEEK
    offer = stages.an_offer(now, nodes=2)
    Node.objects.update(state_since=NOON)
    rate = offer.rates.first()
    booked = hold(acme, offer, rate=rate, starts_at=now + timedelta(hours=4), ends_at=now + timedelta(hours=9), now=now)
    Node.objects.exclude(claims__lease=booked).update(cordoned_at=NOON)
    enrolling.verify_idle(now=now)
    assert not Enrolment.objects.exists()


def test_the_sweep_of_what_time_brings_calls_both() -> None:
    factories.a_pool(1)
    Node.objects.update(state_since=NOON)
    schedule.run_due(now=NOON + WEEK)
    assert Enrolment.objects.get().state == EnrolmentState.INSPECTING
    schedule.run_due(now=NOON + WEEK + DEADLINES["inspecting"])
    assert Node.objects.get().state == NodeState.QUARANTINED


def breaks_once(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The first row that the sweep hands to this operation is one that nobody has thought of."""
    act, broken = getattr(operations, name), [KeyError("serial")]

    def first_fails(**row: Any) -> object:
        if broken:
            raise broken.pop()
        return act(**row)

    monkeypatch.setattr(operations, name, first_fails)


def test_a_node_that_cannot_be_verified_does_not_keep_the_sweep_from_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    factories.a_pool(2)
    Node.objects.update(state_since=NOON)
    breaks_once(monkeypatch, "verify_again")
    enrolling.verify_idle(now=NOON + WEEK)
    assert Enrolment.objects.count() == 1


def test_nor_does_an_enrolment_that_cannot_be_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    factories.a_pool(2)
    Node.objects.update(state_since=NOON)
    enrolling.verify_idle(now=NOON + WEEK)
    breaks_once(monkeypatch, "failed")
    enrolling.give_up_overdue(now=NOON + 2 * WEEK)
    assert Enrolment.objects.filter(state=EnrolmentState.FAILED).count() == 1
