"""`./run trial`: the main job through the public API, as a customer's script does it."""

import pytest

from standins.nodes.podman_host import why_not
from tests.journeys.conftest import Product


def test_the_trial_leases_a_simulated_node_and_pays_for_its_seconds(product: Product) -> None:
    done = product.run("trial", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All as promised" in done.stdout


def test_the_trial_leases_a_real_host_too(product: Product) -> None:
    if reason := why_not():
        pytest.skip(reason)
    done = product.run("trial", "--provisioner", "podman", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "real node" in done.stdout
