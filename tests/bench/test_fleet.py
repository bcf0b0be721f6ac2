"""The measurement of the fleet, on a small one: everything runs, nothing is judged, nothing stays."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def run(*arguments: str, tmp: Path) -> subprocess.CompletedProcess[str]:
    """`./run bench …`, with a place of its own for what it leaves."""
    hidden = {"DATABASE_URL": "postgresql://nobody@/product?host=/nowhere", "REDIS_URL": "redis://nowhere"}
    env = os.environ | hidden | {"TMPDIR": str(tmp)}
    return subprocess.run([str(ROOT / "run"), "bench", *arguments], env=env, capture_output=True, text=True)


def test_a_quick_measurement_shows_every_figure_and_never_touches_the_products_database(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    done = run("fleet", "--quick", tmp=tmp_path)
    assert done.returncode == 0, done.stderr
    for figure in ("a raw COPY", "exactly once", "kept of a sample", "health of 60 nodes", "over SSH", "age of a node"):
        assert figure in done.stdout
    assert "samples in hourly roll-ups when they are gone                   100 %" in done.stdout
    assert list(tmp_path.glob("gridlease-bench-*")) == []


def test_a_measurement_that_there_is_not_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    done = run("nothing", tmp=tmp_path)
    assert done.returncode != 0
    assert (
        "Say which measurement: billing, billing_gateway, billing_wallet, billing_year, booking, energy, fleet, search."
        in done.stderr
    )
