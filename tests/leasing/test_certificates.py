"""What a tenant who left can prove: what its certificate says, what is signed, and what is no certificate."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.cache import cache

from accounts.clock import now
from accounts.models import Organization
from config.environment import keypair
from leasing import certificates, operations
from leasing.certificates import KeyMissing, NoCertificate, NotGenuine, public_keys, verify
from leasing.certificates.signing import canonical
from leasing.models import Lease, Machine
from leasing.provisioners.fake import World
from tests import factories
from tests.accounts.cast import a_browser, a_client, a_token
from tests.factories import DAY, HOUR, NOON
from tests.leasing import stages
from tests.leasing.conftest import active, work_all
from tests.leasing.wipes import CHECKS, DEVICES, METHOD, as_if_simulated, files, text_of, wipe, wiped

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_rate_limits() -> None:
    cache.clear()


@pytest.fixture
def lease(acme: Organization, world: World) -> Lease:
    return wiped(acme)


@pytest.fixture
def signed(lease: Lease) -> bytes:
    return files(lease)[0]


def test_a_certificate_says_what_the_records_say_and_nothing_else(acme: Organization, lease: Lease) -> None:
    content = certificates.document_of(lease).content
    machine = lease.machines.get()
    assert (content["kind"], content["format"]) == ("wipe certificate", "gridlease-wipe/1")
    assert content["organization"] == {"id": acme.public_id, "name": "Acme Robotics"}
    assert content["lease"]["id"] == lease.public_id
    assert content["lease"]["began_at"] == "2026-03-02T12:00:00.000000Z"
    assert content["lease"]["ended_at"] == "2026-03-02T13:00:00.000000Z"
    (shown,) = content["machines"]
    assert (shown["node"]["name"], shown["proven"]) == (machine.node.name, True)
    assert shown["access_ended_at"] == "2026-03-02T13:00:00.000000Z"
    (one,) = shown["wipes"]
    assert (one["method"], one["checks"], one["devices"], one["verified"]) == (METHOD, CHECKS, DEVICES, True)
    assert (one["started_at"], one["completed_at"]) == ("2026-03-02T13:00:00.000000Z", "2026-03-02T13:01:00.000000Z")
    assert content["as_of"] == one["completed_at"]


def test_what_was_looked_for_is_named_in_words() -> None:
    assert [certificates.check_words(name) for name in ("host_key", "canary_home", "files")] == [
        "SSH host key",
        "canary home",
        "files",
    ]


def test_a_certificate_for_simulated_nodes_says_so_wherever_it_goes(acme: Organization, world: World) -> None:
    lease = wiped(acme)
    real = json.loads(files(lease)[0])["certificate"]
    assert (real["simulated"], "simulated" in " ".join(real["statement"])) == (False, False)
    as_if_simulated()
    signed, pdf = files(Lease.objects.get())
    said = json.loads(signed)["certificate"]
    assert (said["simulated"], "are simulated" in " ".join(said["statement"])) == (True, True)
    assert "The nodes of this lease are simulated" in text_of(pdf)


def test_a_wipe_without_serial_numbers_says_that_they_are_missing(acme: Organization, world: World) -> None:
    statement = certificates.document_of(wiped(acme, devices=[])).content["statement"]
    assert "Serial numbers of disks and GPUs were not recorded in every wipe." in statement


def test_one_part_is_not_called_many(acme: Organization, world: World) -> None:
    offer = factories.an_offer(factories.a_pool(node_type=factories.a_node_type("h100x1", gpus=1)))
    lease = active(acme, offer)
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    (shown,) = certificates.document_of(Lease.objects.get()).content["machines"]
    said = {check["name"]: check["detail"] for wipe in shown["wipes"] for check in wipe["checks"]}
    assert said["inventory"].startswith("1 disk and 1 GPU: ")


def test_what_was_not_done_is_said(lease: Lease) -> None:
    assert "Not done: firmware" in " ".join(certificates.document_of(lease).content["statement"])


def test_while_a_node_is_not_proven_clean_there_is_a_report_and_no_certificate(
    acme: Organization, world: World
) -> None:
    lease = wiped(acme, verified=False)
    signed, pdf = files(lease)
    envelope = json.loads(signed)
    assert set(envelope) == {"report", "signature"}
    assert (envelope["report"]["kind"], envelope["report"]["machines"][0]["proven"]) == ("wipe report", False)
    words = text_of(pdf)
    assert "Wipe report" in words and "Not proven: 0 of 1 node proven clean" in words and "FAILED" in words
    assert "ertificate for lease" not in words and "Proven clean" not in words


def test_another_wipe_makes_a_certificate_of_a_report_and_keeps_what_failed(acme: Organization, world: World) -> None:
    lease = wiped(acme, verified=False)
    operations.wipe_again(machine=lease.machines.get(), actor="user:us_staff", now=NOON + 2 * HOUR)
    wipe(lease.machines.get(), NOON + 2 * HOUR)
    content = certificates.document_of(Lease.objects.get()).content
    assert content["kind"] == "wipe certificate"
    assert [one["verified"] for one in content["machines"][0]["wipes"]] == [False, True]


def test_a_verified_wipe_from_before_the_access_ended_proves_nothing(lease: Lease) -> None:
    Machine.objects.update(access_ended_at=NOON + DAY)
    assert certificates.document_of(Lease.objects.get()).content["kind"] == "wipe report"


@pytest.mark.parametrize("stage", ["active", "reclaiming", "cancelled", "scheduled"])
def test_before_the_last_wipe_there_is_neither(acme: Organization, world: World, stage: str) -> None:
    lease = stages.STAGES[stage](acme, now())
    with pytest.raises(NoCertificate):
        certificates.document_of(lease)
    browser = a_browser(acme.members.get())
    answer = browser.get(f"/leases/{lease.public_id}/wipe-certificate.pdf", follow=True)
    assert answer.redirect_chain == [(f"/leases/{lease.public_id}/", 302)]
    assert "wiped" in answer.content.decode()


def test_the_same_records_give_the_same_bytes_at_any_time(lease: Lease) -> None:
    assert files(lease) == files(Lease.objects.get())


def test_a_signed_file_is_genuine(signed: bytes, lease: Lease) -> None:
    found = verify(signed, keys=public_keys())
    assert found["certificate"]["lease"]["id"] == lease.public_id
    assert verify(signed + b"\n", keys=public_keys()) == found, "editors end a file with a new line"


def test_not_a_byte_can_be_changed(signed: bytes) -> None:
    keys, passed = public_keys(), []
    for place in range(len(signed)):
        forged = signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :]
        try:
            verify(forged, keys=keys)
        except NotGenuine:
            continue
        passed.append((place, forged[max(0, place - 10) : place + 10]))
    assert passed == []


FORGERIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a result": (lambda f: f["certificate"]["machines"][0].update(proven=False), "was changed after it was signed"),
    "a report": (
        lambda f: f.update(report=f.pop("certificate")),
        "calls itself a report, but what was signed is a wipe certificate",
    ),
    "no signature": (lambda f: f.pop("signature"), "no certificate and signature"),
    "another algorithm": (lambda f: f["signature"].update(algorithm="none"), "not signed with Ed25519"),
    "another key": (lambda f: f["signature"].update(key_id="SHA256:mine"), "none of ours"),
    "an empty signature": (lambda f: f["signature"].update(value=""), "was changed after it was signed"),
    "no value": (lambda f: f["signature"].pop("value"), "was changed after it was signed"),
    "something added": (lambda f: f.update(note="paid"), "no certificate and signature"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_is_wrong_is_told(signed: bytes, forgery: str) -> None:
    forge, words = FORGERIES[forgery]
    found = json.loads(signed)
    forge(found)
    with pytest.raises(NotGenuine, match=words):
        verify(canonical(found), keys=public_keys())


def test_a_file_that_was_written_anew_is_told_apart_from_one_that_was_changed(signed: bytes) -> None:
    pretty = json.dumps(json.loads(signed), indent=2).encode()
    with pytest.raises(NotGenuine, match=r"written anew after it was signed\. Use the file as it was downloaded"):
        verify(pretty, keys=public_keys())
    found = json.loads(signed)
    found["signature"]["value"] = found["signature"]["value"].replace("==", "=")
    for nothing in (
        canonical(found),
        b"",
        b"[]",
        b"%PDF-1.4",
        b'{"certificate":"\\ud800","signature":{}}',
        b"[" * 10_000,
    ):
        with pytest.raises(NotGenuine):
            verify(nothing, keys=public_keys())


def test_a_signature_of_a_key_that_was_replaced_stays_good(
    signed: bytes, settings: LazySettings, tmp_path: Path
) -> None:
    former, settings.CERTIFICATE_KEY = settings.CERTIFICATE_KEY, str(tmp_path / "new")
    keypair(tmp_path / "new")
    with pytest.raises(NotGenuine, match="none of ours"):
        verify(signed, keys=public_keys())
    with (tmp_path / "new.pub").open("a") as published:
        published.write(Path(f"{former}.pub").read_text())
    assert verify(signed, keys=public_keys())
    assert files(Lease.objects.get())[0] != signed, "new ones are signed with the new key"


def test_without_a_key_everybody_is_told_so_and_nothing_is_signed(
    acme: Organization, lease: Lease, settings: LazySettings, tmp_path: Path
) -> None:
    settings.CERTIFICATE_KEY = str(tmp_path / "none")
    with pytest.raises(KeyMissing, match=r"docs/operations\.md says how"):
        certificates.json_file(certificates.document_of(lease))
    api, owner = a_client(a_token(acme, acme.members.get())), a_browser(acme.members.get())
    for address in (f"leases/{lease.public_id}/wipe-certificate.pdf", "certificate-keys"):
        answer = api.get(f"/api/v1/{address}")
        assert (answer.status_code, answer.json()["code"]) == (503, "certificates_unavailable")
        assert str(tmp_path) not in answer.content.decode()
    page = owner.get(f"/leases/{lease.public_id}/wipe-certificate.json", follow=True)
    assert "Certificates cannot be signed at the moment" in page.content.decode()


@pytest.mark.parametrize("key", ["nonsense", "-----BEGIN OPENSSH PRIVATE KEY-----\n", "rsa"])
def test_a_key_of_the_wrong_kind_is_named(lease: Lease, settings: LazySettings, tmp_path: Path, key: str) -> None:
    path = tmp_path / "key"
    if key == "rsa":
        subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", path], check=True)
    else:
        path.write_text(key)
        Path(f"{path}.pub").write_text(key)
    settings.CERTIFICATE_KEY = str(path)
    with pytest.raises(KeyMissing, match="is no"):
        certificates.json_file(certificates.document_of(lease))
    with pytest.raises(KeyMissing, match="is no"):
        public_keys()
