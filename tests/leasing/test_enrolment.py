"""A host becomes a node only by passing, and a host that does not leaves a sentence and nothing else."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Event
from accounts.seal import unseal
from leasing import enrolling, schedule
from leasing.inspection.inventory import Inventory
from leasing.models import Enrolment, Inspection
from leasing.operations.enrolment import (
    DEADLINES,
    BadEnrolment,
    request,
    retire,
)
from leasing.provisioners.base import (
    CredentialsRefused,
    HostKeyMismatch,
    HostUnfit,
    ProvisionerError,
    Unreachable,
)
from leasing.states import EnrolmentState
from marketplace.models import Measure, Node, NodeCalendar, NodeTransition, Offer, Pool, Rate, Target
from marketplace.queries import current_rate
from marketplace.states import NodeState
from tests import factories
from tests.factories import NOON, PUBLIC_KEY
from tests.leasing.enrolled import all_steps, ask, asked, assert_nothing_is_left, one_step
from tests.leasing.scripted import Scripted, a_whole
from tests.together import together

pytestmark = pytest.mark.django_db


# --- asking


def test_a_request_keeps_the_password_sealed_and_makes_nothing_else() -> None:
    enrolment = ask(bmc_address="https://10.4.1.17", bmc_user="admin", bmc_password="bmc-secret")
    assert (enrolment.state, enrolment.deadline) == (EnrolmentState.REACHING, NOON + DEADLINES["reaching"])
    assert "first-login" not in enrolment.credentials and "bmc-secret" not in enrolment.bmc_password
    assert unseal(enrolment.credentials, purpose="enrolment") == '{"password": "first-login"}'
    assert not Node.objects.exists() and not Pool.objects.exists()
    event = Event.objects.get(kind="enrolment.requested")
    assert (event.subject, event.actor, event.data["name"]) == (enrolment.public_id, "user:us_staff", enrolment.name)
    assert "first-login" not in str(event.data)


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"name": "Macon 1"}, "name", "lower-case letters"),
        ({"name": ""}, "name", "1 to 60"),
        ({"address": ""}, "address", "Say where"),
        ({"address": "ssh://10.4.0.17"}, "address", "without a port"),
        ({"address": "10.4.0.17:22"}, "address", "without a port"),
        ({"address": "10.4.0"}, "address", "IP address"),
        ({"address": "-oProxyCommand=reboot"}, "address", "IP address"),
        ({"provisioner": "sandbox"}, "address", "no address"),
        ({"provisioner": "sandbox", "address": "", "node_type": None}, "node_type", "Choose one"),
        ({"port": 0}, "port", "1 to 65535"),
        ({"port": 70_000}, "port", "1 to 65535"),
        ({"user": "root; reboot"}, "user", "Linux user"),
        ({"fingerprint": "SHA256:short"}, "fingerprint", "43 characters"),
        ({"private_key": "-----BEGIN OPENSSH"}, "password", "not both"),
        ({"private_key": "-----BEGIN OPENSSH", "password": ""}, "private_key", "not a private key"),
        ({"private_key": "x" * 20_000, "password": ""}, "private_key", "not a private key"),
        ({"bmc_address": "10.4.1.17"}, "bmc_address", "https://"),
        ({"bmc_address": "https://10.4.1.17", "bmc_user": "admin"}, "bmc_address", "go together"),
        ({"bmc_user": "admin"}, "bmc_address", "go together"),
        ({"micros_per_node_hour": None}, "micros_per_node_hour", "There is no price yet for 8 × H100 in Macon"),
        ({"micros_per_node_hour": -1}, "micros_per_node_hour", "not below 0"),
    ],
)
def test_what_can_be_known_without_the_host_is_refused_naming_the_field(
    changed: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(BadEnrolment, match=words) as refused:
        ask(**changed)
    assert refused.value.field == field
    assert not Enrolment.objects.exists()


@pytest.mark.parametrize(
    "good",
    [
        {"address": "fd00::17"},
        {"address": "gpu-17.macon.example"},
        {"fingerprint": f"SHA256:{'a' * 43}"},
        {"password": ""},
        {"micros_per_node_hour": 0},
    ],
)
def test_what_is_right_is_taken(good: dict[str, Any]) -> None:
    assert ask(**good).state == EnrolmentState.REACHING


def test_a_name_or_an_address_that_is_taken_is_refused_naming_by_whom(inspector: Scripted) -> None:
    first = ask()
    with pytest.raises(BadEnrolment, match=f"being enrolled already .{first.public_id}"):
        ask(address="10.4.0.18")
    with pytest.raises(BadEnrolment, match="macon-h100x8-9001 is being enrolled there"):
        ask(name="another")
    all_steps(first)
    with pytest.raises(BadEnrolment, match="There is a node macon-h100x8-9001"):
        ask(address="10.4.0.18")
    with pytest.raises(BadEnrolment, match="The node macon-h100x8-9001 of Macon is reached there"):
        ask(name="another")
    ask(name="another", site=factories.a_site("valdosta"))  # sites' private addresses are their own
    retire(node=Node.objects.get(name=first.name), actor="user:us_staff", now=NOON)
    ask()


@pytest.mark.django_db(transaction=True)
def test_two_requests_at_once_for_one_address_are_one() -> None:
    wanted = [asked(name=f"node-{number}") for number in range(4)]
    answers = together(4, lambda number: request(asked=wanted[number], actor="user:us_staff", now=NOON))
    assert [type(answer) for answer in answers].count(Enrolment) == 1
    assert sum(isinstance(answer, BadEnrolment) for answer in answers) == 3


# --- passing


def test_a_whole_host_is_reached_inspected_measured_and_in_stock(inspector: Scripted) -> None:
    enrolment = ask(bmc_address="https://10.4.1.17", bmc_user="admin", bmc_password="bmc-secret")
    one_step()
    enrolment.refresh_from_db()
    assert (enrolment.state, enrolment.host_key, enrolment.credentials) == ("inspecting", PUBLIC_KEY, "")
    one_step()
    enrolment.refresh_from_db()
    assert (enrolment.state, enrolment.node_type) == ("measuring", factories.a_node_type())
    assert not Node.objects.exists() and not Pool.objects.exists()
    all_steps(enrolment)
    node = Node.objects.get()
    assert (enrolment.state, enrolment.node) == (EnrolmentState.PASSED, node)
    assert (node.name, node.state, node.address, node.host_key) == (
        "macon-h100x8-9001",
        NodeState.AVAILABLE,
        "10.4.0.17",
        PUBLIC_KEY,
    )
    assert (node.bmc_address, node.bmc_user) == ("https://10.4.1.17", "admin")
    assert unseal(node.bmc_password, purpose="bmc") == "bmc-secret"
    assert NodeCalendar.objects.filter(node=node, pool=node.pool).exists()
    moves = NodeTransition.objects.filter(node=node).order_by("seq").values_list("new", flat=True)
    assert list(moves) == ["enrolled", "verifying", "available"]
    offer = Offer.objects.get()
    assert (offer.pool, offer.listed) == (node.pool, True)
    assert current_rate(offer=offer, at=NOON).micros_per_node_hour == 19_200_000
    seen = Inspection.objects.get(node=node)
    assert seen.passed and Inventory.of(seen.inventory) == inspector.inventory and seen.measures["matmul"] == 700.0
    assert Event.objects.get(kind="node.enrolled").data["offer"] == offer.public_id


def test_the_host_knows_the_node_by_its_later_name_from_the_start(inspector: Scripted) -> None:
    all_steps(ask())
    hosts = [what for step, what in inspector.heard if step in {"inspect", "measure"}]
    assert {host.node_id for host in hosts} == {Node.objects.get().public_id}
    assert hosts[0].facts["gpu_count"] == 8 and hosts[0].host_key == PUBLIC_KEY


def test_credentials_reach_the_inspector_as_they_were_given(inspector: Scripted) -> None:
    all_steps(ask(user="installer", fingerprint=f"SHA256:{'a' * 43}", port=2222))
    step, (address, port, fingerprint, credentials) = inspector.heard[0]
    assert (step, address, port, fingerprint) == ("adopt", "10.4.0.17", 2222, f"SHA256:{'a' * 43}")
    assert (credentials.user, credentials.password, credentials.private_key) == ("installer", "first-login", "")
    assert "first-login" not in repr(credentials)


def test_whatever_matches_is_found_by_inspection(inspector: Scripted) -> None:
    small = factories.a_node_type("h100x4", gpus=4)
    inspector.inventory = a_whole(small)
    enrolment = all_steps(ask(node_type=None))
    assert (enrolment.state, enrolment.node_type) == (EnrolmentState.PASSED, small)
    assert Node.objects.get().pool.node_type == small


def test_the_price_of_an_offer_stays_if_none_is_given_and_a_new_one_is_added(inspector: Scripted) -> None:
    all_steps(ask())
    all_steps(ask(name="second", address="10.4.0.18", micros_per_node_hour=None))
    assert Rate.objects.count() == 1
    later = NOON + timedelta(seconds=1)
    all_steps(ask(later, name="third", address="10.4.0.19", micros_per_node_hour=20_000_000), later)
    assert sorted(Rate.objects.values_list("micros_per_node_hour", flat=True)) == [19_200_000, 20_000_000]
    assert Node.objects.filter(state=NodeState.AVAILABLE).count() == 3 and Pool.objects.count() == 1


# --- failing


MISSING = "podman is missing: as root, run apt-get install podman"
TOOLKIT = "The NVIDIA container toolkit is missing: install nvidia-container-toolkit and run nvidia-ctk cdi generate"
FULL = "The disk is full: 0 GB are free at /var/lib/containers, 20 GB are needed"


@pytest.mark.parametrize(
    ("step", "error", "reason"),
    [
        ("adopt", CredentialsRefused("root@10.4.0.17 refuses the password"), "credentials_refused"),
        ("adopt", HostKeyMismatch("Another host key answered: SHA256:other"), "wrong_host_key"),
        ("inspect", HostKeyMismatch("Another host key answered: SHA256:other"), "wrong_host_key"),
        ("inspect", HostUnfit(MISSING), "host_unfit"),
        ("inspect", HostUnfit(TOOLKIT), "host_unfit"),
        ("inspect", HostUnfit(FULL), "host_unfit"),
        ("measure", HostUnfit("The burn-in image cannot be run"), "host_unfit"),
    ],
)
def test_what_trying_again_cannot_mend_fails_at_once_with_its_sentence(
    inspector: Scripted, step: str, error: ProvisionerError, reason: str
) -> None:
    inspector.fail(step, error)
    enrolment = all_steps(ask(bmc_address="https://10.4.1.17", bmc_user="admin", bmc_password="bmc-secret"))
    assert (enrolment.state, enrolment.reason, enrolment.detail) == (EnrolmentState.FAILED, reason, str(error))
    assert_nothing_is_left(enrolment)
    assert Event.objects.get(kind="enrolment.failed").data["detail"] == str(error)


def test_a_host_that_does_not_answer_is_tried_again_until_the_deadline(inspector: Scripted) -> None:
    inspector.fail("adopt", Unreachable("10.4.0.17:22 does not answer"), times=3)
    enrolment = ask()
    one_step()
    enrolment.refresh_from_db()
    assert (enrolment.state, enrolment.attempts, enrolment.detail) == ("reaching", 1, "10.4.0.17:22 does not answer")
    assert one_step() is None and enrolment.credentials
    late = NOON + DEADLINES["reaching"]
    schedule.run_due(now=late)
    enrolment.refresh_from_db()
    assert (enrolment.state, enrolment.reason) == (EnrolmentState.FAILED, "reaching_deadline")
    assert enrolment.detail == "It took too long. 10.4.0.17:22 does not answer"
    assert_nothing_is_left(enrolment)


def test_a_host_that_answers_at_last_goes_on(inspector: Scripted) -> None:
    inspector.fail("adopt", Unreachable("no answer"))
    enrolment = ask()
    all_steps(enrolment)
    assert all_steps(enrolment, NOON + timedelta(seconds=30)).state == EnrolmentState.PASSED


def test_an_enrolment_that_no_worker_takes_up_says_so(inspector: Scripted) -> None:
    enrolment = ask()
    enrolling.give_up_overdue(now=NOON + DEADLINES["reaching"])
    enrolment.refresh_from_db()
    assert "is one running there?" in enrolment.detail


def test_wrong_hardware_is_told_part_by_part(inspector: Scripted) -> None:
    inventory = a_whole(factories.a_node_type())
    inspector.without(gpus=inventory.gpus[:7], memory_gb=1024)
    enrolment = all_steps(ask())
    assert (enrolment.state, enrolment.reason) == (EnrolmentState.FAILED, "wrong_hardware")
    assert enrolment.detail == (
        "It is not of the type 8 × H100: GPUs: 7 instead of 8; memory: 1024 GB instead of 2048 GB."
    )
    assert enrolment.differences == [
        {"part": "GPUs", "promised": "8", "found": "7"},
        {"part": "memory", "promised": "2048 GB", "found": "1024 GB"},
    ]
    seen = Inspection.objects.get(enrolment=enrolment)
    assert not seen.passed and seen.node is None and seen.inventory["memory_gb"] == 1024
    assert_nothing_is_left(enrolment)


def test_a_host_that_is_none_of_our_types_is_told_the_nearest(inspector: Scripted) -> None:
    factories.a_node_type("h100x4", gpus=4)
    inspector.without(gpus=a_whole(factories.a_node_type()).gpus[:7])
    enrolment = all_steps(ask(node_type=None))
    assert enrolment.detail == "It is none of our node types. The nearest is 8 × H100: GPUs: 7 instead of 8."


def test_a_host_that_is_too_slow_is_told_which_figure_was_missed(inspector: Scripted) -> None:
    Target.objects.create(node_type=factories.a_node_type(), measure=Measure.MATMUL, value=750)
    enrolment = all_steps(ask())
    assert (enrolment.state, enrolment.reason) == (EnrolmentState.FAILED, "too_slow")
    assert enrolment.detail == (
        "It is too slow for the type 8 × H100: matrix product, FP16 TFLOP/s (slowest GPU): "
        "700 TFLOP/s instead of at least 712.5 TFLOP/s."
    )
    assert Inspection.objects.get().measures["matmul"] == 700.0
    assert_nothing_is_left(enrolment)


def test_a_target_that_the_host_could_not_measure_is_missed(inspector: Scripted) -> None:
    Target.objects.create(node_type=factories.a_node_type(), measure=Measure.MATMUL, value=600)
    inspector.figures = {}
    assert "not measured" in all_steps(ask()).detail


def test_a_target_within_its_tolerance_is_reached(inspector: Scripted) -> None:
    Target.objects.create(node_type=factories.a_node_type(), measure=Measure.MATMUL, value=736)
    assert all_steps(ask()).state == EnrolmentState.PASSED


def test_a_gpu_that_breaks_in_the_burn_in_is_found(inspector: Scripted) -> None:
    enrolment = ask()
    one_step()
    one_step()
    gpus = a_whole(factories.a_node_type()).gpus
    inspector.without(gpus=(replace(gpus[0], ecc_uncorrected=1), *gpus[1:]))
    assert "GPU 0, uncorrected memory errors: 1 instead of 0" in all_steps(enrolment).detail


def test_without_a_price_for_what_it_turned_out_to_be_it_fails_and_says_what_to_give(inspector: Scripted) -> None:
    enrolment = all_steps(ask(node_type=None, micros_per_node_hour=None))
    assert (enrolment.state, enrolment.reason) == (EnrolmentState.FAILED, "no_price")
    assert enrolment.detail.startswith("There is no price yet for 8 × H100 in Macon")
    assert_nothing_is_left(enrolment)


def test_a_name_that_somebody_took_meanwhile_fails_at_the_end_and_leaves_nothing(inspector: Scripted) -> None:
    enrolment = ask()
    one_step()
    one_step()
    factories.a_pool(1, site=factories.a_site("valdosta"))
    Node.objects.update(name=enrolment.name)
    enrolment = all_steps(enrolment)
    assert (enrolment.state, enrolment.reason) == (EnrolmentState.FAILED, "taken")
    assert enrolment.detail.startswith("There is a node macon-h100x8-9001")
    assert Node.objects.count() == Pool.objects.count() == 1 and not Offer.objects.exists()


def test_credentials_that_cannot_be_unsealed_any_more_are_said_to_be_so(inspector: Scripted) -> None:
    enrolment = ask()
    Enrolment.objects.update(credentials="gAAAA-of-another-key")
    assert "Enter it again" in all_steps(enrolment).detail
