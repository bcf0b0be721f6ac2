"""
The certificate as plain values, made from wipe records alone: the same records give the same document, at any time.

It is a certificate only if every machine that was used is proven clean; else it is a report, and says so everywhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leasing.models import Lease, Machine, WipeRecord
from leasing.queries import wipe_records
from leasing.states import LEASE_OVER, MACHINE_AT_REST, LeaseState, MachineState

FORMAT = "gridlease-wipe/1"
CERTIFICATE, REPORT = "wipe certificate", "wipe report"
BEGAN, ENDED = {LeaseState.PROVISIONING}, {LeaseState.RECLAIMING, LeaseState.FAILED}

PROVEN = (
    "Every node that was used for this lease was wiped after its tenant's access had ended, and every check after its "
    "last wipe passed."
)
NOT_PROVEN = (
    "This is a report and not a certificate: at least one node is not proven clean. Such a node is out of stock, and "
    "nobody gets it before another wipe of it is verified."
)
DONE = "What was done is what the method of each wipe says, and what was looked at afterwards is what its checks say."
NOT_DONE = (
    "Not done: firmware of boards, their controllers, disks, GPUs and network cards was not written anew. Copies that "
    "the tenant made or sent elsewhere were not touched."
)
SIMULATED = (
    "The nodes of this lease are simulated: no GPU and no disk of their own stands behind them. Wiped were the files "
    "and processes of each simulated node on the host that plays it. Serial numbers, where there are any, are made up."
)
NO_SERIALS = "Serial numbers of disks and GPUs were not recorded in every wipe."


class NoCertificate(Exception):
    """There is none (yet): the sentence says why. `code` and `title` are for the API."""

    def __init__(self, code: str, title: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.title, self.detail = code, title, detail


def check_words(name: str) -> str:
    """What was looked for, in words: "host_key" -> "SSH host key", "canary_home" -> "canary home"."""
    return "SSH host key" if name == "host_key" else name.replace("_", " ")


@dataclass(frozen=True)
class Document:
    """`content` is what is signed."""

    content: dict[str, Any]

    @property
    def proven(self) -> bool:
        """Whether it is a certificate."""
        return bool(self.content["kind"] == CERTIFICATE)

    @property
    def part(self) -> str:
        """The word under which its signed file holds it."""
        return "certificate" if self.proven else "report"

    @property
    def name(self) -> str:
        """Its files' name, without what follows the dot: "wipe-certificate-ls_…"."""
        return f"{self.content['kind'].replace(' ', '-')}-{self.content['lease']['id']}"


def document_of(lease: Lease) -> Document:
    """
    The lease's certificate, or report, with every wipe of its machines so far.

    :raises NoCertificate: while a machine is still being wiped, or if there was nothing to wipe
    """
    records = list(wipe_records(lease))
    if missing := why_missing(lease, records):
        raise missing
    machines = [_machine(machine, records) for machine in _used(lease)]
    proven = all(machine["proven"] for machine in machines)
    offer, pool = lease.offer, lease.offer.pool
    content = {
        "format": FORMAT,
        "issuer": "Gridlease",
        "kind": CERTIFICATE if proven else REPORT,
        "as_of": _time(max(record.completed_at for record in records)),
        "lease": {"id": lease.public_id, "began_at": _when(lease, BEGAN), "ended_at": _when(lease, ENDED)},
        "organization": {"id": lease.organization.public_id, "name": lease.organization.name},
        "site": {"id": pool.site.slug, "name": pool.site.name, "place": pool.site.place},
        "node_type": {"id": pool.node_type.slug, "name": pool.node_type.name},
        "simulated": offer.pool.simulated,
        "machines": machines,
    }
    return Document({**content, "statement": list(_statement(content))})


def why_missing(lease: Lease, records: Sequence[WipeRecord]) -> NoCertificate | None:
    """Why there is neither a certificate nor a report; None once there is one."""
    used = _used(lease)
    if lease.state in LEASE_OVER and not used:
        detail = "No node was ever prepared for this lease: nothing had to be wiped."
        return NoCertificate("nothing_to_wipe", "Nothing to wipe", detail)
    if lease.state not in {*LEASE_OVER, LeaseState.RECLAIMING}:
        detail = "The lease is not over. Its nodes are wiped after it ends, and the certificate follows."
    elif not records or any(machine.state not in MACHINE_AT_REST for machine in used):
        detail = (
            "The nodes are being wiped now. Ask again in a few seconds; the lease's `machines` say how far they are."
        )
    else:
        return None
    return NoCertificate("not_wiped_yet", "Not wiped yet", detail)


def _used(lease: Lease) -> list[Machine]:
    """The machines on whose nodes something of the tenant may have been."""
    return [machine for machine in lease.machines.all() if machine.touched_at]


def _machine(machine: Machine, records: Sequence[WipeRecord]) -> dict[str, Any]:
    wipes = [record for record in records if record.machine_id == machine.pk]
    ended = machine.access_ended_at
    clean = any(wipe.verified and ended is not None and wipe.started_at >= ended for wipe in wipes)
    return {
        "id": machine.public_id,
        "node": {"id": machine.node.public_id, "name": machine.node.name},
        "used_from": _time(machine.touched_at),
        "access_ended_at": _time(ended),
        "proven": machine.state == MachineState.WIPED and clean,
        "wipes": [_wipe(wipe) for wipe in wipes],
    }


def _wipe(wipe: WipeRecord) -> dict[str, Any]:
    return {
        "id": wipe.public_id,
        "started_at": _time(wipe.started_at),
        "completed_at": _time(wipe.completed_at),
        "method": wipe.method,
        "checks": wipe.checks,
        "devices": wipe.devices,
        "verified": wipe.verified,
    }


def _statement(content: dict[str, Any]) -> Iterator[str]:
    """What it means, in plain words."""
    yield PROVEN if content["kind"] == CERTIFICATE else NOT_PROVEN
    yield DONE
    yield NOT_DONE
    if content["simulated"]:
        yield SIMULATED
    if not all(wipe["devices"] for machine in content["machines"] for wipe in machine["wipes"]):
        yield NO_SERIALS


def _when(lease: Lease, states: set[LeaseState]) -> str | None:
    """When the lease first came into one of the states."""
    return next((_time(row.at) for row in lease.transitions.all() if row.new in states), None)


def _time(moment: datetime | None) -> str | None:
    """UTC with microseconds, so that "later than" can be read from it: "2026-03-02T12:00:00.000000Z"."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z" if moment else None
