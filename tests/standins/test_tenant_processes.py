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
    record = Record(machine="mc_tests", node="nd_tests", port=1, uid=UID, canary="")
    home = state.home(record.machine)
    home.mkdir(parents=True)
    for name in ("passwd", "group"):
        (home.parent / name).write_bytes(Path("/etc", name).read_bytes())
    assert asyncio.run(said(state, record, ["/usr/bin/id", "-u"])) == str(UID)


async def said(state: State, record: Record, argv: list[str]) -> str:
    child = await processes.spawn(state, record, argv, streams=(DEVNULL, PIPE, DEVNULL))
    output, _ = await child.communicate()
    return output.decode().strip()
