"""Workers and dispatchers act on one command at the same instant. Each race is first shown without its guard."""

import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from django.db import connection, models

from accounts.models import Event
from energy import carrying_out, curtailing, dispatching, ordering, storing
from energy.dispatching import plan_due, plan_site
from energy.models import Command, Inverter, PowerPlan, Reading
from energy.queries.standing import standing
from energy.states import CommandState as S
from marketplace.models import Site
from tests import factories
from tests.energy.conftest import a_steered_battery
from tests.energy.conftest import memory as memory
from tests.energy.dispatched import a_planned_site
from tests.factories import HOUR, NOON
from tests.together import deadlocks, meeting, together

pytestmark = pytest.mark.django_db(transaction=True)
STAFF, AT_ONCE = "user:us_dispatcher", 6


@pytest.fixture
def site() -> Site:
    return factories.a_site()


@pytest.fixture
def proposal(site: Site) -> Command:
    a_planned_site(site, usd=90)
    plan_due(now=NOON)
    return Command.objects.get()


def unguarded(row: Command, new: str, *, at: datetime, actor: str = "", **fields: Any) -> None:
    """`Stateful.move_to` that does not look whether the row is as it was read."""
    Command.objects.filter(pk=row.pk).update(state=new, state_since=at, **fields)
    row.refresh_from_db()


def unlocked(command: Command) -> Command:
    """`ordering._lock` that waits for nobody."""
    return Command.objects.select_related("site", "lease").get(pk=command.pk)


def told(what: str) -> int:
    return Event.objects.filter(kind=f"power_command.{what}").count()


@pytest.fixture
def without(request: pytest.FixtureRequest) -> Iterator[None]:
    """The database without one constraint."""
    model, name = request.param
    constraint = next(found for found in model._meta.constraints if found.name == name)
    assert isinstance(constraint, models.UniqueConstraint)
    with connection.schema_editor() as editor:
        editor.remove_constraint(model, constraint)
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE energy_commandtransition, energy_command, energy_powerplan")
    with connection.schema_editor() as editor:
        editor.add_constraint(model, constraint)


def takes(command: Command) -> list[object]:
    """So many workers, each of whom read it while it was due."""
    rows = [Command.objects.get(pk=command.pk) for _ in range(AT_ONCE)]
    return list(together(AT_ONCE, lambda number: carrying_out.take(command=rows[number], now=NOON)))


