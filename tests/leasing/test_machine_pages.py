"""What a customer sees of a machine that is down or out of order, and does about it: on pages and through the API."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client as Browser
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Membership, Organization, Role
from leasing import logs, operations, tasks
from leasing.models import Lease, Machine, MachineLog, OnFailure, Outage, OutageCause
from leasing.provisioners.base import Log
from leasing.provisioners.fake import World
from leasing.states import MachineState
from marketplace.models import PlanKind
from tests import factories
from tests.accounts.cast import a_browser, a_client, a_token
from tests.factories import HOUR
from tests.leasing import stages
from tests.leasing.conftest import work_all
from tests.leasing.staff import plan
from tests.leasing.test_pages import page, words

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _fresh_rate_limits() -> None:
    cache.clear()


@pytest.fixture
def browser(acme: Organization) -> Browser:
    return a_browser(acme.members.get())


@pytest.fixture
def api(acme: Organization) -> APIClient:
    return a_client(a_token(acme, acme.members.get()))


@pytest.fixture
def lease(acme: Organization, world: World) -> Lease:
    """An active lease of one node, for an hour."""
    return stages.active(acme, now())


def goes_down(lease: Lease, *, called: bool = True, since: datetime | None = None) -> Outage:
    """The lease's machine stops serving; the third bad look calls it."""
    began = since or now() - 5 * MINUTE
    return Outage.objects.create(
        machine=lease.machines.order_by("pk")[0],
        began_at=began,
        cause=OutageCause.UNREACHABLE,
        called_at=began + MINUTE if called else None,
        evidence=[{"at": began.isoformat(), "host": False, "tenant_ssh": False, "saw": "no answer within 5 s"}],
        recorded_at=now(),
    )


def spare_of(lease: Lease) -> None:
    """One more equal node, which nobody has."""
    factories.a_node(lease.offer.pool)


def of(lease: Lease, what: str = "") -> str:
    """The page of the lease's machine."""
    return f"/leases/{lease.public_id}/machines/{lease.machines.order_by('pk')[0].public_id}/{what}"


def at(lease: Lease, what: str) -> str:
    """The API's address for it."""
    return f"/api/v1{of(lease, what)}"


def see(browser: Browser, address: str) -> str:
    answer = browser.get(address, follow=True)
    assert answer.status_code == 200
    return words(answer.content.decode())


def test_a_lease_with_a_machine_down_says_so_and_offers_what_one_can_do(browser: Browser, lease: Lease) -> None:
    spare_of(lease)
    goes_down(lease)
    shown = page(browser, lease)
    for said in ("is down since", "do not answer", "Nothing is charged for it", "swap it for an equal node", "Swap…"):
        assert said in shown
    assert "Meter standing still" in shown
    assert "no answer within 5 s" in shown
    assert "Degraded" in see(browser, "/leases/")


def test_without_an_equal_node_no_swap_is_offered(browser: Browser, lease: Lease) -> None:
    goes_down(lease)
    shown = page(browser, lease)
    assert "No equal node is free for a swap now" in shown
    assert "Swap…" not in shown


def test_a_short_outage_frightens_nobody_and_is_listed(browser: Browser, api: APIClient, lease: Lease) -> None:
    outage = goes_down(lease, called=False)
    Outage.objects.update(ended_at=outage.began_at + MINUTE)
    shown = page(browser, lease)
    assert "is down since" not in shown
    assert "Out of service, not charged" in shown and "1 min 00 s out of service, not charged" in shown
    assert api.get(f"/api/v1/leases/{lease.public_id}").json()["degraded"] is False
    (row,) = api.get(f"/api/v1/leases/{lease.public_id}/outages").json()["results"]
    assert (row["id"], row["cause"], row["called_at"]) == (outage.public_id, "unreachable", None)
    assert row["evidence"][0]["saw"] == "no answer within 5 s"


def test_the_cost_of_a_machine_that_is_down_does_not_grow(browser: Browser, lease: Lease) -> None:
    goes_down(lease)
    html = browser.get(f"/leases/{lease.public_id}/").content.decode()
    assert re.search(r'data-count="cost" data-micros="\d+" data-rate="0"', html)


