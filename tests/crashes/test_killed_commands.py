"""
A worker is killed at each named place while a grid event is carried out: before its miners, its idle node and its
lease are told, while they are, and before it has said so. Others go on; nobody is told twice, and nothing is stuck.
"""

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.conf import settings as django_settings
from django.db import connections

from accounts import clock, failpoints
from accounts.models import Event, Organization
from billing.invariants import broken
from energy import carrying_out, commanding, curtailing
from energy.models import Command, Dialect, FeedKind, Miner
from energy.states import CommandState as S
from leasing import schedule, switching
from leasing.models import Interruption, Lease, Maintenance, MaintenanceState, Standby
from leasing.operations.standing_by import OFF_LIMIT
from leasing.power.fake import BOARDS, Board
from leasing.states import INTERRUPTION_OPEN, LeaseState, StandbyState
from marketplace.models import Site
from tests import factories
from tests.energy.conftest import a_class, a_contract, a_feed, told
from tests.factories import HOUR
from tests.leasing.conftest import work_all
from tests.leasing.interrupted import NOTICE, a_surplus_lease
from tests.miners import Rack, running

pytestmark = pytest.mark.django_db(transaction=True)
PREFIXES = ("command.", "miners.", "standby.")
PLACES = sorted(place for place in failpoints.REGISTERED if place.startswith(PREFIXES))
BMC, STAFF = "https://10.0.0.2", "user:us_dispatcher"
OVER = {S.DONE, S.FAILED}


class Kept(Board):
    """A board that outlives the process that tells it: what it was told is in a file."""

    def __init__(self, path: Path) -> None:
        self.path, self.source, self.deaf_to, self.broken = path, "disk", frozenset(), None
        path.write_text("On\n")

    @property
    def words(self) -> list[str]:
        return self.path.read_text().split()

    @property
    def state(self) -> Any:  # type: ignore[override]
        return "on" if self.words[-1] == "On" else "off"

    def tell(self, word: str, state: object) -> None:
        with self.path.open("a") as file:
            file.write(f"{word}\n")


@pytest.fixture
def rack(settings: LazySettings) -> Iterator[Rack]:
    settings.MINER_NETWORKS = ["127.0.0.0/8"]
    with running("s21:3", speed=100) as rack:
        yield rack


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Kept]:
    BOARDS[BMC] = kept = Kept(tmp_path / "said")
    yield kept
    BOARDS.clear()


def dies(place: str, act: Callable[[], object]) -> bool:
    """Whether a worker, a process of its own, is killed at the place while it acts; else it has done it."""
    connections.close_all()
    if (child := os.fork()) == 0:
        try:
            django_settings.FAILPOINTS = frozenset({place})
            act()
        except BaseException:  # noqa: BLE001 - the parent shows it
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in {0, -signal.SIGKILL}, "the worker ended by itself"
    return code != 0


def an_event(acme: Organization, site: Site, rack: Rack) -> Lease:
    """All that can be turned down for three hours from now on: miners, a node that nobody has, a surplus lease."""
    moment = clock.now()
    kind = a_class("s21", dialect=Dialect.LUXOS)
    Miner.objects.bulk_create([
        Miner(site=site, miner_class=kind, name=address, address=address, port=rack.port, since=moment - HOUR,
              load_watts=kind.watts)
        for address in rack.addresses
    ])  # fmt: skip
    a_contract(site)
    told(a_feed(FeedKind.HASH_PRICE), 50_000_000, moment)
    lease = a_surplus_lease(acme, starts_at=moment, now=moment)
    factories.a_node(lease.offer.pool, bmc_address=BMC)
    shown = curtailing.preview(site=site, percent=100, hours=3, starts_at=moment, now=moment)
    made = curtailing.confirm(token=shown.token, actor=STAFF, now=moment)
    assert {row.kind for row in made} == {"miners", "idle", "surplus"}
    return lease


def carry_out(now: datetime) -> None:
    """Another worker: what is due, and that of which a dead one's time as the holder is over."""
    for command in carrying_out.due(now=now):
        carrying_out.carry_out(command=command, now=now)
    schedule.standby_due(now=now)
    Standby.objects.update(work_until=None)
    switching.switch_due(site=Site.objects.get(), now=now)
    carrying_out.settle(now=now)


def pass_to(lease: Lease, now: datetime) -> None:
    """All sweeps and workers, until nothing moves any more."""
    for _ in range(2):
        carry_out(now)
        schedule.interrupt_due(now=now)
        schedule.resume_powered(now=now)
        work_all(lease.offer, now=now)
    schedule.interrupt_due(now=now)


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("place", PLACES)
def test_an_event_survives_its_workers(place: str, acme: Organization, rack: Rack, board: Kept) -> None:
    site = factories.a_site()
    lease, now = an_event(acme, site, rack), clock.now()
    ends_at = max(row.ends_at for row in Command.objects.all() if row.ends_at)

    acts = [partial(carrying_out.carry_out, command=row) for row in carrying_out.due(now=now)]
    died = [dies(place, partial(act, now=now)) for act in acts]
    schedule.standby_due(now=now)
    died.append(dies(place, partial(switching.switch_due, site=site, now=now)))
    assert any(died), f"no event passes {place}"
    pass_to(lease, now)
    commanding.look(site=site, now=now)
    counted = sum(Miner.objects.values_list("load_watts", flat=True))
    assert sum(rack.metered().values()) <= counted, "what was not told, or not heard of, is load"
    assert not Command.objects.filter(kind="idle", state=S.FAILED).exists(), "whoever took it may be telling them yet"

    pass_to(lease, now + OFF_LIMIT + carrying_out.CARRY_OUT)
    assert set(Command.objects.values_list("state", flat=True)) <= OVER
    failed = Command.objects.filter(state=S.FAILED)
    assert Event.objects.filter(kind="power_command.failed", notice__isnull=False).count() == len(failed)
    pass_to(lease, now + NOTICE + HOUR / 4)
    paused = Command.objects.get(kind="surplus").state == S.DONE
    lease.refresh_from_db()
    assert lease.state == (LeaseState.PAUSED if paused else LeaseState.ACTIVE)

    schedule.standby_due(now=ends_at)
    dies(place, partial(switching.switch_due, site=site, now=ends_at))
    for minutes in (0, 1, 30):
        pass_to(lease, ends_at + timedelta(minutes=minutes))
    nothing_is_left(lease, rack, board)
    assert list(broken(now=ends_at + HOUR)) == []


def nothing_is_left(lease: Lease, rack: Rack, board: Kept) -> None:
    """Everything runs as before, and was told once."""
    assert set(Command.objects.values_list("state", flat=True)) <= OVER
    assert not Miner.objects.filter(asleep=True).exists()
    for address in rack.addresses:
        said = rack.look(address)["said"]
        assert len(said) == len(set(said)) and not rack.look(address)["asleep"], said
    assert board.words in (["On"], ["On", "GracefulShutdown", "On"])
    assert not Standby.objects.exclude(state=StandbyState.OVER).exists()
    assert not Maintenance.objects.exclude(state=MaintenanceState.DONE).exists()
    assert not Interruption.objects.filter(state__in=INTERRUPTION_OPEN).exists()
    lease.refresh_from_db()
    assert lease.state == LeaseState.ACTIVE
