"""A tenant's processes on the sandbox node host: a user of their own, also where no private view can be given."""

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator
from pathlib import Path

import pytest

from standins.nodes import processes
from standins.nodes.state import Record, State

UID = 3_000_001


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    if os.geteuid() != 0:
        pytest.skip("Only root can give tenants users of their own.")
    opened = State(tmp_path)
    yield opened
    opened.lock.close()


@pytest.mark.parametrize("views", [True, False], ids=["with a private view", "without one, as in a container"])
def test_a_tenant_runs_as_a_user_of_its_own(state: State, monkeypatch: pytest.MonkeyPatch, *, views: bool) -> None:
    if views and not processes.private_views():
        pytest.skip("not applicable: this machine gives no private views")
    monkeypatch.setattr(processes, "private_views", lambda: views)
    assert asyncio.run(said(state, a_tenant(state), ["/usr/bin/id", "-u"])) == str(UID)


def test_a_customers_variables_never_reach_a_process_with_the_hosts_rights(state: State) -> None:
    """Before a tenant's rights are taken on, `mount` runs as root, found by PATH: here is one that tells on itself."""
    if not processes.private_views():
        pytest.skip("not applicable: without private views nothing runs as root before the tenant does")
    record = a_tenant(state)
    told = state.root / "told"
    bait = state.home(record.machine) / "mount"
    bait.write_text(f'#!/bin/sh\nid -u > {told}\nexec /usr/bin/mount "$@"\n')
    bait.chmod(0o755)
    state.environment(record.machine).write_text(f"export PATH={bait.parent}:/usr/bin:/bin\n")
    os.chown(state.environment(record.machine), UID, UID)
    assert asyncio.run(said(state, record, ["/bin/sh", "-c", "command -v mount"])) == str(bait)
    assert not told.exists()


def a_tenant(state: State) -> Record:
    """A tenancy with a home, as `furnish` makes it."""
    record = Record(machine="mc_tests", node="nd_tests", port=1, uid=UID, canary="")
    home = state.home(record.machine)
    home.mkdir(parents=True)
    for name in ("passwd", "group"):
        (home.parent / name).write_bytes(Path("/etc", name).read_bytes())
    return record


async def said(state: State, record: Record, argv: list[str]) -> str:
    child = await processes.spawn(state, record, argv, streams=(DEVNULL, PIPE, DEVNULL))
    output, _ = await child.communicate()
    return output.decode().strip()
