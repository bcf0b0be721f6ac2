"""Leases that ended with wipe records such as a real host's, and the files that are made of them."""

from datetime import datetime
from io import BytesIO
from typing import Any

from pypdf import PdfReader

from accounts.models import Organization
from leasing import certificates, operations
from leasing.models import Lease, Machine
from marketplace.models import Pool, Provisioner
from tests.factories import HOUR, NOON
from tests.leasing import stages
from tests.leasing.conftest import work_all

DEVICES = [
    {"kind": "disk", "name": "nvme0n1 SAMSUNG MZQL23T8", "serial": "S64HNE0R500123", "size": "3840 GB"},
    {"kind": "gpu", "name": "NVIDIA H100 80GB HBM3", "serial": "GPU-6f3b1c1e-0b7e", "size": "81559 MiB"},
]
CHECKS = [
    {"name": "volume", "passed": True, "detail": "container, volumes and user are gone"},
    {"name": "canaries", "passed": True, "detail": "3 of 3 unreadable: start, middle, end"},
    {"name": "inventory", "passed": True, "detail": "1 disk and 1 GPU: none missing, none new, none read-only"},
]
METHOD = "scratch: LUKS2 volume, key destroyed; root file system: container removed"


def wiped(organization: Organization, *, nodes: int = 1, verified: bool = True, **record: Any) -> Lease:
    """A lease that ended with a wipe record of what a real host tells, on each of its nodes."""
    offer = stages.an_offer(NOON, nodes=nodes)
    lease = stages.ordered(organization, offer, NOON, nodes=nodes)
    work_all(offer, now=NOON)
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + HOUR)
    for machine in lease.machines.all():
        wipe(machine, NOON + HOUR, verified=verified, **record)
    return Lease.objects.get(pk=lease.pk)


def wipe(machine: Machine, at: datetime, *, verified: bool = True, **record: Any) -> None:
    Machine.objects.filter(pk=machine.pk).update(access_ended_at=at)
    machine = Machine.objects.select_related("node", "lease__offer__plan").get(pk=machine.pk)
    checks = [*CHECKS, {"name": "scratch", "passed": False, "detail": "a canary can still be read"}]
    terms = {"method": METHOD, "checks": CHECKS if verified else checks, "devices": DEVICES, **record}
    operations.record_wipe(machine=machine, verified=verified, started_at=at, completed_at=at + HOUR / 60, **terms)


def as_if_simulated() -> None:
    Pool.objects.update(provisioner=Provisioner.SANDBOX)


def text_of(pdf: bytes) -> str:
    """All words of all pages, white space collapsed."""
    return " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages).split())


def files(lease: Lease) -> tuple[bytes, bytes]:
    """The signed file and the PDF."""
    document = certificates.document_of(lease)
    return certificates.json_file(document).content, certificates.pdf_file(document).content
