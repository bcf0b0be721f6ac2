"""
The grid asks a site for a quarter less. A real worker of the site tells sixty miners over TCP, some of which misbehave;
within a minute the site draws less by what was read back, and whoever leases for certain has noticed nothing.
"""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts import clock
from accounts.models import Organization
from config.celery import app
from energy import tasks
from energy.models import Command, Dialect, Feed, FeedKind, Miner, Outcome
from energy.queries.standing import standing
from energy.states import CommandState as S
from leasing.models import Claim, Interruption, Lease, Machine, Standby, Transition
from leasing.power.fake import BOARDS, Board
from marketplace.models import Node, PlanKind, Site
from tests import factories
from tests.crashes.life import CELERY, ROOT, environment
from tests.energy.conftest import a_class, a_contract, a_feed, told
from tests.factories import HOUR
from tests.leasing.conftest import active
from tests.leasing.interrupted import a_surplus_lease
from tests.miners import Rack, running
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)
MOST_SECONDS = 60
NEW, OLD = 40, 20  # of 3,500 and 3,250 W
SLOW, REFUSING, STUBBORN, LYING = (f"old-{number:02}" for number in range(4))


@pytest.fixture
def rack(settings: Settings) -> Iterator[Rack]:
    settings.MINER_NETWORKS = ["127.0.0.0/8"]
    with running(f"s21:{NEW},s19:{OLD}", speed=20) as rack:
        yield rack


@pytest.fixture
def worker(db: None) -> Iterator[None]:
    """One Celery worker inside the site."""
    app.control.purge()
    process = subprocess.Popen(
        [sys.executable, "-m", *CELERY], cwd=ROOT, env=environment({"MINER_NETWORKS": "127.0.0.0/8"})
    )
    yield
    process.kill()
    process.wait()


def some_miners(site: Site, rack: Rack) -> None:
    """The rack's, the less efficient ones last; a plug with a meter stands behind one that lies."""
    kinds = [a_class("new", 17.5, dialect=Dialect.LUXOS)] * NEW
    kinds += [a_class("old", 34.2, dialect=Dialect.CGMINER, watts=3250)] * OLD
    since, numbers = clock.now() - HOUR, [*range(NEW), *range(OLD)]
    rows = [
        Miner(site=site, miner_class=kind, name=f"{kind.slug}-{number:02}", address=address, port=rack.port,
              since=since, load_watts=kind.watts)
        for kind, number, address in zip(kinds, numbers, rack.addresses, strict=True)
    ]  # fmt: skip
    Miner.objects.bulk_create(rows)
    for behaviour, name in (("slow", SLOW), ("refusing", REFUSING), ("stubborn", STUBBORN), ("lying", LYING)):
        rack.behave(behaviour, Miner.objects.get(name=name).address)
    Miner.objects.filter(name=LYING).update(meter=a_feed(FeedKind.SOCKET))


def some_leases(acme: Organization) -> list[Lease]:
    """One reserved, one on demand, one surplus; and a node that nobody has."""
    moment = clock.now() - timedelta(minutes=1)
    hour = moment.replace(minute=0, second=0, microsecond=0) + HOUR
    reserved = factories.an_offer(factories.a_pool(nodes=1), factories.a_plan(PlanKind.RESERVED))
    BOARDS["https://10.0.0.2"] = Board()
    factories.a_node(reserved.pool, bmc_address="https://10.0.0.2")
    on_demand = factories.an_offer(factories.a_pool(nodes=1))
    made = [active(acme, reserved, starts_at=hour - HOUR, ends_at=hour + 24 * HOUR, now=moment)]
    made += [active(acme, on_demand, starts_at=moment, now=moment)]
    return [*made, a_surplus_lease(acme, starts_at=moment, now=moment)]


def everything_leased() -> list[Any]:
    """All rows of leases, their nodes and their machines."""
    return [list(model.objects.order_by("pk").values()) for model in (Lease, Claim, Transition, Machine, Node)]


def post(staff: Client, address: str, **body: object) -> Any:
    answer = staff.post(f"/api/v1/operations/power/{address}", body, content_type="application/json")
    assert answer.status_code == 200, answer.content
    return answer.json()


def drawn(site: Site) -> int:
    here = standing(site, now=clock.now())
    assert here is not None
    return here.sources["grid"]


@pytest.mark.usefixtures("world", "worker")
def test_it_is_met_in_a_minute_by_miners_and_no_lease_is_touched(
    acme: Organization, staff_browser: Client, site: Site, rack: Rack
) -> None:
    some_leases(acme)
    some_miners(site, rack)
    a_contract(site, house_watts=5_000, gpu_pue_permille=1250)
    told(a_feed(FeedKind.HASH_PRICE), 50_000_000, clock.now())
    before, plug, liar = everything_leased(), Feed.objects.get(kind=FeedKind.SOCKET), Miner.objects.get(name=LYING)

    began = clock.now()
    shown = post(staff_browser, f"sites/{site.slug}/event", percent=25, hours=3)
    (command,) = post(staff_browser, "event/confirm", token=shown["token"])
    assert shown["drawn_watts"] == drawn(site) and shown["missing_at_once_mw"] == 0

    def over() -> bool:
        """What beat does, and what a power strip tells."""
        told(plug, rack.look(liar.address)["drawn"], clock.now())
        tasks.command_sites()
        return Command.objects.get().state not in {S.PROPOSED, S.APPROVED, S.SENT}

    until(over, seconds=2 * MOST_SECONDS, what="the end of the command")
    took = Command.objects.get().state_since - began
    assert Command.objects.get().state == S.DONE, Command.objects.get().outcome
    assert took < timedelta(seconds=MOST_SECONDS)
    assert drawn(site) <= 0.75 * shown["drawn_watts"], "as read back, with those that do not obey as load"
    counted = sum(Miner.objects.values_list("load_watts", flat=True))
    assert sum(rack.metered().values()) <= counted, "and nothing is drawn that is not counted"

    assert everything_leased() == before and command["kind"] == "miners"
    assert not Interruption.objects.exists() and not Standby.objects.exists(), "miners go first, and are enough"
    found = dict(Miner.objects.exclude(outcome__in=["", Outcome.OBEYED]).values_list("name", "outcome"))
    assert found == {SLOW: "unreachable", REFUSING: "refused", STUBBORN: "lied", LYING: "lied"}
    assert not Miner.objects.filter(miner_class__slug="old", asleep=False).exists(), "the least efficient first"
    assert Miner.objects.filter(miner_class__slug="new", asleep=True).count() == 4, "then others, in the place of four"
