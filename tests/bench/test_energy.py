"""The measurement of power plans: everything runs on a few days; and any price file with the columns will do."""

from pathlib import Path

import numpy as np
import pytest

from bench.energy_prices import DAY_AHEAD, MOMENT, REAL_TIME, read
from tests.bench.test_fleet import run

HEAD = f"{MOMENT},{DAY_AHEAD},{REAL_TIME}\n"


def test_a_quick_measurement_shows_every_figure(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    done = run("energy", "--quick", "--plans-only", tmp=tmp_path)
    assert done.returncode == 0, done.stderr
    figures = (
        "the industry's rule", "our plan, prices 15 min late", "our plan in two levels", "the plan after it",
        "firm load cut", "paused before its notice",
    )  # fmt: skip
    assert [figure for figure in figures if figure not in done.stdout] == []


def an_hour(hour: int, zone: str = "") -> str:
    return f"2025-03-{9 + hour // 24:02}T{hour % 24:02}:00:00{zone}"


def test_prices_are_read_whatever_their_step_zone_order_and_gaps(tmp_path: Path) -> None:
    rows = [f"{an_hour(hour, '-06:00')},{hour},{-hour}\n" for hour in range(48) if hour not in {5, 30}]
    rows[10:12] = [f"{an_hour(10, '-06:00')},n/a,\n", "no moment,1,1\n", f"{an_hour(11, '-06:00')},inf,7\n"]
    file = tmp_path / "prices.csv"
    file.write_text("\ufeff" + HEAD + "".join(reversed(rows)), encoding="utf-8")
    prices = read(file)
    assert (prices.steps, prices.step_hours, prices.steps_a_day, prices.missing) == (48, 1.0, 24, 4)
    assert not np.isnan([prices.day_ahead, prices.real_time]).any()
    assert prices.real_time[30] == prices.real_time[6]  # missing: the same hour a day before
    assert prices.real_time[47] == -47


def test_tomorrow_is_known_from_the_afternoon_on_only(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(HEAD + "".join(f"{an_hour(hour)},{hour},0\n" for hour in range(48)))
    prices = read(file)
    assert list(prices.published(13, 14)) == [*range(13, 24), 0, 1, 2]  # what they cost today
    assert list(prices.published(14, 14)) == [*range(14, 28)]
    assert list(prices.published(46, 4)) == [46, 47, 24, 25]  # behind the end of the file


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", f"no column {DAY_AHEAD}, {MOMENT}, {REAL_TIME}"),
        (HEAD, "0 rows with a moment"),
        (HEAD + f"{an_hour(0)},1,1\n{an_hour(1)},1,1\n", "a day at least"),
        (HEAD + "".join(f"{an_hour(hour)},,\n" for hour in range(24)), "no price is known"),
    ],
    ids=["columns", "empty", "short", "without numbers"],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=says):
        read(file)
