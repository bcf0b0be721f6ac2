"""What staff sees of leases, and the one thing that staff does there."""

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.auth.models import Permission
from django.test import Client as Browser

from accounts.clock import now
from accounts.models import Event, Organization
from leasing.models import Claim, Lease, Machine, Transition, WipeRecord
from leasing.provisioners.fake import World
from leasing.states import MachineState
from tests import factories
from tests.leasing import stages

pytestmark = pytest.mark.django_db
SHOWN = {model.__name__.lower(): model for model in (Lease, Machine, Claim, WipeRecord, Transition)}


@pytest.fixture
def staff(db: None) -> Browser:
    """Pat of the operator's staff, with an authenticator."""
    pat = factories.a_user("pat@example.com", is_staff=True, is_superuser=True)
    TOTP.activate(pat, "JBSWY3DPEHPK3PXP")
    browser = Browser()
    browser.force_login(pat)
    return browser


@pytest.mark.parametrize("name", SHOWN)
def test_every_list_and_page_opens_and_can_be_searched(
    staff: Browser, acme: Organization, world: World, name: str
) -> None:
    stages.wipe_failed(acme, now())
    row = SHOWN[name].objects.first()
    assert row is not None
    assert staff.get(f"/admin/leasing/{name}/", {"q": "fine-tune"}).status_code == 200
    assert staff.get(f"/admin/leasing/{name}/").status_code == 200
    page = staff.get(f"/admin/leasing/{name}/{row.pk}/change/")
    assert page.status_code == 200
    assert b'name="_save"' not in page.content


@pytest.mark.parametrize("name", SHOWN)
def test_nothing_can_be_added_changed_or_deleted(staff: Browser, acme: Organization, world: World, name: str) -> None:
    stages.wipe_failed(acme, now())
    row = SHOWN[name].objects.first()
    assert row is not None
    for address in ("add/", f"{row.pk}/delete/"):
        assert staff.get(f"/admin/leasing/{name}/{address}").status_code == 403
    assert staff.post(f"/admin/leasing/{name}/{row.pk}/change/", {"name": "x"}).status_code == 403


def wipe_again(browser: Browser, machine: Machine) -> str:
    chosen = {"action": "wipe_anew", "_selected_action": [machine.pk]}
    return browser.post("/admin/leasing/machine/", chosen, follow=True).content.decode()


def test_staff_sends_a_machine_whose_wipe_failed_to_be_wiped_again(
    staff: Browser, acme: Organization, world: World
) -> None:
    machine = stages.wipe_failed(acme, now()).machines.get()
    assert "is being wiped again" in wipe_again(staff, machine)
    machine.refresh_from_db()
    assert machine.state == MachineState.WIPING
    assert Event.objects.get(kind="node.wipe_again").actor.startswith("user:us_")


def test_a_machine_that_somebody_uses_is_not_wiped(staff: Browser, acme: Organization, world: World) -> None:
    machine = stages.active(acme, now()).machines.get()
    assert "left alone" in wipe_again(staff, machine)
    machine.refresh_from_db()
    assert machine.state == MachineState.READY


def test_staff_who_may_only_look_cannot_wipe(acme: Organization, world: World) -> None:
    machine = stages.wipe_failed(acme, now()).machines.get()
    lea = factories.a_user("lea@example.com", is_staff=True)
    lea.user_permissions.add(*permissions("view_machine"))
    TOTP.activate(lea, "JBSWY3DPEHPK3PXP")
    browser = Browser()
    browser.force_login(lea)
    wipe_again(browser, machine)
    machine.refresh_from_db()
    assert machine.state == MachineState.WIPE_FAILED


def permissions(*names: str) -> list[Permission]:
    return list(Permission.objects.filter(codename__in=names))