def test_planned_maintenance_behind_the_lease_reaches_its_open_page(browser: Browser, lease: Lease) -> None:
    html = browser.get(f"/leases/{lease.public_id}/").content.decode()
    address = re.search(r'hx-get="([^"]+)"', html)
    begins = lease.guaranteed_until + HOUR
    plan(lease.machines.get().node, begins, begins + HOUR, now=now())
    assert address and "Maintenance of" in words(browser.get(address[1]).content.decode())
    assert "A fan is replaced." in page(browser, lease)


def test_the_api_says_since_when_and_why_a_lease_is_degraded(api: APIClient, lease: Lease) -> None:
    outage = goes_down(lease)
    shown = api.get(f"/api/v1/leases/{lease.public_id}").json()
    assert (shown["degraded"], shown["degraded_cause"]) == (True, "unreachable")
    assert shown["degraded_since"].startswith(f"{outage.began_at:%Y-%m-%dT%H:%M:%S}")
    assert shown["outage_node_seconds"] >= 300


def test_news_of_an_outage_reach_the_open_page(browser: Browser, lease: Lease) -> None:
    html = browser.get(f"/leases/{lease.public_id}/").content.decode()
    address = re.search(r'hx-get="([^"]+)"', html)
    assert address and browser.get(address[1]).status_code == 204
    goes_down(lease)
    assert "is down since" in words(browser.get(address[1]).content.decode())


def test_a_swap_is_asked_for_and_done_once(browser: Browser, lease: Lease, world: World) -> None:
    spare_of(lease)
    goes_down(lease)
    failed = of(lease, "swap/")
    assert "Everything on the failed machine is gone for good" in see(browser, failed)
    said = words(browser.post(failed, follow=True).content.decode())
    assert "An equal node is being made ready in its place." in said
    again = words(browser.post(failed, follow=True).content.decode())
    assert "Another node is taking its place already" in again
    assert "Another node is being made ready in its place" in page(browser, lease)
    work_all(lease.offer, now=now())
    assert Machine.objects.get(replaces__isnull=False).state == MachineState.READY
    assert "is down since" not in page(browser, lease)


def test_a_swap_without_an_equal_node_changes_nothing_and_says_so(
    browser: Browser, api: APIClient, lease: Lease
) -> None:
    goes_down(lease)
    assert "No equal node is free" in words(browser.post(of(lease, "swap/"), follow=True).content.decode())
    answer = api.post(at(lease, "swap"))
    assert (answer.status_code, answer.json()["code"]) == (409, "no_equal_node")
    assert lease.machines.count() == 1


def test_a_machine_that_serves_is_not_swapped(api: APIClient, lease: Lease) -> None:
    spare_of(lease)
    answer = api.post(at(lease, "swap"))
    assert (answer.status_code, answer.json()["code"]) == (409, "not_now")
    assert "not down" in answer.json()["detail"]


def test_the_policy_to_swap_is_said_while_it_waits_for_a_node(browser: Browser, lease: Lease) -> None:
    Lease.objects.update(on_failure=OnFailure.SWAP)
    goes_down(lease)
    assert "As you chose, it is swapped" in page(browser, lease)


FIXES = [
    ("power-cycle", {}, "power_cycle"),
    ("gpu-reset", {}, "gpu_reset"),
    ("rebuild", {"scratch": "keep"}, "rebuild"),
    ("rebuild", {"scratch": "empty"}, "rebuild_all"),
    ("rebuild", {}, "rebuild"),  # nothing is emptied that was not named
]


@pytest.mark.parametrize(("address", "typed", "service"), FIXES)
def test_the_page_asks_and_says_what_is_lost_before_it_does_it(
    browser: Browser, lease: Lease, address: str, typed: dict[str, str], service: str
) -> None:
    assert "ends at once" in see(browser, of(lease, f"{address}/"))
    machine = lease.machines.get()
    assert machine.state == MachineState.READY
    browser.post(of(lease, f"{address}/"), typed)
    machine.refresh_from_db()
    assert (machine.state, machine.service) == (MachineState.SERVICING, service)
    shown = page(browser, lease)
    assert "Being serviced" in shown and f"{machine.host}:{machine.port}" in shown  # one may log in meanwhile
    work_all(lease.offer, now=now())
    assert "was done" in see(browser, of(lease))


