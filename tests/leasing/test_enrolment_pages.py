"""Staff's pages of enrolments, the file of many hosts, and the admin's part in it."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.clock import now
from accounts.models import User
from leasing.models import Enrolment, Inspection
from leasing.operations.enrolment import Asked, request, verify_again
from leasing.provisioners.base import HostUnfit, Unreachable
from leasing.states import EnrolmentState
from marketplace.models import Measure, Node, Target
from marketplace.states import NodeState
from tests import factories
from tests.leasing.conftest import enrol_all
from tests.leasing.scripted import Scripted, a_whole

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def catalogue(db: None) -> None:
    factories.a_site("macon")
    factories.a_plan()
    factories.a_node_type()


def filled_in(**changed: Any) -> dict[str, str]:
    given = {
        "site": "macon",
        "name": "macon-h100x8-9001",
        "provisioner": "podman",
        "address": "10.4.0.17",
        "port": "22",
        "user": "root",
        "password": " open sesame ",
        "plan": "on_demand",
        "dollars": "19.20",
    }
    return {**given, **changed}


def test_no_browser_asks_for_the_address_that_a_simulated_node_may_not_have(staff_browser: Client) -> None:
    page = staff_browser.get("/operations/enrolments/new/").content.decode()
    field = re.search(r'<input[^>]*name="address"[^>]*>', page)
    assert field and " required" not in field[0]


def an_enrolment(**changed: Any) -> Enrolment:
    wanted = {
        "site": factories.a_site(),
        "name": "macon-h100x8-9001",
        "provisioner": "podman",
        "plan": factories.a_plan(),
        "address": "10.4.0.17",
        "password": "first-login",
        "node_type": factories.a_node_type(),
        "micros_per_node_hour": 19_200_000,
    }
    return request(asked=Asked(**{**wanted, **changed}), actor="user:us_staff", now=now())


def page(client: Client, enrolment: Enrolment) -> str:
    answer = client.get(reverse("enrolment", args=[enrolment.public_id]))
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def rows(shown: str) -> dict[str, tuple[str, str, bool]]:
    """By part: what was promised, what was found, and whether that is as it must be."""
    row = r'<tr( class="is-wrong")?><th scope="row">([^<]*)</th><td[^>]*>([^<]*)</td><td[^>]*><span>([^<]*)<'
    return {part: (promised, found.strip(), not wrong) for wrong, part, promised, found in re.findall(row, shown)}


def test_a_host_is_enrolled_from_the_page(staff_browser: Client, inspector: Scripted) -> None:
    answer = staff_browser.post(reverse("enrolment_new"), filled_in())
    enrolment = Enrolment.objects.get()
    assert answer["Location"] == reverse("enrolment", args=[enrolment.public_id])
    staff = User.objects.get()
    assert (enrolment.actor, enrolment.micros_per_node_hour) == (f"user:{staff.public_id}", 19_200_000)
    assert "Waiting for the site&#x27;s worker" in page(staff_browser, enrolment)
    enrol_all(now=now())
    assert inspector.heard[0][1][3].password == " open sesame "
    shown = page(staff_browser, enrolment)
    assert "macon-h100x8-9001</span> is in stock" in shown and "hx-get" not in shown
    assert Node.objects.get().state == NodeState.AVAILABLE


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"address": "10.4.0.17:22"}, "without a port"),
        ({"name": ""}, "This field is required"),
        ({"dollars": ""}, "There is no price yet"),
        ({"dollars": "-1"}, "greater than or equal to 0"),
        ({"site": "atlantis"}, "There is no “atlantis”. There are: macon."),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_lost_but_the_password(
    staff_browser: Client, changed: dict[str, str], words: str
) -> None:
    answer = staff_browser.post(reverse("enrolment_new"), filled_in(node_type="h100x8", **changed))
    shown = answer.content.decode()
    assert answer.status_code == 200 and words in shown and 'aria-invalid="true"' in shown
    assert "open sesame" not in shown
    assert not Enrolment.objects.exists()


def test_the_page_shows_the_step_its_deadline_and_what_the_last_attempt_said(
    staff_browser: Client, inspector: Scripted
) -> None:
    enrolment = an_enrolment()
    inspector.fail("adopt", Unreachable("10.4.0.17:22 does not answer"))
    enrol_all(now=now())
    shown = page(staff_browser, enrolment)
    assert "Attempt 1:" in shown and "10.4.0.17:22 does not answer" in shown and "Deadline" in shown
    panel = reverse("enrolment_panel", args=[enrolment.public_id])
    mark = shown.partition("?seen=")[2].partition('"')[0]
    assert staff_browser.get(f"{panel}?seen={mark}").status_code == 204
    enrol_all(now=now() + timedelta(seconds=30))
    news = staff_browser.get(f"{panel}?seen={mark}").content.decode()
    assert "is in stock" in news and 'id="enrolment-status"' in news


def test_the_page_shows_differences_side_by_side(staff_browser: Client, inspector: Scripted) -> None:
    enrolment = an_enrolment()
    gpus = a_whole(factories.a_node_type()).gpus
    inspector.without(gpus=(replace(gpus[0], remap_failed=True), *gpus[1:7]), vcpus=192)
    enrol_all(now=now())
    shown = page(staff_browser, enrolment)
    assert "The host was not enrolled" in shown and "GPUs: 7 instead of 8" in shown
    compared = rows(shown)
    assert compared["GPUs"] == ("8", "7", False) and compared["vCPUs"] == ("224", "192", False)
    assert compared["memory"] == ("2048 GB", "2048 GB", True)
    assert "one could not be remapped (replace the GPU)" in shown


def test_the_page_shows_what_was_measured_beside_the_least_that_passes(
    staff_browser: Client, inspector: Scripted
) -> None:
    Target.objects.create(node_type=factories.a_node_type(), measure=Measure.MATMUL, value=750)
    enrolment = an_enrolment()
    enrol_all(now=now())
    shown = page(staff_browser, enrolment)
    assert rows(shown)["matrix product, FP16 TFLOP/s (slowest GPU)"] == ("at least 712.5 TFLOP/s", "700 TFLOP/s", False)
    assert rows(shown)["disk, sequential write, MB/s"] == ("no target", "2,000 MB/s", True)


def test_a_host_of_no_type_shows_what_differs_from_the_nearest(staff_browser: Client, inspector: Scripted) -> None:
    enrolment = an_enrolment(node_type=None)
    inspector.without(vcpus=2)
    enrol_all(now=now())
    assert "It is none of our node types" in page(staff_browser, enrolment)


def test_an_enrolment_is_called_off_after_a_question(staff_browser: Client) -> None:
    enrolment = an_enrolment()
    address = reverse("enrolment_withdraw", args=[enrolment.public_id])
    assert "what opened it is forgotten" in staff_browser.get(address).content.decode()
    assert Enrolment.objects.get().state == EnrolmentState.REACHING
    staff_browser.post(address)
    assert Enrolment.objects.get().state == EnrolmentState.WITHDRAWN
    assert "was over already" in staff_browser.post(address, follow=True).content.decode()


def test_the_list_shows_those_under_way_first(staff_browser: Client, inspector: Scripted) -> None:
    assert "No host was enrolled yet" in staff_browser.get(reverse("enrolments")).content.decode()
    inspector.fail("adopt", HostUnfit("podman is missing: install podman"))
    an_enrolment()
    enrol_all(now=now())
    an_enrolment(name="second", address="10.4.0.18", node_type=None)
    shown = staff_browser.get(reverse("enrolments")).content.decode()
    assert shown.index("second") < shown.index("macon-h100x8-9001") and "type still open" in shown
    assert "podman is missing: install podman" in shown


def test_no_secret_is_on_any_page(staff_browser: Client) -> None:
    enrolment = an_enrolment(bmc_address="https://10.4.1.17", bmc_user="admin", bmc_password="bmc-secret")
    change = reverse("admin:leasing_enrolment_change", args=[enrolment.pk])
    for address in (reverse("enrolments"), reverse("enrolment", args=[enrolment.public_id]), change):
        shown = staff_browser.get(address).content.decode()
        assert enrolment.name in shown
        for secret in ("first-login", "bmc-secret", enrolment.credentials, enrolment.bmc_password):
            assert secret not in shown


@pytest.mark.parametrize("name", ["enrolments", "enrolment_new", "enrolment_file"])
def test_only_staff_with_the_permission_and_a_second_factor_come_in(name: str, client: Client) -> None:
    assert client.get(reverse(name)).status_code == 302
    client.force_login(User.objects.create_user("ada@example.com", "correct horse battery"))
    assert client.get(reverse(name)).status_code == 403
    client.force_login(User.objects.create_superuser("boss@example.com", "correct horse battery"))
    assert client.get(reverse(name))["Location"] == "/account/2fa/"


# --- a file of many


HEAD = "site,name,address,node_type,dollars,password\n"
TWO = HEAD + "macon,first,10.4.0.17,h100x8,19.20,secret\nmacon,second,10.4.0.18,h100x8,19.20,\n"


def upload(client: Client, text: str | bytes) -> str:
    content = text.encode() if isinstance(text, str) else text
    file = SimpleUploadedFile("hosts.csv", content, content_type="text/csv")
    return client.post(reverse("enrolment_file"), {"file": file}, follow=True).content.decode()


def test_all_hosts_of_a_file_are_asked_for(staff_browser: Client, inspector: Scripted) -> None:
    assert "2 hosts are being enrolled" in upload(staff_browser, "\ufeff" + TWO)
    enrol_all(now=now())
    assert sorted(Node.objects.values_list("name", "state")) == [("first", "available"), ("second", "available")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TWO.replace("10.4.0.18", "10.4.0.18:22"), ["line 3, address: Use an IP address"]),
        (TWO.replace("second", "first"), ["line 3, name: first is being enrolled already"]),
        (TWO.replace("10.4.0.18", "10.4.0.17"), ["line 3, address: first is being enrolled there"]),
        (
            TWO.replace("macon,first", "atlantis,first").replace("19.20,\n", "cheap,\n"),
            ["line 2, site: There is no “atlantis”", "line 3, dollars: Enter a number"],
        ),
        (TWO.replace("dollars", "price"), ["line 1: there is no column price. There are: site, name"]),
        (TWO.replace("site,", "").replace("macon,", ""), ["line 1: the column site is missing"]),
        (TWO.replace(",secret", ",secret,more"), ["line 2: more values than there are columns"]),
        (HEAD, ["The file names 0 hosts; take 1 to 500"]),
        (HEAD + 'macon,"first', ["not CSV"]),
        (b"\xff\xfe\x00", ["not a text in UTF-8"]),
    ],
)
def test_nothing_is_taken_from_a_file_with_an_error(staff_browser: Client, text: str | bytes, words: list[str]) -> None:
    shown = re.sub("<[^>]+>", "", upload(staff_browser, text))
    assert [word for word in words if word not in shown.replace("&#x27;", "'")] == []
    assert not Enrolment.objects.exists()


# --- the admin


def test_nodes_are_verified_again_from_the_admin(staff_browser: Client, inspector: Scripted) -> None:
    an_enrolment()
    enrol_all(now=now())
    node = Node.objects.get()
    wanted = {"action": "verify", "_selected_action": [node.pk]}
    answer = staff_browser.post(reverse("admin:marketplace_node_changelist"), wanted, follow=True)
    assert "is being verified" in answer.content.decode()
    node.refresh_from_db()
    assert node.state == NodeState.VERIFYING
    again = staff_browser.post(reverse("admin:marketplace_node_changelist"), wanted, follow=True)
    assert "was left alone" in again.content.decode()
    enrol_all(now=now())
    assert Inspection.objects.filter(node=node, passed=True).count() == 2


def test_a_verification_of_a_known_node_has_a_page(staff_browser: Client, inspector: Scripted) -> None:
    an_enrolment()
    enrol_all(now=now())
    again = verify_again(node=Node.objects.get(), actor="user:us_staff", now=now())
    shown = page(staff_browser, again)
    assert "First login" not in shown and "Inspection" in shown
    inspector.without(vcpus=2)
    enrol_all(now=now())
    assert "The node is in quarantine" in page(staff_browser, again)
