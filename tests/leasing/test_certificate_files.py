"""A certificate as it is downloaded, read, printed and checked: on the page, through the API, without us."""

import base64
import hashlib
import json
import shutil
import subprocess
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client as Browser
from pypdf import PdfReader
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Membership, Organization, Role
from config.environment import keypair
from leasing.certificates import public_keys
from leasing.models import Lease
from leasing.provisioners.fake import World
from tests import factories
from tests.accounts.cast import a_browser, a_client, a_token
from tests.leasing import stages
from tests.leasing.wipes import METHOD, files, text_of, wiped

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


def verified(path: Path, **options: str) -> str:
    out = StringIO()
    call_command("verify_certificate", str(path), stdout=out, **options)
    return out.getvalue()


def test_the_command_checks_a_file_without_the_database(
    signed: bytes, lease: Lease, tmp_path: Path, django_assert_num_queries: Any
) -> None:
    node, own = lease.machines.get().node.name, public_keys()[0]
    path = tmp_path / "certificate.json"
    path.write_bytes(signed)
    with django_assert_num_queries(0):
        said = verified(path)
    assert said.startswith("Genuine.") and lease.public_id in said and node in said and own.id in said
    assert verified(path, key=own.openssh) == said
    stranger = keypair(tmp_path / "stranger")
    with pytest.raises(CommandError, match="none of ours"):
        verified(path, key=stranger)
    path.write_bytes(signed.replace(b'"passed":true', b'"passed":null', 1))
    with pytest.raises(CommandError, match="was changed after it was signed"):
        verified(path)
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        verified(tmp_path / "nowhere.json")


def test_the_command_takes_no_report_for_a_certificate(acme: Organization, world: World, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(files(wiped(acme, verified=False))[0])
    with pytest.raises(CommandError, match="signature is ours, but this is a report and no certificate"):
        verified(path)


@pytest.mark.skipif(not (shutil.which("jq") and shutil.which("openssl")), reason="needs jq and openssl")
def test_it_can_be_checked_without_us_as_the_pdf_says(lease: Lease, signed: bytes, tmp_path: Path) -> None:
    words = text_of(files(lease)[1])
    commands = words[words.index("jq -jcS") : words.index("-sigfile signature")] + "-sigfile signature"
    (tmp_path / f"wipe-certificate-{lease.public_id}.json").write_bytes(signed)
    key = APIClient().get("/api/v1/certificate-keys").json()["keys"][0]
    (tmp_path / "key.pem").write_text(key["pem"])
    script = commands.replace(" jq -r", "; jq -r").replace(" openssl", "; openssl")
    done = subprocess.run(["sh", "-ec", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "Signature Verified Successfully"), done.stderr + script


def test_the_pdf_is_text_that_says_all_and_names_the_signed_file(lease: Lease, acme: Organization) -> None:
    signed, pdf = files(lease)
    reader, words = PdfReader(BytesIO(pdf)), text_of(pdf)
    assert reader.metadata is not None
    assert reader.metadata.title == f"Wipe certificate for lease {lease.public_id}"
    for expected in (
        f"Lease {lease.public_id} of Acme Robotics",
        "Proven clean: 1 node",
        METHOD,
        "S64HNE0R500123",
        "GPU-6f3b1c1e-0b7e",
        "3 of 3 unreadable: start, middle, end",
        "2026-03-02 13:01:00 UTC",
        "Page 1 of",
        public_keys()[0].id,
    ):
        assert expected in words, expected
    assert hashlib.sha256(signed).hexdigest() in words.replace(" ", "")


def test_many_nodes_fill_many_pages_each_with_its_number(acme: Organization, world: World) -> None:
    lease = wiped(acme, nodes=12)
    pages = [page.extract_text() for page in PdfReader(BytesIO(files(lease)[1])).pages]
    assert len(pages) > 3
    for number, page in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in page and "Gridlease" in page
    assert all(machine.node.name in " ".join(pages) for machine in lease.machines.all())


def test_words_that_are_long_foreign_or_markup_break_no_page(acme: Organization, world: World) -> None:
    acme.name = "<b>Łódź & 株式会社</b> " + "x" * 80
    acme.save()
    checks = [{"name": "a" * 200, "passed": True, "detail": "<para>" + "word " * 3000}]
    words = text_of(files(wiped(acme, checks=checks))[1])
    assert "<b>?ód? & ????</b>" in words
    assert "(the rest is in the signed file)" in words and "Page 2 of" in words


def test_a_tenant_downloads_both_files_on_the_page_long_after(acme: Organization, lease: Lease) -> None:
    finance = factories.a_user()
    Membership.objects.create(organization=acme, user=finance, role=Role.FINANCE)
    browser: Browser = a_browser(finance)
    page = browser.get(f"/leases/{lease.public_id}/").content.decode()
    for kind, content_type, begins in (("json", "application/json", b"{"), ("pdf", "application/pdf", b"%PDF-")):
        address = f"/leases/{lease.public_id}/wipe-certificate.{kind}"
        assert f'href="{address}"' in page
        answer = browser.get(address)
        assert answer.status_code == 200 and answer.content.startswith(begins)
        assert answer.headers["Content-Type"] == content_type
        name = f"wipe-certificate-{lease.public_id}.{kind}"
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert "Certificate (PDF)" in page and "S64HNE0R500123" in page


def test_a_page_of_a_failed_wipe_offers_a_report(acme: Organization, world: World) -> None:
    page = a_browser(acme.members.get()).get(f"/leases/{wiped(acme, verified=False).public_id}/").content.decode()
    assert "Report (PDF)" in page and "Certificate (PDF)" not in page


@pytest.mark.parametrize("accept", ["*/*", "application/pdf", "text/html"])
def test_the_api_gives_the_same_files(acme: Organization, lease: Lease, accept: str) -> None:
    api = a_client(a_token(acme, acme.members.get(), "lease:read"))
    signed, pdf = files(lease)
    for kind, content in (("json", signed), ("pdf", pdf)):
        answer = api.get(f"/api/v1/leases/{lease.public_id}/wipe-certificate.{kind}", headers={"Accept": accept})
        assert (answer.status_code, answer.content) == (200, content)
    running = stages.active(acme, now())
    answer = api.get(f"/api/v1/leases/{running.public_id}/wipe-certificate.pdf", headers={"Accept": accept})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_wiped_yet")
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_another_organizations_certificate_is_as_if_it_were_not_there(lease: Lease) -> None:
    stranger = factories.an_organization("Stranger Ltd")
    api, browser = a_client(a_token(stranger, stranger.members.get())), a_browser(stranger.members.get())
    for kind in ("", ".json", ".pdf"):
        for one in (lease.public_id, "ls_0000000000000000000000"):
            assert api.get(f"/api/v1/leases/{one}/wipe-certificate{kind}").json()["code"] == "not_found"
            if kind:
                assert browser.get(f"/leases/{one}/wipe-certificate{kind}").status_code == 404


def test_the_keys_are_public_and_those_that_signed(signed: bytes) -> None:
    (key,) = APIClient().get("/api/v1/certificate-keys").json()["keys"]
    assert key["key_id"] == json.loads(signed)["signature"]["key_id"]
    assert (key["algorithm"], key["openssh"].split()[0]) == ("Ed25519", "ssh-ed25519")
    listed = subprocess.run(
        ["ssh-keygen", "-lf", "-"], input=key["openssh"], capture_output=True, text=True, check=True
    )
    assert listed.stdout.split()[1] == key["key_id"], "the fingerprint is the one that ssh-keygen shows"
    assert len(base64.b64decode(json.loads(signed)["signature"]["value"])) == 64
