"""Bars: held or missed, and the exit status that says so."""

import pytest

from bench.table import Line, Table


@pytest.mark.parametrize(
    ("line", "held"),
    [
        (Line("speed", 300_000, "rows/s", bar=300_000), True),
        (Line("speed", 299_999, "rows/s", bar=300_000), False),
        (Line("size", 10, "bytes", bar=10, most=True), True),
        (Line("size", 10.1, "bytes", bar=10, most=True), False),
        (Line("for the reader", 0, "rows/s"), True),
    ],
    ids=str,
)
def test_a_bar_is_held_up_to_and_with_its_figure(line: Line, held: bool) -> None:  # noqa: FBT001
    assert line.held is held
    assert ("MISSED" in str(line)) is not held


def test_a_missed_bar_is_named_and_ends_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table()
    table.add("slow", 1, "rows/s", bar=2)
    assert table.close() == 1
    assert "Missed: slow" in capsys.readouterr().out


def test_a_trial_looks_at_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(judging=False)
    table.add("slow", 1, "rows/s", bar=2)
    assert table.close() == 0
    assert "No bar was looked at" in capsys.readouterr().out
