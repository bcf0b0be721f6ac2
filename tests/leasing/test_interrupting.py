"""Interruptions of surplus leases: never before their notice, within their budget, and back again by themselves."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Event, IllegalMove, Organization
from leasing import operations, schedule
from leasing.models import Claim, Interruption, InterruptionCause, Lease, Machine, Transition
from leasing.operations import CannotInterrupt, outages
from leasing.operations.interrupting import RESUME_LIMIT
from leasing.operations.maintaining import WindowTaken, plan_maintenance
from leasing.operations.pausing import WORK_LIMIT
from leasing.provisioners.fake import World
from leasing.queries.interruptions import budget
from leasing.states import InterruptionState, LeaseState, MachineState
from marketplace.models import PlanKind
from tests import factories
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import active, work_all
from tests.leasing.interrupted import MINUTE, NOTICE, STAFF, a_surplus_lease, announced, interrupted, pass_to, surplus

SECOND = timedelta(seconds=1)
TENANT = "user:us_tests"
pytestmark = pytest.mark.usefixtures("world")


@pytest.fixture
def lease(acme: Organization) -> Lease:
    return a_surplus_lease(acme)


def kinds(lease: Lease) -> list[str]:
    found = Event.objects.filter(subject=lease.public_id, kind__startswith="lease.interrupt").order_by("pk")
    return [kind.removeprefix("lease.interrupt_") for kind in found.values_list("kind", flat=True)]


def state(row: Interruption) -> str:
    row.refresh_from_db()
    return row.state


def test_it_is_announced_then_paused_then_resumed_where_it_was(lease: Lease, world: World) -> None:
    (tenancy,) = world.machines.values()
    tenancy.files["scratch/model"] = "weights"
    endpoint, keys = tenancy.endpoint, tenancy.admits
    row = announced(lease)
    pass_to(lease, NOON + NOTICE - SECOND)
    assert (lease.state, state(row)) == (LeaseState.ACTIVE, InterruptionState.SCHEDULED)
    pass_to(lease, NOON + NOTICE)
    assert (lease.state, lease.reason, state(row)) == (LeaseState.PAUSED, "power", InterruptionState.PAUSED)
    assert tenancy.state == "paused"
    assert Claim.objects.filter(lease=lease, released_at=None).exists()
    pass_to(lease, NOON + NOTICE + 2 * HOUR)
    assert (lease.state, state(row)) == (LeaseState.ACTIVE, InterruptionState.RESUMED)
    assert row.over_at == NOON + NOTICE + 2 * HOUR
    assert (tenancy.state, tenancy.endpoint, tenancy.admits) == ("running", endpoint, keys)
    assert tenancy.files == {"scratch/model": "weights"}
    assert kinds(lease) == ["scheduled", "started", "ended"]
    mailed = Event.objects.filter(subject=lease.public_id, notice__isnull=False, at__gt=NOON - SECOND)
    assert {"lease.interrupt_scheduled", "lease.paused", "lease.resumed"} <= set(mailed.values_list("kind", flat=True))


def test_it_comes_back_as_soon_as_power_does(lease: Lease) -> None:
    row = interrupted(lease)
    for _ in range(2):
        operations.power_back(interruption=row, actor=STAFF, now=NOON + NOTICE + 10 * MINUTE)
    pass_to(lease, NOON + NOTICE + 10 * MINUTE)
    assert (lease.state, state(row), row.reason) == (LeaseState.ACTIVE, InterruptionState.RESUMED, "power_back")


def test_power_that_is_back_before_it_begins_calls_it_off(lease: Lease) -> None:
    row = announced(lease)
    operations.power_back(interruption=row, actor=STAFF, now=NOON + MINUTE)
    pass_to(lease, NOON + NOTICE)
    assert (lease.state, state(row)) == (LeaseState.ACTIVE, InterruptionState.CALLED_OFF)
    assert kinds(lease) == ["scheduled", "called_off"]


def test_power_that_is_back_while_hosts_are_being_paused_is_not_forgotten(lease: Lease, world: World) -> None:
    row = announced(lease)
    schedule.run_due(now=NOON + NOTICE)
    operations.power_back(interruption=row, actor=STAFF, now=NOON + NOTICE)
    assert state(row) == InterruptionState.PAUSING
    for _ in range(2):
        pass_to(lease, NOON + NOTICE)
    assert (lease.state, state(row)) == (LeaseState.ACTIVE, InterruptionState.RESUMED)


def test_a_tenant_who_is_ready_is_paused_at_once_and_the_rest_is_written_down(lease: Lease) -> None:
    row = announced(lease)
    for _ in range(2):
        operations.ready(interruption=row, actor=TENANT, now=NOON + 20 * MINUTE)
    pass_to(lease, NOON + 20 * MINUTE)
    assert (lease.state, state(row), row.short_seconds) == (LeaseState.PAUSED, InterruptionState.PAUSED, 40 * 60)


def test_a_tenant_may_have_it_begin_later_once(lease: Lease) -> None:
    row = announced(lease)
    with pytest.raises(CannotInterrupt, match="1 to 900 s"):
        operations.ask_for_more(interruption=row, seconds=901, actor=TENANT, now=NOON)
    for _ in range(2):
        operations.ask_for_more(interruption=row, seconds=600, actor=TENANT, now=NOON)
    with pytest.raises(CannotInterrupt, match="once"):
        operations.ask_for_more(interruption=row, seconds=60, actor=TENANT, now=NOON)
    pass_to(lease, NOON + NOTICE + 9 * MINUTE)
    assert lease.state == LeaseState.ACTIVE
    pass_to(lease, NOON + NOTICE + 10 * MINUTE)
    assert lease.state == LeaseState.PAUSED
    assert state(row) == InterruptionState.PAUSED
    assert (row.ends_at, row.short_seconds) == (NOON + NOTICE + 2 * HOUR, 0)
    with pytest.raises(CannotInterrupt, match="begun"):
        operations.ready(interruption=row, actor=TENANT, now=NOON + 2 * HOUR)


def test_the_host_tells_the_tenants_programs_and_forgets_it_again(lease: Lease, world: World) -> None:
    (tenancy,) = world.machines.values()
    row = announced(lease)
    pass_to(lease, NOON)
    told = json.loads(tenancy.interruption)
    assert (told["begins_at"], told["more_time"]["most_seconds"]) == ("2026-03-02T13:00:00Z", 900)
    assert told["ready"]["url"].endswith(f"/api/v1/leases/{lease.public_id}/interruptions/{row.public_id}/ready")
    operations.ask_for_more(interruption=row, seconds=900, actor=TENANT, now=NOON)
    pass_to(lease, NOON + MINUTE)
    assert json.loads(tenancy.interruption)["begins_at"] == "2026-03-02T13:15:00Z"
    operations.call_off(interruption=row, actor=STAFF, now=NOON + MINUTE)
    pass_to(lease, NOON + 2 * MINUTE)
    assert tenancy.interruption == ""
    with pytest.raises(IllegalMove):
        operations.call_off(interruption=row, actor=STAFF, now=NOON + 2 * MINUTE)


@pytest.mark.parametrize("kind", [PlanKind.ON_DEMAND, PlanKind.RESERVED])
def test_what_was_sold_as_firm_is_never_interrupted(acme: Organization, kind: str) -> None:
    plan = factories.a_plan(kind, notice_seconds=3600, interruptions_per_30_days=9)
    ends_at = NOON + DAY if kind == PlanKind.RESERVED else None
    firm = active(acme, factories.an_offer(factories.a_pool(), plan), ends_at=ends_at)
    with pytest.raises(CannotInterrupt, match="Only surplus"):
        announced(firm)
    with pytest.raises(IntegrityError, match="never interrupted"), transaction.atomic():
        written(firm)


def written(lease: Lease, **fields: object) -> Interruption:
    """As somebody would who forgot every check."""
    usual = {
        "cause": InterruptionCause.PRICE,
        "requested_by": STAFF,
        "noticed_at": NOON,
        "notice_seconds": 3600,
        "begins_at": NOON + NOTICE,
        "ends_at": NOON + NOTICE + HOUR,
        "state": InterruptionState.SCHEDULED,
        "state_since": NOON,
    }
    return Interruption.objects.create(lease=lease, **{**usual, **fields})


def test_less_than_the_notice_is_refused_by_operation_and_database(lease: Lease) -> None:
    with pytest.raises(CannotInterrupt, match="13:00:00 UTC on"):
        announced(lease, begins_in=NOTICE - SECOND)
    for fields in ({"begins_at": NOON + NOTICE - SECOND}, {"notice_seconds": 0, "begins_at": NOON + MINUTE}):
        with pytest.raises(IntegrityError), transaction.atomic():
            written(lease, **fields)


def test_the_database_lets_nobody_pause_for_power_before_it_was_said(lease: Lease) -> None:
    row = announced(lease)
    early = NOON + NOTICE - SECOND
    with pytest.raises(IntegrityError, match="before its notice"), transaction.atomic():
        Lease.objects.get(pk=lease.pk).move_to(LeaseState.PAUSED, at=early, reason="power")
    row.move_to(InterruptionState.PAUSING, at=NOON, reason="grid")
    with pytest.raises(IntegrityError, match="before its notice"), transaction.atomic():
        Lease.objects.get(pk=lease.pk).move_to(LeaseState.PAUSED, at=early, reason="power")


@pytest.mark.parametrize(
    "worse", [{"ends_at": NOON + DAY}, {"begins_at": NOON + NOTICE - SECOND}, {"noticed_at": NOON - HOUR}]
)
def test_nothing_that_was_announced_gets_worse_for_the_tenant(lease: Lease, worse: dict[str, object]) -> None:
    row = announced(lease)
    with pytest.raises(Exception, match="Cannot update"), transaction.atomic():
        Interruption.objects.filter(pk=row.pk).update(**worse)


def test_past_its_budget_a_lease_is_firm_for_operation_and_database(acme: Organization) -> None:
    lease = active(acme, surplus(interruptions_per_30_days=2, interruption_seconds_per_30_days=4 * 3600))
    interrupted(lease)
    pass_to(lease, NOON + 3 * HOUR)
    left = budget(lease, at=NOON + 4 * HOUR)
    assert (left.times_left, left.seconds_left, left.firm) == (1, 2 * 3600, False)
    with pytest.raises(CannotInterrupt, match="1 interruptions and 7200 s"):
        announced(lease, lasts=2 * HOUR + SECOND, now=NOON + 4 * HOUR)
    called_off = announced(lease, now=NOON + 4 * HOUR)
    operations.call_off(interruption=called_off, actor=STAFF, now=NOON + 4 * HOUR)  # which costs nothing of it
    row = announced(lease, lasts=HOUR, now=NOON + 4 * HOUR)
    pass_to(lease, row.begins_at)
    pass_to(lease, row.ends_at)
    assert budget(lease, at=NOON + 8 * HOUR).firm
    later = NOON + 8 * HOUR
    with pytest.raises(CannotInterrupt, match="it stays on"):
        announced(lease, lasts=MINUTE, now=later)
    with pytest.raises(IntegrityError, match="budget"), transaction.atomic():
        written(lease, noticed_at=later, begins_at=later + NOTICE, ends_at=later + NOTICE + MINUTE)
    assert budget(lease, at=row.ends_at + 30 * DAY).times == 0  # a month later it may be interrupted again


def test_there_is_one_at_a_time(lease: Lease) -> None:
    announced(lease)
    with pytest.raises(CannotInterrupt, match="already"):
        announced(lease)
    with pytest.raises(IntegrityError, match="interruption_one_open"), transaction.atomic():
        written(lease)


def test_returned_in_the_notice_it_is_called_off(lease: Lease) -> None:
    row = announced(lease)
    operations.end(lease=lease, reason="returned", actor=TENANT, now=NOON + MINUTE)
    pass_to(lease, NOON + NOTICE)
    assert (lease.state, state(row), row.reason) == (LeaseState.ENDED, InterruptionState.CALLED_OFF, "lease_over")
    with pytest.raises(CannotInterrupt):
        operations.ready(interruption=row, actor=TENANT, now=NOON + NOTICE)


@pytest.mark.parametrize("at", ["pausing", "paused", "resuming"])
def test_returned_in_the_pause_it_ends_and_is_wiped(lease: Lease, at: str) -> None:
    row = announced(lease)
    if at == "pausing":
        schedule.run_due(now=NOON + NOTICE)
    else:
        pass_to(lease, NOON + NOTICE)
    if at == "resuming":
        operations.power_back(interruption=row, actor=STAFF, now=NOON + NOTICE)
    assert state(row) == at
    operations.end(lease=lease, reason="returned", actor=TENANT, now=NOON + NOTICE)
    pass_to(lease, NOON + NOTICE)
    assert (lease.state, state(row)) == (LeaseState.ENDED, InterruptionState.CALLED_OFF)
    assert Machine.objects.get().state == MachineState.WIPED


def test_its_guarantee_goes_on_in_the_pause_and_nobody_else_gets_the_node(lease: Lease) -> None:
    row = announced(lease, lasts=9 * HOUR)
    before = lease.guaranteed_until
    pass_to(lease, NOON + NOTICE)
    pass_to(lease, NOON + NOTICE + 8 * HOUR)
    assert state(row) == InterruptionState.PAUSED
    operations.renew(lease=lease, now=NOON + 2 * DAY)
    lease.refresh_from_db()
    assert lease.guaranteed_until > before
    node, begins, ends = Machine.objects.get().node, NOON + 5 * HOUR, NOON + 6 * HOUR
    with pytest.raises(WindowTaken):
        plan_maintenance(
            node=node, kind="power", reason="Fuses", starts_at=begins, ends_at=ends, actor=STAFF, now=NOON + 4 * HOUR
        )


def test_a_wallet_that_is_empty_and_a_site_without_power_wait_for_each_other(lease: Lease, world: World) -> None:
    row = announced(lease)
    half = NOON + 30 * MINUTE
    operations.pause(lease=lease, reason="out_of_funds", until=NOON + 2 * DAY, actor="system:billing", now=half)
    pass_to(lease, half)
    pass_to(lease, NOON + NOTICE)
    assert (lease.reason, state(row), row.paused_at) == ("out_of_funds", InterruptionState.PAUSED, None)
    operations.resume(lease=lease, actor="system:billing", now=NOON + NOTICE)  # topped up, but there is no power
    pass_to(lease, NOON + NOTICE)
    assert lease.state == LeaseState.PAUSED
    pass_to(lease, row.ends_at)
    assert (lease.state, state(row)) == (LeaseState.PAUSED, InterruptionState.RESUMED)
    operations.resume(lease=lease, actor="system:billing", now=row.ends_at)
    pass_to(lease, row.ends_at)
    assert lease.state == LeaseState.ACTIVE
    assert budget(lease, at=row.ends_at).times == 0


def test_a_host_that_does_not_pause_fails_it_and_the_lease_comes_back(lease: Lease, world: World) -> None:
    row, node = announced(lease), Machine.objects.get().node.public_id
    world.cut_off.add(node)
    pass_to(lease, NOON + NOTICE)
    assert state(row) == InterruptionState.PAUSING
    late = NOON + NOTICE + WORK_LIMIT
    pass_to(lease, late)
    assert (state(row), row.reason, lease.state) == (InterruptionState.FAILED, "not_paused", LeaseState.PAUSED)
    assert Event.objects.filter(kind="site.interruption_failed", notice__isnull=False).count() == 1
    world.cut_off.clear()
    for minutes in (3, 6, 9, 12):
        pass_to(lease, late + minutes * MINUTE)
    assert lease.state == LeaseState.ACTIVE


def test_a_host_that_does_not_come_back_is_told_for_a_day_and_then_the_lease_ends(lease: Lease, world: World) -> None:
    row = interrupted(lease)
    world.cut_off.add(Machine.objects.get().node.public_id)
    pass_to(lease, row.ends_at)
    assert state(row) == InterruptionState.RESUMING
    for hours in (1, 12, 23):
        pass_to(lease, row.ends_at + hours * RESUME_LIMIT)
    assert (lease.state, state(row)) == (LeaseState.PAUSED, InterruptionState.FAILED)
    for minutes in (0, 11, 22):
        pass_to(lease, row.ends_at + DAY + minutes * MINUTE)
    assert lease.state in {LeaseState.RECLAIMING, LeaseState.ENDED}


def test_an_outage_ends_where_the_pause_begins(lease: Lease) -> None:
    row, machine = announced(lease), Machine.objects.get()
    outage = outages.begin(machine=machine, cause="gpu_lost", now=NOON + 30 * MINUTE)
    pass_to(lease, NOON + NOTICE)
    outage.refresh_from_db()
    assert (outage.ended_at, state(row)) == (NOON + NOTICE, InterruptionState.PAUSED)


def test_sweeps_that_sleep_for_hours_call_off_what_is_past(lease: Lease) -> None:
    row = announced(lease)
    pass_to(lease, NOON + 5 * HOUR)
    assert (lease.state, state(row), row.reason) == (LeaseState.ACTIVE, InterruptionState.CALLED_OFF, "too_late")


ANSWERS: dict[str, Callable[..., Interruption]] = {
    "ready": operations.ready,
    "back": operations.power_back,
    "call_off": operations.call_off,
}
STEPS = st.lists(
    st.tuples(st.sampled_from(["announce", "sweep", "sweep", "more", *ANSWERS]), st.integers(1, 5400)), max_size=10
)


@pytest.mark.django_db
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happens_no_pause_comes_before_its_notice(steps: list[tuple[str, int]]) -> None:
    with transaction.atomic():
        lease, now = a_surplus_lease(factories.an_organization()), NOON
        for what, seconds in [("announce", 3600), *steps]:
            now += timedelta(seconds=seconds)
            lease.refresh_from_db()
            with suppress(CannotInterrupt, IllegalMove), transaction.atomic():
                _do(lease, what, seconds, now)
        for change in Transition.objects.filter(new=LeaseState.PAUSED, reason="power", lease=lease):
            row = lease.interruptions.get(paused_at=change.at)
            early = row.begins_at - change.at
            assert row.begins_at >= row.noticed_at + NOTICE
            assert early <= timedelta() or row.ready_at == change.at
            assert row.short_seconds == max(0, (row.noticed_at + NOTICE - change.at) // SECOND)
        spent = budget(lease, at=now)
        assert spent.times <= spent.most_times
        transaction.set_rollback(True)


def _do(lease: Lease, what: str, seconds: int, now: datetime) -> None:
    row = lease.interruptions.order_by("-pk").first()
    if what == "announce":
        announced(lease, begins_in=timedelta(seconds=seconds), now=now)
    elif what == "sweep":
        for _ in range(2):
            schedule.interrupt_due(now=now)
            schedule.resume_powered(now=now)
            work_all(lease.offer, now=now)
    elif row is not None and what == "more":
        operations.ask_for_more(interruption=row, seconds=seconds, actor=TENANT, now=now)
    elif row is not None:
        ANSWERS[what](interruption=row, actor=TENANT, now=now)
