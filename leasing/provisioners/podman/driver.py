"""The podman provisioner's verbs, as commands to the node."""

import re
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import cast

from leasing.provisioners.base import (
    Check,
    Endpoint,
    FactValue,
    Health,
    Host,
    HostUnfit,
    Observation,
    ProvisionerError,
    Service,
    Tenancy,
    WipeProof,
)
from leasing.provisioners.podman.command import Answer, command
from leasing.provisioners.reach import tenant_path_answers

PREPARE_SECONDS = 900.0  # an image may have to be fetched
COMMAND_SECONDS = 60.0
WIPE_SECONDS = 1800.0  # a node that cannot encrypt overwrites every block
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PRIVATE = ip_network("10.213.0.0/16")  # of each lease: its machines by their numbers, and nobody else


class Podman:
    """Speaks to nodes over SSH. Holds no state of its own."""

    def prepare(self, host: Host, tenancy: Tenancy) -> Endpoint:
        """See Provisioner."""
        return _endpoint(host, _send(host, tenancy, "prepare", timeout=PREPARE_SECONDS))

    def check(self, host: Host, tenancy: Tenancy) -> Health:
        """See Provisioner."""
        return Health(_checks(_send(host, tenancy, "check")))

    def reach(self, endpoint: Endpoint, *, timeout: float = 10.0) -> None:
        """See Provisioner."""
        tenant_path_answers(endpoint, timeout=timeout)

    def pause(self, host: Host, tenancy: Tenancy) -> None:
        """See Provisioner."""
        _send(host, tenancy, "pause")

    def resume(self, host: Host, tenancy: Tenancy) -> Endpoint:
        """See Provisioner."""
        return _endpoint(host, _send(host, tenancy, "resume", timeout=PREPARE_SECONDS))

    def revoke(self, host: Host, machine_id: str, epoch: int) -> None:
        """See Provisioner."""
        command(host, "revoke", machine_id, timeout=COMMAND_SECONDS, epoch=str(epoch))

    def wipe(self, host: Host, machine_id: str, epoch: int) -> WipeProof:
        """See Provisioner."""
        started = datetime.now(UTC)
        answer = command(host, "wipe", machine_id, timeout=WIPE_SECONDS, epoch=str(epoch))
        method = next((line[1] for line in answer if line[0] == "method"), "the node named none")
        return WipeProof(method, _checks(answer), started, datetime.now(UTC))

    def observe(self, host: Host, machine_id: str) -> Observation:
        """See Provisioner."""
        answer = command(host, "observe", machine_id, timeout=COMMAND_SECONDS)
        return cast(Observation, _line(host, answer, "state")[1])

    def service(self, host: Host, tenancy: Tenancy, what: Service) -> Endpoint:
        """See Provisioner. Raises HostUnfit, and the tenancy runs again, where the driver refuses to reset the GPUs."""
        return _endpoint(host, _send(host, tenancy, "service", timeout=PREPARE_SECONDS + WIPE_SECONDS, what=what))


def _send(host: Host, tenancy: Tenancy, verb: str, *, timeout: float = COMMAND_SECONDS, **more: str) -> Answer:
    """The verb with all that the node needs to know of the tenancy, and what the node type promises."""
    keys = sorted({" ".join(line.split()[:2]) for line in tenancy.ssh_keys})
    return command(
        host,
        verb,
        tenancy.machine_id,
        timeout=timeout,
        epoch=str(tenancy.epoch),
        keys="".join(f"{key}\n" for key in keys),
        image=tenancy.image,
        digest=tenancy.image_digest,
        startup=tenancy.script,
        environment=_environment(tenancy),
        interruption=tenancy.interruption,
        private=f"{PRIVATE[tenancy.number]}/{PRIVATE.prefixlen}",
        peers="".join(f"{peer.address} {PRIVATE[peer.number]} {name}\n" for name, peer in tenancy.peers.items()),
        seconds_left="" if tenancy.seconds_left is None else str(tenancy.seconds_left),
        hostname=re.sub(r"[^a-z0-9]+", "-", (tenancy.label or tenancy.machine_id).lower()).strip("-")[:60] or "machine",
        gpus=_whole(host.facts.get("gpu_count")),
        vcpus=_whole(host.facts.get("vcpus")),
        memory_mib=_whole(host.facts.get("memory_gb"), of=1024),
        nvme_mib=_whole(host.facts.get("nvme_gb"), of=1024),
        **more,
    )


def _environment(tenancy: Tenancy) -> str:
    """A line for each variable, as sshd reads it: the value begins after the first "=" and ends with the line."""
    for name, value in tenancy.environment.items():
        if not VARIABLE.fullmatch(name):
            raise HostUnfit(
                f"{name!r} is not a variable's name; use letters, digits and _, not beginning with a digit."
            )
        if "\n" in value or "\0" in value:
            raise HostUnfit(f"Variable {name} holds a line break, which an SSH session cannot be given; encode it.")
    return "".join(f"{name}={value}\n" for name, value in sorted(tenancy.environment.items()))


def _whole(fact: FactValue, *, of: int = 1) -> str:
    """The fact in smaller units as a whole number; "0" when it is not known."""
    return str(int(float(fact or 0) * of))


def _endpoint(host: Host, answer: Answer) -> Endpoint:
    _, port, host_key = _line(host, answer, "endpoint")
    return Endpoint(host=host.address, port=int(port), user="root", host_key=host_key)


def _checks(answer: Answer) -> tuple[Check, ...]:
    return tuple(Check(line[1], line[2] == "yes", line[3]) for line in answer if line[0] == "check")


def _line(host: Host, answer: Answer, tag: str) -> list[str]:
    """The answer's line that begins with `tag`."""
    for line in answer:
        if line[0] == tag:
            return line
    raise ProvisionerError(f"Node {host.node_id} answered without {tag!r}.")
