"""A site whose watcher does not look: staff hears once, and once when it looks again."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client as Browser

from accounts import notices
from accounts.models import Event, Notice
from leasing import schedule
from leasing.models import NodeHealth
from marketplace.models import Node, Provisioner, Site
from marketplace.states import NodeState
from tests import factories
from tests.factories import NOON
from tests.leasing.test_fleet_pages import a_member_of_staff

pytestmark = pytest.mark.django_db
TURN = timedelta(seconds=15)
KINDS = ("site.blind", "site.sees_again")


@pytest.fixture
def node(db: None) -> Node:
    """Last looked at at noon."""
    made = factories.a_pool().nodes.get()
    NodeHealth.objects.create(node=made, seen_at=NOON)
    return made


def told() -> list[str]:
    return list(Event.objects.filter(kind__in=KINDS).order_by("pk").values_list("kind", flat=True))


def test_a_site_that_nobody_looks_at_for_two_minutes_is_told_once(node: Node) -> None:
    schedule.tell_blind(now=NOON + 7 * TURN)
    assert (told(), Site.objects.get().blind_since) == ([], None)
    for turn in (8, 9, 400):
        schedule.tell_blind(now=NOON + turn * TURN)
    assert (told(), Site.objects.get().blind_since) == (["site.blind"], NOON)


def test_it_is_cleared_when_it_looks_again(node: Node) -> None:
    schedule.tell_blind(now=NOON + 8 * TURN)
    NodeHealth.objects.update(seen_at=NOON + 10 * TURN)
    for turn in (10, 11):
        schedule.tell_blind(now=NOON + turn * TURN)
    assert (told(), Site.objects.get().blind_since) == (["site.blind", "site.sees_again"], None)


def test_one_node_that_is_looked_at_is_enough(node: Node) -> None:
    NodeHealth.objects.create(node=factories.a_node(node.pool), seen_at=NOON + 8 * TURN)
    schedule.tell_blind(now=NOON + 8 * TURN)
    assert told() == []


def test_nodes_that_nobody_need_look_at_say_nothing(node: Node) -> None:
    Node.objects.update(state=NodeState.RETIRED)
    simulated = factories.a_pool(provisioner=Provisioner.SANDBOX, site=factories.a_site("dallas"))
    NodeHealth.objects.create(node=simulated.nodes.get(), seen_at=NOON)
    schedule.tell_blind(now=NOON + 400 * TURN)
    assert told() == []


def test_staff_who_may_change_nodes_gets_a_mail_and_nobody_else_does(node: Node) -> None:
    pat = factories.a_user("pat@example.com", is_staff=True)
    pat.user_permissions.add(Permission.objects.get(codename="change_node", content_type__app_label="marketplace"))
    factories.a_user("sam@example.com", is_staff=True)
    factories.an_organization()
    schedule.tell_blind(now=NOON + 8 * TURN)
    notices.address(now=NOON + 9 * TURN)
    notice = Notice.objects.get()
    assert notice.recipient == "pat@example.com"
    letter = notices.message_for(notice)
    assert letter.subject == "Macon is blind"
    assert "since 2026" in letter.body


def test_the_fleet_page_and_the_api_name_blind_sites(node: Node) -> None:
    browser = Browser()
    browser.force_login(a_member_of_staff("view_node"))
    assert browser.get("/api/v1/operations/blind-sites").json() == []
    schedule.tell_blind(now=NOON + 8 * TURN)
    (blind,) = browser.get("/api/v1/operations/blind-sites").json()
    assert (blind["site"], datetime.fromisoformat(blind["blind_since"])) == ("macon", NOON)
    assert "Macon is blind since" in browser.get("/operations/fleet/").content.decode()
