"""One node of each kind, a tenancy on it that is wiped afterwards, and two customers' keys."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from leasing.provisioners.base import Tenancy
from standins.nodes.podman_host import why_not
from tests.hosts import Bench, Key, OpenSSH, bench_of, failed, make_key

LAST_EPOCH = 9 * 2**32  # above any that a test uses: generation * 2**32 + epoch
numbers = count(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("provisioners")


@pytest.fixture(scope="module")
def ana(folder: Path) -> Key:
    return make_key(folder, "ana")


@pytest.fixture(scope="module")
def boris(folder: Path) -> Key:
    return make_key(folder, "boris")


@pytest.fixture(scope="module", params=["fake", "sandbox", "podman"])
def bench(request: pytest.FixtureRequest, folder: Path) -> Iterator[Bench]:
    if request.param == "podman" and why_not() and os.environ.get("CI") != "true":
        pytest.skip(why_not())
    place = folder / request.param
    place.mkdir()
    with bench_of(request.param, place, make_key(place, "operator")) as up:
        yield up


@pytest.fixture
def tenancy(bench: Bench, ana: Key) -> Iterator[Tenancy]:
    machine = f"mc_{bench.kind}{next(numbers)}"
    yield Tenancy(machine_id=machine, epoch=5, ssh_keys=(ana.line,), image=bench.image, label="training 1")
    proof = bench.provisioner.wipe(bench.host, machine, LAST_EPOCH)
    assert proof.verified, failed(proof)


@pytest.fixture
def customer(bench: Bench) -> OpenSSH:
    if not isinstance(bench, OpenSSH):
        pytest.skip("not applicable: a node in memory has no SSH server")
    return bench
