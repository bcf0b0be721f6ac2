"""A real host for the trial: built on this machine, brought into stock as staff would, and taken down after."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from config.part import Trouble, die_with_parent
from config.trial.api import Wrong

NAME = "trial-host"
SITE, NODE_TYPE = "sandersville", "trial-2x24"


@contextmanager
def real_host() -> Iterator[None]:
    """A podman host in stock while the block runs. Raises Trouble when this machine cannot play one."""
    if os.geteuid() != 0:
        raise Trouble("A real host needs root: run sudo ./run trial --provisioner podman, or leave the option out.")
    argv = [sys.executable, "-m", "standins.nodes.podman_host", "--identity", os.environ["OPERATOR_KEY"]]
    builder = subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509  we have one thread
    )
    try:
        _enrol(_host(builder))
        yield
    finally:
        _manage("retire_node", NAME, check=False)
        builder.terminate()
        builder.wait(30)


def _host(builder: subprocess.Popen[str]) -> dict[str, Any]:
    """What the builder says about the host once it is up."""
    assert builder.stdout and builder.stderr
    line = builder.stdout.readline()
    if not line:
        raise Trouble(builder.stderr.read().strip().splitlines()[-1])
    host: dict[str, Any] = json.loads(line)
    return host


def _enrol(host: dict[str, Any]) -> None:
    address = ["--address", host["address"], "--port", str(host["port"]), "--user", host["user"]]
    place = ["--site", SITE, "--node-type", NODE_TYPE, "--provisioner", "podman"]
    _manage("enrol_node", NAME, *place, *address, "--host-key", host["host_key"])


def _manage(*arguments: str, check: bool = True) -> None:
    done = subprocess.run([sys.executable, "manage.py", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise Wrong(f"manage.py {arguments[0]} failed: {(done.stderr.strip().splitlines() or ['silently'])[-1]}")
