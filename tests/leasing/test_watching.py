"""A site's watcher on a real node host: what breaks there is an outage here, and what it saw survives the database."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from queue import Queue

import pytest
from django.conf import LazySettings
from django.db import ProgrammingError, connection, transaction

import leasing.health
import leasing.watching
from accounts import clock
from leasing import operations, provisioning, schedule
from leasing.health import Eyed
from leasing.hosts import host_of
from leasing.models import Machine, NodeHealth, Outage, OutageCause
from leasing.provisioners.base import Host
from leasing.provisioners.sandbox.command import command
from leasing.states import MachineState
from leasing.watching import Turn, Watch
from marketplace.models import Node, Provisioner, Site
from marketplace.queries import current_rate
from tests import factories
from tests.hosts import SandboxBench, make_key
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(tmp_path: Path, settings: LazySettings) -> Iterator[SandboxBench]:
    """A node host that can be broken, known to the settings."""
    operator = make_key(tmp_path, "operator")
    found = SandboxBench(tmp_path, operator)
    settings.OPERATOR_KEY = operator.path
    settings.SANDBOX_ADDRESS = f"{found.host.address}:{found.host.port}"
    settings.SANDBOX_HOST_KEY = found.host.host_key
    yield found
    found.kill()


@pytest.fixture
def machine(bench: SandboxBench) -> Machine:
    """A machine that a tenant is on."""
    acme, now = factories.an_organization(), clock.now()
    offer = factories.an_offer(factories.a_pool(provisioner=Provisioner.SANDBOX))
    lease = operations.hold(
        organization=acme, actor="user:us_tests", created_by=None, offer=offer,
        rate=current_rate(offer=offer, at=now), nodes=1, starts_at=now, ends_at=None,
        setup=operations.Setup("training", [factories.a_key(acme)], factories.an_image()), now=now,
    )  # fmt: skip
    operations.confirm(lease=lease, actor="user:us_tests", now=now)
    while provisioning.work(site=Site.objects.get(slug="macon")):
        pass
    found = Machine.objects.select_related("node").get()
    assert found.state == MachineState.READY
    return found


@contextmanager
def watching() -> Iterator[Watch]:
    """A watcher at work in a thread of its own, three looks a second."""
    began: Queue[tuple[Watch, Callable[[], object]]] = Queue()

    async def work() -> None:
        watch, loop, me = Watch(["macon"], every=0.3), asyncio.get_running_loop(), asyncio.current_task()
        assert me
        began.put((watch, lambda: loop.call_soon_threadsafe(me.cancel)))
        with suppress(asyncio.CancelledError):
            await watch.run()

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    watch, stop = began.get(timeout=10)
    try:
        yield watch
    finally:
        stop()
        thread.join()
        watch.database.shutdown()


def breaks(machine: Machine, what: str, **how: int) -> None:
    """See `standins.nodes.faults`."""
    command(host_of(machine.node), "break", what=what, **how)


def well() -> bool:
    return NodeHealth.objects.filter(cause="", good_looks__gte=1).exists()


def the_open(cause: str) -> Callable[[], bool]:
    return lambda: Outage.objects.filter(cause=cause, ended_at=None).exists()


def none_open() -> bool:
    return Outage.objects.exists() and not Outage.objects.filter(ended_at=None).exists()


def test_a_gpu_that_falls_off_the_bus_is_an_outage_until_it_is_back(machine: Machine) -> None:
    with watching():
        until(well, what="a good look")
        breaks(machine, "gpu_lost", gpu=1)
        until(the_open(OutageCause.GPU_LOST), what="an outage")
        breaks(machine, "mend")
        until(none_open, what="its end")
    outage = Outage.objects.get()
    assert outage.ended_at is not None
    assert outage.began_at < outage.ended_at


def test_a_node_that_restarted_serves_again_after_its_worker_was_there(machine: Machine) -> None:
    with watching():
        until(lambda: Machine.objects.get().boot_id, what="the boot in which it runs")
        breaks(machine, "reboot")
        until(the_open(OutageCause.REBOOTED), what="an outage")
        schedule.refresh_machines(now=clock.now())
        while provisioning.work(site=Site.objects.get(slug="macon")):
            pass
        until(none_open, what="its end")


def test_a_node_host_that_is_gone_is_an_outage_and_its_return_ends_it(bench: SandboxBench, machine: Machine) -> None:
    with watching():
        until(well, what="a good look")
        bench.kill()
        until(the_open(OutageCause.UNREACHABLE), what="an outage")
        bench.start()
        until(none_open, what="its end")
    evidence = Outage.objects.get().evidence
    assert (evidence[0]["host"], evidence[0]["tenant_ssh"]) == (False, False)


def test_samples_of_the_gpus_are_kept_while_somebody_leases_them(machine: Machine) -> None:
    with watching():
        until(well, what="a good look")
        until(lambda: sampled(machine) == 8, what="a sample of each GPU")


def test_what_is_seen_while_the_database_does_not_answer_is_written_in_order_afterwards(
    bench: SandboxBench, machine: Machine
) -> None:
    with watching() as watch:
        until(well, what="a good look")
        with locked("leasing_nodehealth"):
            breaks(machine, "gpu_lost", gpu=0)
            until(lambda: len(watch.unwritten) > 3, what="turns that wait for the database")
            breaks(machine, "mend")
            until(lambda: len(watch.unwritten) > 8, what="more of them")
        until(lambda: not watch.unwritten, what="all of them written")
        until(none_open, what="an outage that was over before the database answered again")
    outage = Outage.objects.get()
    assert outage.cause == OutageCause.GPU_LOST
    assert outage.ended_at is not None


def test_two_watchers_of_one_site_see_one_outage(machine: Machine) -> None:
    with watching(), watching():
        until(well, what="a good look")
        breaks(machine, "gpu_lost", gpu=1)
        until(the_open(OutageCause.GPU_LOST), what="an outage")
        breaks(machine, "mend")
        until(none_open, what="its end")
    assert Outage.objects.count() == 1


def test_a_database_that_refuses_to_say_which_nodes_there_are_is_asked_again(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the minutes of a migration."""
    asked: list[object] = []

    def nodes(slugs: object) -> dict[str, Eyed]:
        asked.append(slugs)
        if len(asked) == 2:
            raise ProgrammingError("column marketplace_node.colour does not exist")
        return {}

    monkeypatch.setattr(leasing.watching, "nodes_of", nodes)
    with watching():
        until(lambda: len(asked) > 3, what="another question")


