"""A BMC as a real process, for any suite: `with running(tmp_path) as bmc: …` in a fixture."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
USER, PASSWORD = "root", "calvin"


@dataclass
class BMC:
    """A running controller; `address` ends in the fingerprint of its certificate, as a node's `bmc_address` may."""

    address: str
    state: Path
    process: subprocess.Popen[str]

    def behave(self, **behaviour: Any) -> None:
        """What goes wrong from now on (standins/redfish/board.py); without arguments, nothing."""
        fresh = self.state / "behaviour.new"
        fresh.write_text(json.dumps(behaviour))
        fresh.replace(self.state / "behaviour.json")

    def said(self) -> list[str]:
        """The resets that it was told since the last time this was asked."""
        path = self.state / "said"
        words = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return words

    def log(self) -> str:
        """Every request so far, with its status."""
        return (self.state / "log").read_text()

    def hang(self) -> None:
        """It keeps its port and answers no more."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """It goes on."""
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def running(state: Path, *, port: int = 0) -> Iterator[BMC]:
    """Start the process with its state in the directory, and end it with the block."""
    argv = [sys.executable, "-m", "standins.redfish", "--port", str(port), "--state", str(state)]
    state.mkdir(parents=True, exist_ok=True)
    log = state / "log"
    with log.open("a") as errors:
        process = subprocess.Popen(
            [*argv, "--user", USER, "--password", PASSWORD], cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert " at https" in line, log.read_text()
        yield BMC(line.rsplit(" ", 1)[1].strip(), state, process)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()
