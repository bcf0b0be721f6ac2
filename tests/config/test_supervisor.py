"""The supervisor, watched from outside: a process of its own with three small parts."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


class Running:
    """The supervisor's process, and what it has said so far."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "said"
        with self.file.open("wb") as output:
            command = [sys.executable, "-m", "tests.config.supervised", str(directory)]
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    @property
    def said(self) -> str:
        return self.file.read_text()

    def pid(self, part: str) -> int:
        return int((self.directory / part).read_text())

    def says(self, text: str, times: int = 1) -> "Running":
        wait(lambda: self.said.count(text) >= times, f"{text!r} {times} times in:\n{self.said}")
        return self


def wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running.says("everything is ready")
    running.process.kill()
    running.process.wait()


def test_parts_start_when_those_they_need_are_ready(system: Running) -> None:
    order = [system.said.index(text) for text in ("base started", "prepared", "top started", "everything is ready")]
    assert order == sorted(order)


def test_a_part_that_crashes_is_shown_and_started_again(system: Running) -> None:
    crashed = system.pid("top")
    os.kill(crashed, signal.SIGKILL)
    system.says("top ended (killed by SIGKILL); starting it again").says("top started", times=2)
    assert system.process.poll() is None


def test_ctrl_c_stops_what_needs_others_before_the_others(system: Running) -> None:
    top, base = system.pid("top"), system.pid("base")
    system.process.send_signal(signal.SIGINT)
    assert system.process.wait(20) == 0
    assert gone(top)
    assert gone(base)
    assert system.said.rstrip().endswith("Stopped.")
    assert "no longer ready" in system.said


def test_nothing_outlives_a_supervisor_that_is_killed(system: Running) -> None:
    parts = [system.pid("top"), system.pid("base")]
    system.process.kill()
    system.process.wait()
    wait(lambda: all(gone(pid) for pid in parts), "a part still runs")


def test_each_part_has_a_log_file_of_its_own(system: Running) -> None:
    assert (system.directory / "log" / "base.log").read_text() == "base started\n"
