"""The measurement of the search, on a small catalogue: everything runs, nothing is judged, nothing stays."""

from pathlib import Path

from tests.bench.test_fleet import run


def test_a_quick_measurement_shows_every_figure(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    done = run("search", "--quick", tmp=tmp_path)
    assert done.returncode == 0, done.stderr
    figures = (
        "the statement by hand", "the search's own statements", "CPU of a page", "its statements alone", "8 clients",
        "times the leases",
    )  # fmt: skip
    assert [figure for figure in figures if figure not in done.stdout] == []
    assert list(tmp_path.glob("gridlease-bench-*")) == []
