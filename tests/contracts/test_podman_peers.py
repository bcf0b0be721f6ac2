"""Two real hosts in a rack: the machines of one lease have a network to themselves, and nobody else gets into it."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from leasing.connecting import NETWORK
from leasing.provisioners.base import Endpoint, Peer, Tenancy
from standins.nodes.podman_host import podman_host, why_not
from tests.hosts import Key, PodmanBench, failed, live_session, make_key, wait_until

PORT = 41234  # any at all
VXLAN_PORT = 4789  # of the hosts: RFC 7348
MANY = 300_000  # bytes: more than fit into a packet
LISTEN = f"""
    tail -f /dev/null | nc -l -p {PORT} | wc -c &
    until cat /proc/net/tcp* | grep -q ':{PORT:04X} .* 0A '; do :; done
    echo up; wait
"""
# To the second machine: RFC 7348's header with the network's number, and a frame of a local kind (IEEE 802, 88-B5).
FORGED = bytes.fromhex("080000000000010002470ad5000202470ad5000188b5") + bytes(46)


@dataclass(frozen=True)
class Machine:
    """One of the lease, on a host of its own."""

    bench: PodmanBench
    tenancy: Tenancy
    endpoint: Endpoint
    key: Key

    def run(self, command: str) -> str:
        return self.bench.run(self.endpoint, self.key, command)

    def prepare(self, tenancy: Tenancy | None = None) -> None:
        self.bench.provisioner.prepare(self.bench.host, tenancy or self.tenancy)

    def gets_through_to(self, other: "Machine") -> bool:
        """Whether all that this one sends to a port of the other, by its name, arrives there."""
        with live_session(other.bench.command(other.endpoint, self.key, LISTEN)) as listening:
            self.run(f"head -c {MANY} /dev/zero | nc -w 2 {other.tenancy.label} {PORT} || true")
            other.run(f"nc -w 2 localhost {PORT} </dev/null || true")  # or it would wait for ever where nothing came
            assert listening.stdout
            return int(listening.stdout.readline()) == MANY

    @property
    def frames(self) -> int:
        """How many have come in from the lease's network."""
        return int(self.run(f"cat /sys/class/net/{NETWORK}/statistics/rx_packets"))


@pytest.fixture(scope="module")
def rack(folder: Path, ana: Key) -> Iterator[tuple[Machine, Machine]]:
    if why_not() and os.environ.get("CI") != "true":
        pytest.skip(why_not())
    with ExitStack() as stack:
        identity = Path(make_key(folder, "racks").path)
        benches = [PodmanBench(folder, stack.enter_context(podman_host(identity=identity))) for _ in range(2)]
        addresses = benches[0].built.link(benches[1].built)
        first, second = (_machine(bench, n, addresses[1 - n], ana) for n, bench in enumerate(benches))
        yield first, second
        for machine in (first, second):
            proof = machine.bench.provisioner.wipe(machine.bench.host, machine.tenancy.machine_id, 1000)
            assert proof.verified, failed(proof)
            left = machine.bench.built.console("iptables -t raw -S; ip link").stdout.decode()
            assert "gridlease" not in left
            assert NETWORK not in left


def _machine(bench: PodmanBench, number: int, sibling: str, ana: Key) -> Machine:
    tenancy = Tenancy(
        machine_id=f"mc_rack{number}",
        epoch=5,
        ssh_keys=(ana.line,),
        image=bench.image,
        label=f"train-{number + 1}",
        number=number + 1,
        peers={f"train-{2 - number}": Peer(2 - number, sibling)},
    )
    return Machine(bench, tenancy, bench.provisioner.prepare(bench.host, tenancy), ana)


Rack = tuple[Machine, Machine]


def test_a_machine_is_called_by_its_name(rack: Rack) -> None:
    assert rack[1].run("hostname") == "train-2\n"
    assert rack[1].bench.leads_to(rack[1].endpoint, rack[1].key, "train-2") == "10.213.0.2"


def test_siblings_reach_every_port_of_each_other_by_name(rack: Rack) -> None:
    first, second = rack
    assert first.gets_through_to(second)
    assert second.gets_through_to(first)
    assert first.run(f"cat /sys/class/net/{NETWORK}/mtu") == "1450\n"
    for machine in rack:
        assert machine.bench.provisioner.check(machine.bench.host, machine.tenancy).passed


def test_what_a_stranger_sends_into_the_network_is_dropped(rack: Rack) -> None:
    """This machine reaches the host, and the tenant's SSH. The sibling's host shows that the same frame would count."""
    first, second = rack
    before = second.frames
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(FORGED, (second.bench.built.address, VXLAN_PORT))
    at = first.tenancy.peers["train-2"].address
    first.bench.built.console(f"bash -c 'cat >/dev/udp/{at}/{VXLAN_PORT}'", stdin=FORGED)
    wait_until(lambda: second.frames > before)
    assert second.frames == before + 1


def test_a_machine_is_found_again_on_the_host_that_it_moved_to(rack: Rack) -> None:
    first, second = rack
    first.prepare(replace(first.tenancy, peers={"train-2": Peer(2, "192.0.2.9")}))
    assert not first.gets_through_to(second)
    first.prepare()
    assert first.gets_through_to(second)


def test_a_machine_that_was_started_again_is_in_the_network_again(rack: Rack) -> None:
    first, second = rack
    second.bench.provisioner.service(second.bench.host, second.tenancy, "power_cycle")
    assert first.gets_through_to(second)
    assert second.gets_through_to(first)


def test_a_machine_without_siblings_any_more_reaches_none(rack: Rack) -> None:
    first, second = rack
    first.prepare(replace(first.tenancy, peers={"train-3": Peer(3, "192.0.2.9")}))
    assert first.bench.leads_to(first.endpoint, first.key, "train-2") == ""
    first.prepare()
    assert first.gets_through_to(second)