@pytest.mark.parametrize(
    ("address", "body", "service"),
    [
        ("power-cycle", {}, "power_cycle"),
        ("gpu-reset", {}, "gpu_reset"),
        ("rebuild", {"keep_scratch": True}, "rebuild"),
        ("rebuild", {"keep_scratch": False}, "rebuild_all"),
    ],
)
def test_the_api_does_the_same(api: APIClient, lease: Lease, address: str, body: dict[str, bool], service: str) -> None:
    answer = api.post(at(lease, address), body, format="json")
    assert (answer.status_code, answer.json()["state"]) == (202, "servicing")
    assert answer.json()["ssh"]
    assert lease.machines.get().service == service
    again = api.post(at(lease, address), body, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "not_now")
    work_all(lease.offer, now=now())
    kinds = [row["kind"] for row in api.get(f"/api/v1/leases/{lease.public_id}/events").json()["results"]]
    assert kinds[:2] == ["lease.service_done", "lease.service_began"]


def test_a_rebuild_through_the_api_must_say_what_becomes_of_scratch(api: APIClient, lease: Lease) -> None:
    answer = api.post(at(lease, "rebuild"), {})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "keep_scratch")
    assert lease.machines.get().state == MachineState.READY


def test_a_node_without_gpus_has_none_to_reset(api: APIClient, browser: Browser, lease: Lease) -> None:
    type(lease.offer.pool.node_type).objects.update(gpu_count=0, gpu_model=None)
    assert "no GPU" in api.post(at(lease, "gpu-reset")).json()["detail"]
    assert "The node has no GPU." in see(browser, of(lease))


@pytest.mark.parametrize("log", ["startup", "console"])
def test_a_log_is_read_by_the_sites_worker_and_not_by_the_page(
    browser: Browser, api: APIClient, lease: Lease, world: World, log: Log
) -> None:
    machine = lease.machines.get()
    world.machines[machine.public_id].logs[log] = "installing vllm\n<b>done</b>"
    first = api.get(at(lease, f"logs/{log}"))
    assert (first.status_code, first.headers["Retry-After"], first.json()["read_at"]) == (202, "2", None)
    waiting = browser.get(of(lease, f"logs/{log}/"), headers={"HX-Request": "true"}).content.decode()
    assert 'hx-trigger="every 2s"' in waiting and "<html" not in waiting
    assert world.calls["log"] == 0
    assert list(logs.sites_asked()) == [lease.offer.pool.site]
    tasks.work_site(site=lease.offer.pool.site.slug)
    assert (world.calls["log"], list(logs.sites_asked())) == (1, [])
    assert api.get(at(lease, f"logs/{log}")).json()["text"] == "installing vllm\n<b>done</b>"
    shown = browser.get(of(lease, f"logs/{log}/"), headers={"HX-Request": "true"}).content.decode()
    assert "&lt;b&gt;done" in shown and "every 2s" not in shown
    assert "installing vllm" in see(browser, of(lease, f"logs/{log}/"))


def test_a_log_is_read_anew_once_it_is_old(lease: Lease, world: World) -> None:
    machine, moment = lease.machines.get(), now()
    logs.ask(machine=machine, which="startup", now=moment)
    logs.read_asked(site=lease.offer.pool.site)
    assert logs.ask(machine=machine, which="startup", now=moment + logs.FRESH / 2).read_at
    assert logs.ask(machine=machine, which="startup", now=now() + 2 * logs.FRESH).read_at is None


def test_a_log_is_cut_to_its_end_and_holds_nothing_that_breaks_the_database(lease: Lease, world: World) -> None:
    machine = lease.machines.get()
    world.machines[machine.public_id].logs["console"] = "x" * 100_000 + "\0ä end"
    logs.ask(machine=machine, which="console", now=now())
    logs.read_asked(site=lease.offer.pool.site)
    text = MachineLog.objects.get().text
    assert len(text.encode()) <= logs.MOST_BYTES and text.endswith("\N{REPLACEMENT CHARACTER}ä end")


