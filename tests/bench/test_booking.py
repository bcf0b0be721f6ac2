"""The measurement of orders, in a small world: everything runs, nothing is judged, nothing stays."""

from pathlib import Path

from tests.bench.test_fleet import run


def test_a_quick_measurement_shows_every_figure_and_nothing_goes_wrong(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    done = run("booking", "--quick", tmp=tmp_path)
    assert done.returncode == 0, done.stderr
    figures = (
        "pgbench, the same function",
        "8 clients",
        "16 clients",
        "the longest answer",
        "locked in the order of ids",
    )
    assert [figure for figure in figures if figure not in done.stdout] == []
    harmless = [
        line for line in done.stdout.splitlines() if line.startswith(("deadlocks", "nodes that were", "answers"))
    ]
    assert len(harmless) == 6 and all(line.split()[-1] == "0" for line in harmless), harmless
    assert list(tmp_path.glob("gridlease-bench-*")) == []
