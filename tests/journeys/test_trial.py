"""`./run trial`: the main job through the public API, as a customer's script does it."""

import os
import subprocess
import sys

import pytest

from standins.nodes.podman_host import why_not
from tests.journeys.conftest import OWN, ROOT, Product


def trial(product: Product, *options: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name not in OWN} | {"STATE_DIR": str(product.state)}
    argv = [sys.executable, "-m", "config.cli", "trial", *options]
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=110, check=False)


def test_the_trial_leases_a_simulated_node_and_pays_for_its_seconds(product: Product) -> None:
    done = trial(product)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All as promised" in done.stdout


def test_the_trial_leases_a_real_host_too(product: Product) -> None:
    if reason := why_not():
        pytest.skip(reason)
    done = trial(product, "--provisioner", "podman")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "real node" in done.stdout