def test_a_watch_that_ended_is_begun_again(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.a_node(factories.a_pool(nodes=0))
    begun: list[object] = []

    class Broken:
        async def watch(self, hosts: object, hear: object, *, every: float) -> None:
            begun.append(hosts)
            raise KeyError("reading")

    monkeypatch.setattr(leasing.watching, "inspector_for", lambda _: Broken())
    with watching():
        until(lambda: len(begun) > 1, what="another watch at the same place")


def test_a_turn_that_cannot_be_written_does_not_keep_back_the_next(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good, written = Turn([], []), Turn([], []), list[Turn]()

    def writes(turn: Turn, numbers: object) -> bool:
        if turn is bad:
            raise KeyError("looks")
        written.append(turn)
        return True

    monkeypatch.setattr(leasing.watching, "_write", writes)
    with watching() as watch:
        watch.unwritten.extend([bad, good])
        until(lambda: written, what="the other turn")
    assert written[0] is good


def test_a_node_whose_row_cannot_be_read_hides_no_other(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    odd, other = (factories.a_node(factories.a_pool(nodes=0)) for _ in range(2))

    def read(node: Node) -> Host:
        if node == odd:
            raise KeyError("uuid")
        return host_of(node)

    monkeypatch.setattr(leasing.health, "host_of", read)
    assert list(leasing.health.nodes_of([])) == [other.public_id]


def sampled(machine: Machine) -> int:
    """How many GPUs of the machine's node have a sample."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT gpu.id) FROM leasing_gpusample AS sample "
            "JOIN leasing_gpu AS gpu ON gpu.id = sample.gpu WHERE gpu.node_id = %s AND sample.at >= %s",
            [machine.node_id, machine.state_since - timedelta(seconds=15)],
        )
        return int(cursor.fetchone()[0])


@contextmanager
def locked(table: str) -> Iterator[None]:
    """Nobody else can write the table: as if the database did not answer."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