def test_without_the_guarded_update_many_workers_have_one_command(
    proposal: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordering.approve(command=proposal, actor=STAFF, now=NOON)
    monkeypatch.setattr(Command, "move_to", unguarded)
    assert takes(proposal) == [True] * AT_ONCE


def test_one_worker_of_many_has_it(proposal: Command) -> None:
    ordering.approve(command=proposal, actor=STAFF, now=NOON)
    assert sorted(map(str, takes(proposal))) == ["False"] * (AT_ONCE - 1) + ["True"]


def steered(site: Site) -> list[tuple[str, int]]:
    """What a battery is told when so many workers carry out the same command."""
    a_planned_site(site)
    battery, wish = a_steered_battery(site), storing.command
    here = standing(site, now=NOON)
    assert here is not None
    told = ordering.Wish(**wish(here, 5_000, NOON, NOON + HOUR), why="a race", due_at=NOON, ends_at=NOON + HOUR)
    ordering.order(site=site, wish=told, inputs={}, actor=STAFF, now=NOON)
    rows = [Command.objects.get() for _ in range(AT_ONCE)]
    together(AT_ONCE, lambda number: carrying_out.carry_out(command=rows[number], now=NOON))
    return battery.said


def test_without_the_guarded_update_a_battery_is_told_by_many(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as loose:
        loose.setattr(carrying_out, "take", lambda **_: True)
        loose.setattr(carrying_out, "_ours", lambda _: True)
        assert steered(site).count(("set", 5_000)) >= AT_ONCE


def test_of_many_workers_one_tells_a_battery(site: Site) -> None:
    assert steered(site) == [("set", 5_000)]
    assert Inverter.objects.get().epoch == 1


def approvals(command: Command) -> list[object]:
    return list(together(AT_ONCE, lambda _: ordering.approve(command=command, actor=STAFF, now=NOON)))


def test_without_the_lock_two_dispatchers_approve_it(proposal: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "_lock", meeting(unlocked))
    monkeypatch.setattr(Command, "move_to", unguarded)
    approvals(proposal)
    assert told("approved") >= 2


def test_one_of_many_dispatchers_approves_it(proposal: Command) -> None:
    before = deadlocks()
    results = approvals(proposal)
    assert sum(isinstance(result, ordering.CannotCommand) for result in results) == AT_ONCE - 1, results
    assert told("approved") == 1 and deadlocks() == before


def both_decide(command: Command) -> list[object]:
    acts = (ordering.approve, ordering.decline)
    return list(together(2, lambda number: acts[number](command=command, actor=STAFF, now=NOON)))


def test_without_the_lock_what_was_declined_is_carried_out(proposal: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    declined = threading.Event()

    def later(row: Command, new: str, **given: Any) -> None:
        if new == S.APPROVED:
            assert declined.wait(timeout=30)
        unguarded(row, new, **given)
        if new == S.DECLINED:
            declined.set()

    monkeypatch.setattr(ordering, "_lock", meeting(unlocked))
    monkeypatch.setattr(Command, "move_to", later)
    both_decide(proposal)
    assert Command.objects.get().state == S.APPROVED and told("declined") == 1


def test_what_one_declines_is_never_carried_out_whoever_approves_it_then(proposal: Command) -> None:
    first, second = both_decide(proposal)
    assert isinstance(second, Command) and isinstance(first, Command | ordering.CannotCommand)
    assert Command.objects.get().state == S.DECLINED and not carrying_out.due(now=NOON + HOUR / 60)


def confirmations(site: Site) -> list[object]:
    a_planned_site(site)
    token = curtailing.preview(site=site, percent=25, hours=3, starts_at=NOON, now=NOON).token
    return list(together(AT_ONCE, lambda _: len(curtailing.confirm(token=token, actor=STAFF, now=NOON))))


@pytest.mark.parametrize("without", [(Command, "command_once_an_event")], indirect=True)
@pytest.mark.usefixtures("without")
def test_without_the_constraint_a_plan_that_is_confirmed_twice_is_told_twice(site: Site) -> None:
    assert confirmations(site) == [1] * AT_ONCE


def test_a_plan_that_is_confirmed_by_many_is_told_once(site: Site) -> None:
    assert sorted(map(str, confirmations(site))) == ["0"] * (AT_ONCE - 1) + ["1"]
    assert Command.objects.count() == 1


def confirmed_while_a_plan_proposes(site: Site) -> int:
    """How many commands a grid event makes while a plan proposes something to the same miners."""
    a_planned_site(site, usd=90)
    token = curtailing.preview(site=site, percent=25, hours=3, starts_at=NOON, now=NOON).token
    acts = (lambda: len(plan_due(now=NOON)), lambda: len(curtailing.confirm(token=token, actor=STAFF, now=NOON)))
    planned, made = together(2, lambda number: acts[number]())
    assert planned == 1 and isinstance(made, int), made
    return made


def test_without_the_lock_of_the_site_a_plan_that_proposes_is_in_an_events_way(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, proposed = ordering._create, threading.Event()

    def after_the_plan(*what: Any, by: str, **given: Any) -> Command:
        assert by == ordering.ACTOR or proposed.wait(60)
        made = create(*what, by=by, **given)
        proposed.set()
        return made

    monkeypatch.setattr(ordering, "_replace", lambda *_: None)
    monkeypatch.setattr(ordering, "_create", after_the_plan)
    assert confirmed_while_a_plan_proposes(site) == 0


def test_an_event_is_confirmed_whatever_a_plan_proposes_meanwhile(site: Site) -> None:
    before = deadlocks()
    assert confirmed_while_a_plan_proposes(site) == 1
    assert Command.objects.get(state=S.APPROVED).event and deadlocks() == before


def planned_by_two(site: Site, monkeypatch: pytest.MonkeyPatch) -> int:
    """Both have seen that there is no plan yet. The rule decides, so that both are done at the same time."""
    a_planned_site(site)
    Reading.objects.all().delete()
    monkeypatch.setattr(dispatching, "standing", meeting(standing))
    made = together(2, lambda _: plan_site(site=site, now=NOON))
    return sum(isinstance(row, PowerPlan) for row in made)


@pytest.mark.parametrize("without", [(PowerPlan, "power_plan_once_a_step")], indirect=True)
@pytest.mark.usefixtures("without")
def test_without_the_constraint_two_workers_make_two_plans(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert planned_by_two(site, monkeypatch) == 2


def test_of_two_workers_one_makes_the_plan(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert planned_by_two(site, monkeypatch) == 1 and PowerPlan.objects.count() == 1
