"""A sandbox node host as a process of its own, with one node and one tenancy to be had on it."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasing.provisioners.base import Tenancy
from tests.hosts import Key, SandboxBench, make_key

LAST_EPOCH = 1000


@pytest.fixture
def ana(tmp_path: Path) -> Key:
    return make_key(tmp_path, "ana")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SandboxBench]:
    bench = SandboxBench(tmp_path, make_key(tmp_path, "operator"))
    yield bench
    bench.mend()
    assert bench.provisioner.wipe(bench.host, "mc_one", LAST_EPOCH).verified
    bench.kill(signal.SIGTERM)


@pytest.fixture
def tenancy(ana: Key) -> Tenancy:
    return Tenancy(machine_id="mc_one", epoch=5, ssh_keys=(ana.line,), image="any")
