"""The measurement of the closing, on small months: everything runs, nothing is judged, nothing stays."""

from pathlib import Path

from tests.bench.test_fleet import run


def test_a_quick_measurement_shows_every_figure(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    done = run("billing", "--quick", tmp=tmp_path)
    assert done.returncode == 0, done.stderr
    figures = ("by hand in SQL", "the product's close", "against by hand", "against the size before")
    assert [figure for figure in figures if figure not in done.stdout] == []
    assert list(tmp_path.glob("gridlease-bench-*")) == []
