"""A real host for the trial: built on this machine, brought into stock as staff would, and taken down after."""

import base64
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from config.part import Trouble, die_with_parent
from config.trial.api import Wrong

IMAGE = "trial"  # the slug of the image that the host brings along


@contextmanager
def real_host() -> Iterator[str]:
    """The offer of a podman host that is in stock while the block runs. Raises Trouble when it cannot be built here."""
    if os.geteuid() != 0:
        raise Trouble("A real host needs root: run sudo ./run trial --provisioner podman, or leave the option out.")
    argv = [sys.executable, "-m", "standins.nodes.podman_host", "--identity", os.environ["OPERATOR_KEY"]]
    argv += ["--gpu-count", "0"]
    builder = subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509  we have one thread
    )
    name = f"trial-{secrets.token_hex(3)}"
    try:
        yield _enrol(name, _host(builder))
    finally:
        _manage("retire_node", "--name", name, check=False)
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


def _enrol(name: str, host: dict[str, Any]) -> str:
    """Let it prove that it is what it is to be sold as: a small machine without GPUs. Returns the offer's id."""
    options = {
        "name": name,
        "site": "macon",
        "address": host["address"],
        "port": str(host["port"]),
        "user": host["user"],
        "fingerprint": _fingerprint(host["host_key"]),
        "node-type": "trial-cpu",
        "vcpus": "1",
        "memory-gb": "1",
        "nvme-gb": "1",
        "network-gbps": "1",
        "power-w": "100",
        "dollars": "0.36",
        "image-slug": IMAGE,
        "image-reference": host["image"],
        "image-digest": host["image_digest"],
    }
    words = [word for option, value in options.items() for word in (f"--{option}", value)]
    (enrolled,) = json.loads(_manage("enrol", *words))
    offer: str = enrolled["offer"]
    return offer


def _fingerprint(host_key: str) -> str:
    """As OpenSSH shows it."""
    digest = hashlib.sha256(base64.b64decode(host_key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _manage(*arguments: str, check: bool = True) -> str:
    done = subprocess.run([sys.executable, "manage.py", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise Wrong(f"manage.py {arguments[0]} failed: {(done.stderr.strip().splitlines() or ['silently'])[-1]}")
    return done.stdout
