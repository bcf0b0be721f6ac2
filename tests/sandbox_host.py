"""The sandbox node host as a real process, for tests that run real workers."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.environment import keypair


@contextmanager
def sandbox_host(directory: Path) -> Iterator[dict[str, str]]:
    """Runs until the block ends; yields the environment that workers need to reach it."""
    operator = directory / "operator_key"
    keypair(operator)
    argv = [sys.executable, "-m", "standins.nodes", "--port", "0", "--state", str(directory / "nodes")]
    process = subprocess.Popen(
        [*argv, "--authorized-key", f"{operator}.pub"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        _, address, port, *key = process.stdout.readline().split()
        yield os.environ | {
            "OPERATOR_KEY": str(operator),
            "SANDBOX_ADDRESS": f"{address}:{port}",
            "SANDBOX_HOST_KEY": " ".join(key),
        }
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
