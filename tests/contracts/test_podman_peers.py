"""Two real hosts in a rack: tenants of one lease meet at the rendezvous port by name, and nobody else gets there."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from leasing.connecting import RENDEZVOUS_PORT
from leasing.provisioners.base import Endpoint, Tenancy
from standins.nodes.podman_host import podman_host, why_not
from tests.hosts import Key, PodmanBench, failed, live_session, make_key

LISTEN = f"echo up; exec nc -l -p {RENDEZVOUS_PORT}"


@dataclass(frozen=True)
class Rack:
    """Two benches with a machine of one lease on each, called train-1 and train-2."""

    first: PodmanBench
    second: PodmanBench
    endpoints: tuple[Endpoint, Endpoint]


@pytest.fixture(scope="module")
def rack(folder: Path, ana: Key) -> Iterator[Rack]:
    if why_not() and os.environ.get("CI") != "true":
        pytest.skip(why_not())
    with ExitStack() as stack:
        identity = Path(make_key(folder, "racks").path)
        first, second = (PodmanBench(folder, stack.enter_context(podman_host(identity=identity))) for _ in range(2))
        addresses = first.built.link(second.built)
        names = ("train-1", "train-2")
        tenancies = [
            Tenancy(
                machine_id=f"mc_rack{n}",
                epoch=5,
                ssh_keys=(ana.line,),
                image=bench.image,
                label=names[n],
                peers={names[1 - n]: addresses[1 - n]},
            )
            for n, bench in enumerate((first, second))
        ]
        endpoints = tuple(
            bench.provisioner.prepare(bench.host, tenancy)
            for bench, tenancy in zip((first, second), tenancies, strict=True)
        )
        yield Rack(first, second, (endpoints[0], endpoints[1]))
        for bench, tenancy in zip((first, second), tenancies, strict=True):
            proof = bench.provisioner.wipe(bench.host, tenancy.machine_id, 1000)
            assert proof.verified, failed(proof)
            assert "gridlease" not in bench.built.console("iptables -t raw -S").stdout.decode()


def test_a_machine_is_called_by_its_name(rack: Rack, ana: Key) -> None:
    assert rack.second.run(rack.endpoints[1], ana, "hostname") == "train-2\n"


def test_a_sibling_gets_to_the_rendezvous_port_by_name_and_nobody_else_does(rack: Rack, ana: Key) -> None:
    """The stranger is this machine, which does reach the host and the tenant's SSH."""
    with live_session(rack.second.command(rack.endpoints[1], ana, LISTEN)) as listening:
        stranger = ["busybox", "nc", "-w", "2", rack.second.built.address, str(RENDEZVOUS_PORT)]
        subprocess.run(stranger, input=b"hello from outside\n", capture_output=True, check=False, timeout=20)
        sibling = f"echo up; echo hello from 1 | nc -w 30 train-2 {RENDEZVOUS_PORT}"
        with live_session(rack.first.command(rack.endpoints[0], ana, sibling)):
            assert listening.stdout
            assert listening.stdout.readline() == "hello from 1\n"