def test_a_host_that_does_not_answer_is_said_without_its_address(browser: Browser, lease: Lease, world: World) -> None:
    machine = lease.machines.select_related("node").get()
    world.cut_off.add(machine.node.public_id)
    see(browser, of(lease, "logs/startup/"))
    logs.read_asked(site=lease.offer.pool.site)
    shown = see(browser, of(lease, "logs/startup/"))
    assert "The host did not answer." in shown and machine.node.address not in shown


def test_logs_are_forgotten_with_their_machine_and_after_an_hour(
    api: APIClient, acme: Organization, lease: Lease, world: World
) -> None:
    logs.ask(machine=lease.machines.get(), which="startup", now=now() - logs.KEPT - MINUTE)
    logs.forget(now=now())
    assert not MachineLog.objects.exists()
    logs.ask(machine=lease.machines.get(), which="startup", now=now())
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=now())
    logs.forget(now=now())
    assert not MachineLog.objects.exists()
    assert api.get(at(lease, "logs/startup")).json()["code"] == "no_log"
    assert not MachineLog.objects.exists()


def test_a_machine_of_another_lease_is_not_there_also_for_its_owner(
    api: APIClient, browser: Browser, acme: Organization, lease: Lease
) -> None:
    other = stages.ordered(acme, stages.an_offer(now(), site="valdosta", kind=PlanKind.ON_DEMAND), now())
    foreign = lease.machines.get().public_id
    for what in ("power-cycle", "swap"):
        assert api.post(f"/api/v1/leases/{other.public_id}/machines/{foreign}/{what}").status_code == 404
    assert browser.get(f"/leases/{other.public_id}/machines/{foreign}/").status_code == 404
    assert lease.machines.get().state == MachineState.READY


def test_who_may_only_read_sees_everything_and_can_do_nothing(acme: Organization, lease: Lease) -> None:
    spare_of(lease)
    goes_down(lease)
    fay = factories.a_user("fay@example.com")
    Membership.objects.create(organization=acme, user=fay, role=Role.FINANCE)
    finance = a_browser(fay)
    assert "is down since" in page(finance, lease)
    for shown in (page(finance, lease), see(finance, of(lease))):
        assert "Swap…" not in shown and "Rebuild…" not in shown and "Add or remove keys" not in shown
    for what in ("power-cycle/", "swap/", "rebuild/"):
        assert finance.post(of(lease, what)).status_code == 403


def test_the_machines_page_takes_few_statements(
    browser: Browser, lease: Lease, django_assert_max_num_queries: Any
) -> None:
    for minutes in (50, 40, 30):
        outage = goes_down(lease, since=now() - minutes * MINUTE)
        Outage.objects.filter(pk=outage.pk).update(ended_at=outage.began_at + MINUTE)
    with django_assert_max_num_queries(14):
        browser.get(of(lease))


def test_whose_guarantee_ends_moves_from_the_lease_page_or_through_the_api(
    browser: Browser, api: APIClient, acme: Organization, world: World
) -> None:
    lease = stages.guarantee_ending(acme, now())
    spare_of(lease)
    shown = page(browser, lease)
    assert "1 equal node is free for as long as your plan guarantees" in shown
    assert "Move inference-pool-1 there now" in shown
    question = browser.get(of(lease, "move/")).content.decode()
    assert "Everything on the old node is gone for good" in question
    assert browser.post(of(lease, "move/"), follow=True).redirect_chain == [(f"/leases/{lease.public_id}/", 302)]
    assert lease.machines.get(replaces__isnull=False).number == 1
    second = lease.machines.get(number=2)
    refused = api.post(f"/api/v1/leases/{lease.public_id}/machines/{second.public_id}/move")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_equal_node")
    spare_of(lease)
    moved = api.post(f"/api/v1/leases/{lease.public_id}/machines/{second.public_id}/move")
    assert moved.status_code == 202


def test_a_machine_with_nothing_booked_behind_is_not_moved(api: APIClient, lease: Lease) -> None:
    machine = lease.machines.get()
    refused = api.post(f"/api/v1/leases/{lease.public_id}/machines/{machine.public_id}/move")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_now")
