"""The lease pages in every state: the right words, news only while there can be any, and nobody else's."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from accounts.clock import now
from accounts.models import Membership, Organization, Role
from leasing import operations
from leasing.models import Lease
from leasing.provisioners.fake import World
from leasing.states import LeaseState
from marketplace.models import Pool, Provisioner
from tests import factories
from tests.accounts.cast import a_browser
from tests.factories import HOUR
from tests.leasing import stages
from tests.leasing.conftest import work_all
from tests.leasing.test_firm_power import a_limit

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(acme: Organization) -> Browser:
    return a_browser(acme.members.get())


def page(browser: Browser, lease: Lease, what: str = "") -> str:
    """The page as words: tags dropped, white space collapsed."""
    answer = browser.get(f"/leases/{lease.public_id}/{what}")
    assert answer.status_code == 200
    return words(answer.content.decode())


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace("&#x27;", "'").replace("&quot;", '"')


def trigger(browser: Browser, lease: Lease) -> str | None:
    """How often the page asks for news: "every 2s"."""
    html = browser.get(f"/leases/{lease.public_id}/").content.decode()
    found = re.search(r'hx-trigger="(every [^"]+)"', html)
    return found[1] if found else None


SAYS = {
    "scheduled": ["Scheduled", "Begins", "Cancel lease", "The meter starts when all nodes are ready", "$0.00"],
    "provisioning": [
        "Provisioning",
        "Making your nodes ready",
        "Checking its health (1 of 2 ready)",
        "so far",
        "Deadline",
    ],
    "replaced": [
        "was replaced",
        "An equal one takes its place.",
        "Waiting for the site's worker",
        "the lease fails and costs nothing",
    ],
    "active": [
        "Active",
        "ssh -p 2",
        "Host key SHA256:",
        "StrictHostKeyChecking yes",
        "Guaranteed until",
        "pip install",
    ],
    "guarantee_ending": ["and no longer.", "Somebody has booked a node behind this lease", "Log in"],
    "paused": ["Paused: the wallet is empty.", "Nothing is charged", "are kept until", "Top up", "23 h 59 min left"],
    "reclaiming": ["Reclaiming", "Wiping the node", "Removing access", "The meter has stopped.", "Given back."],
    "ended": ["Ended", "Wipe certificate", "Verified clean", "files : none left", "Receipt", "$23.65"],
    "wipe_failed": ["Wipe report", "Not proven", "stays out of stock", "a canary written at the start"],
    "failed": ["could not be started. You were charged $0.00.", "did not pass its checks", "Another node was tried"],
    "cancelled": ["Cancelled", "you were charged nothing", "Called off before it began"],
    "expired": ["Expired", "It was not confirmed in time.", "you were charged nothing"],
    "waiting": [
        "Waiting for approval",
        "Waiting for the operator’s approval until",
        "nothing is charged",
        "Cancel lease",
    ],
    "declined": ["Cancelled", "The operator declined the order.", "Your screening is not done yet."],
}
ASKS = {
    "scheduled": "every 15s",
    "provisioning": "every 2s",
    "replaced": "every 2s",
    "active": "every 15s",
    "guarantee_ending": "every 15s",
    "paused": "every 15s",
    "reclaiming": "every 2s",
    "waiting": "every 15s",
}


@pytest.mark.parametrize("stage", stages.STAGES)
def test_the_page_says_how_the_lease_stands(browser: Browser, acme: Organization, world: World, stage: str) -> None:
    shown = page(browser, stages.STAGES[stage](acme, now()))
    assert [said for said in SAYS[stage] if said not in shown] == []


def test_the_page_says_that_power_ends_a_guarantee_and_not_that_somebody_booked(
    browser: Browser, acme: Organization, world: World
) -> None:
    lease = stages.active(acme, now())
    a_limit(lease.offer.pool.site, 0, starts_at=lease.guaranteed_until + HOUR / 2)
    operations.renew(lease=lease, now=now())
    shown = page(browser, lease)
    assert "and no longer. Its site has not enough firm power to guarantee it for longer. It runs on" in shown
    assert "The site has no firm power for more" in shown and "booked" not in shown


def test_a_lease_that_power_has_ended_says_what_became_of_its_one_node_and_leads_to_another(
    browser: Browser, acme: Organization, world: World
) -> None:
    lease = stages.active(acme, now())
    operations.end(lease=lease, reason="no_firm_power", actor="system:leasing", now=now())
    shown = page(browser, lease)
    for said in ("access ended, and the node is wiped. Find another node", "Macon, Georgia, United States"):
        assert said in shown


@pytest.mark.parametrize("stage", stages.STAGES)
def test_the_page_asks_for_news_often_while_one_waits_and_never_when_it_is_over(
    browser: Browser, acme: Organization, world: World, stage: str
) -> None:
    assert trigger(browser, stages.STAGES[stage](acme, now())) == ASKS.get(stage)


@pytest.mark.parametrize("stage", stages.STAGES)
def test_the_page_takes_few_statements_in_every_state(
    browser: Browser, acme: Organization, world: World, stage: str, django_assert_max_num_queries: Any
) -> None:
    lease = stages.STAGES[stage](acme, now())
    with django_assert_max_num_queries(21):
        browser.get(f"/leases/{lease.public_id}/")


def test_the_list_takes_the_same_statements_for_one_lease_and_for_many(
    browser: Browser, acme: Organization, world: World
) -> None:
    counts = []
    for _ in range(2):
        stages.active(acme, now())
        stages.ended(acme, now())
        with CaptureQueriesContext(connection) as statements:
            browser.get("/leases/")
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 21


def test_news_are_sent_only_when_there_are_some(browser: Browser, acme: Organization, world: World) -> None:
    lease = stages.provisioning_two(acme, now())
    html = browser.get(f"/leases/{lease.public_id}/").content.decode()
    address = re.search(r'hx-get="([^"]+)"', html)
    assert address
    assert browser.get(address[1]).status_code == 204
    lease.machines.update(step="proving your SSH path")
    news = browser.get(address[1])
    assert "Proving your SSH path (1 of 2 ready)" in words(news.content.decode())
    assert b"<title>fine-tune run 4: provisioning" in news.content
    assert b"<html" not in news.content


def test_a_lost_session_sends_the_whole_page_to_log_in_not_a_form_into_the_panel(
    acme: Organization, world: World
) -> None:
    lease = stages.active(acme, now())
    answer = Browser().get(f"/leases/{lease.public_id}/panel/", headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"].startswith("/account/login/")


def test_a_simulated_node_is_labelled_so_on_page_and_list(browser: Browser, acme: Organization, world: World) -> None:
    lease = stages.active(acme, now())
    assert "SIMULATED" not in page(browser, lease)
    Pool.objects.update(provisioner=Provisioner.SANDBOX)
    assert "no GPU behind it" in page(browser, lease)
    assert "SIMULATED" in words(browser.get("/leases/").content.decode())


@pytest.mark.parametrize("what", ["", "panel/", "return/", "rename/"])
def test_another_organizations_lease_is_not_there(acme: Organization, world: World, what: str) -> None:
    lease = stages.active(acme, now())
    stranger = a_browser(factories.an_organization("Stranger Ltd").members.get())
    for address in (f"/leases/{lease.public_id}/{what}", f"/leases/ls_0000000000000000000000/{what}"):
        assert stranger.get(address).status_code == 404
    if what in {"return/", "rename/"}:
        assert stranger.post(f"/leases/{lease.public_id}/{what}", {"name": "mine"}).status_code == 404
    lease.refresh_from_db()
    assert lease.state == LeaseState.ACTIVE


def test_returning_asks_first_and_says_what_will_happen(browser: Browser, acme: Organization, world: World) -> None:
    lease = stages.active(acme, now())
    asked = page(browser, lease, "return/")
    for said in ("The meter stops at once.", "is wiped and gone for good", "wipe certificate follows"):
        assert said in asked
    lease.refresh_from_db()
    assert lease.state == LeaseState.ACTIVE


def test_returning_twice_in_the_browser_ends_it_once(browser: Browser, acme: Organization, world: World) -> None:
    lease = stages.active(acme, now())
    first = browser.post(f"/leases/{lease.public_id}/return/", follow=True)
    assert "Given back. The meter has stopped" in words(first.content.decode())
    second = browser.post(f"/leases/{lease.public_id}/return/", follow=True)
    assert "was given back already" in words(second.content.decode())
    assert lease.transitions.filter(new=LeaseState.RECLAIMING).count() == 1


def test_the_history_names_who_returned_it(browser: Browser, acme: Organization, world: World) -> None:
    owner = acme.members.get()
    type(owner).objects.filter(pk=owner.pk).update(name="Ada Byron")
    lease = stages.active(acme, now())
    browser.post(f"/leases/{lease.public_id}/return/")
    assert "Given back. The meter stopped and access ended. The nodes are being wiped. Ada Byron" in page(
        browser, lease
    )


def test_a_member_who_may_not_write_sees_no_buttons_and_cannot_return(acme: Organization, world: World) -> None:
    lease = stages.active(acme, now())
    fay = factories.a_user("fay@example.com")
    Membership.objects.create(organization=acme, user=fay, role=Role.FINANCE)
    finance = a_browser(fay)
    assert "Return" not in page(finance, lease)
    assert finance.post(f"/leases/{lease.public_id}/return/").status_code == 403


def test_a_new_name_is_kept_and_an_empty_one_is_refused_beside_the_field(
    browser: Browser, acme: Organization, world: World
) -> None:
    lease = stages.active(acme, now())
    address = f"/leases/{lease.public_id}/rename/"
    assert "This field is required" in words(browser.post(address, {"name": " "}).content.decode())
    assert browser.post(address, {"name": "run 5"}).status_code == 302
    assert "run 5" in page(browser, lease)


def test_an_empty_list_leads_to_the_catalogue(browser: Browser, acme: Organization) -> None:
    shown = browser.get("/leases/").content.decode()
    assert "No leases yet" in shown
    assert "Find a node" in shown


def test_past_leases_come_page_by_page_and_none_twice(browser: Browser, acme: Organization) -> None:
    moment = now()
    names = [f"evaluation {number:02}" for number in range(30)]
    for name in names:
        lease = stages.scheduled(acme, moment)
        operations.rename(lease=lease, name=name, actor="user:us_1", now=moment)
        stages.give_back(lease, moment)
    first = browser.get("/leases/").content.decode()
    older = re.search(r'href="([^"]*cursor=[^"]+)" rel="next"', first)
    assert older
    second = browser.get(older[1]).content.decode()
    seen = re.findall(r"evaluation \d\d", first) + re.findall(r"evaluation \d\d", second)
    assert seen == list(reversed(names))
    assert "Running" not in second
    assert browser.get("/leases/?cursor=nonsense").status_code == 404


def test_a_cost_that_runs_is_the_meters(browser: Browser, acme: Organization, world: World) -> None:
    moment = now()
    lease = stages.active(acme, moment)
    html = browser.get(f"/leases/{lease.public_id}/").content.decode()
    found = re.search(r'data-micros="(\d+)" data-rate="(\d+)"', html)
    assert found
    seconds, rate = 3600 - 41, 23_920_000
    assert int(found[2]) == rate
    assert rate * seconds // 3600 <= int(found[1]) <= rate * (seconds + 30) // 3600


def test_several_keys_and_machines_have_a_name_each_in_the_ssh_configuration(
    browser: Browser, acme: Organization, world: World
) -> None:
    lease = stages.provisioning_two(acme, now())
    lease.machines.update(work_until=None)
    work_all(lease.offer, now=now())
    shown = page(browser, lease)
    assert "Host fine-tune-run-4-1 fine-tune-run-4 HostName" in shown
    assert "Host fine-tune-run-4-2 HostName" in shown
