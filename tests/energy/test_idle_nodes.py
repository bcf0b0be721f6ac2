"""Nodes that nobody has are switched off for a grid event, before any surplus lease is paused."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from accounts.models import Event, Organization
from energy import carrying_out, curtailing, ordering
from energy.models import Command
from energy.queries.standing import standing
from energy.states import CommandState as S
from leasing import schedule, switching
from leasing.models import Standby
from leasing.power.fake import BOARDS, Board
from leasing.provisioners.fake import World
from leasing.states import StandbyState
from marketplace.models import Node, Site
from tests import factories
from tests.energy.dispatched import a_planned_site
from tests.factories import HOUR, NOON
from tests.leasing.conftest import order
from tests.leasing.interrupted import a_surplus_lease

pytestmark = pytest.mark.django_db(transaction=True)
BMC, STAFF, IDLE_W = "https://10.0.0.2", "user:us_dispatcher", 2_040
END = NOON + 3 * HOUR


@pytest.fixture(autouse=True)
def boards(world: World) -> Iterator[None]:
    yield
    BOARDS.clear()


def an_idle_node(address: str = BMC, board: Board | None = None) -> Node:
    """A node on sale that nobody has, with a management controller."""
    BOARDS[address] = board or Board()
    return factories.a_node(factories.a_pool(nodes=0), bmc_address=address)


def confirmed(site: Site, *, starts_at: datetime = NOON) -> dict[str, Command]:
    found = curtailing.preview(site=site, percent=100, hours=3, starts_at=starts_at, now=NOON)
    return {row.kind: row for row in curtailing.confirm(token=found.token, actor=STAFF, now=NOON)}


def pass_to(site: Site, now: datetime) -> None:
    """The sweeps, and the site's worker."""
    for command in carrying_out.due(now=now):
        carrying_out.carry_out(command=command, now=now)
    schedule.standby_due(now=now)
    switching.switch_due(site=site, now=now)
    carrying_out.settle(now=now)


def load(site: Site, now: datetime) -> int:
    here = standing(site, now=now)
    assert here is not None
    return here.uses["gpu_idle"]


def test_it_comes_after_miners_and_before_leases_is_done_once_seen_off_and_ends_by_itself(
    acme: Organization, site: Site
) -> None:
    a_surplus_lease(acme)
    an_idle_node()
    a_planned_site(site)
    found = curtailing.preview(site=site, percent=100, hours=3, starts_at=NOON + 2 * HOUR, now=NOON)
    assert [cut.use for cut in found.shed.cuts] == ["mining", "mining", "idle", "surplus"]
    command = confirmed(site)["idle"]
    assert command.watts == IDLE_W and "on which nobody is" in command.touches[0]
    assert load(site, NOON) == IDLE_W
    pass_to(site, NOON)
    command.refresh_from_db()
    assert (command.state, command.outcome, load(site, NOON)) == (S.DONE, {"off": 1, "nodes": 1}, 0)
    pass_to(site, END)
    assert Standby.objects.get().state == StandbyState.OVER and not Command.objects.filter(undoes=command).exists()


def test_undone_early_it_has_power_again_and_a_later_event_is_called_off(site: Site) -> None:
    an_idle_node()
    a_planned_site(site)
    command = confirmed(site, starts_at=NOON + HOUR)["idle"]
    pass_to(site, NOON)
    command.refresh_from_db()
    assert command.state == S.SENT and command.undoable
    opposite = ordering.undo(command=command, actor=STAFF, now=NOON)
    pass_to(site, NOON)
    for row in (command, opposite):
        row.refresh_from_db()
        assert row.state == S.DONE, row.outcome
    assert Standby.objects.get().state == StandbyState.CALLED_OFF and BOARDS[BMC].said == []
    again = confirmed(site)["idle"]
    pass_to(site, NOON)
    again.refresh_from_db()
    back = ordering.undo(command=again, actor=STAFF, now=NOON + HOUR)
    pass_to(site, NOON + HOUR)
    back.refresh_from_db()
    assert (back.state, back.outcome) == (S.DONE, {"on": 1, "nodes": 1}) and BOARDS[BMC].state == "on"


def test_what_was_ordered_meanwhile_or_keeps_its_power_makes_it_failed_and_is_said(
    acme: Organization, site: Site
) -> None:
    wanted, deaf = an_idle_node(), Board(deaf_to=frozenset({"GracefulShutdown", "ForceOff"}))
    stubborn = an_idle_node("https://10.0.0.3", deaf)
    a_planned_site(site)
    command = confirmed(site)["idle"]
    order(acme, factories.an_offer(wanted.pool))
    pass_to(site, NOON)
    pass_to(site, NOON + HOUR / 4)
    command.refresh_from_db()
    assert (command.state, command.outcome["off"], command.outcome["nodes"]) == (S.FAILED, 0, 2)
    assert wanted.name in command.outcome["refused"]
    assert Event.objects.get(kind="node.not_off").subject == stubborn.public_id
    assert Event.objects.get(kind="power_command.failed").notice
