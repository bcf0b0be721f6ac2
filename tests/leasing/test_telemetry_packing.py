"""Packed samples: nothing is lost, and little is kept."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasing.telemetry.packing import Unreadable, pack, unpack

NUMBERS = st.integers(min_value=-(2**63), max_value=2**63 - 1)
TABLES = st.integers(1, 40).flatmap(
    lambda rows: st.lists(
        st.lists(st.none() | NUMBERS | st.integers(0, 100), min_size=rows, max_size=rows), min_size=1, max_size=9
    )
)


@given(TABLES)
def test_what_is_packed_is_unpacked_exactly(columns: list[list[int | None]]) -> None:
    assert unpack(pack(columns)) == columns


def test_an_hour_of_a_busy_node_is_kept_in_less_than_ten_bytes_a_sample() -> None:
    chance = random.Random(3)
    columns: list[list[int | None]] = [[] for _ in range(9)]
    for gpu in range(8):
        energy, level = chance.randrange(10**13), 60.0
        for slot in range(240):
            level += chance.gauss(0, 0.5)
            power = int(chance.gauss(8_000 * level, 8_000))
            energy += int(15 * power * chance.gauss(1, 0.01))
            figures = (gpu, slot, energy, 70_000, power, 0, chance.randrange(70, 100), int(level), 0)
            for column, figure in zip(columns, figures, strict=True):
                column.append(figure)
    assert len(pack(columns)) / (8 * 240) < 10
    assert unpack(pack(columns)) == columns


@pytest.mark.parametrize("body", [b"", b"\x02\x01\x00\x00\x00\x00", pack([[1, 2]])[:-3], b"\x01\x01\x01\x00\x00\x00no"])
def test_bytes_that_were_not_packed_here_are_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        unpack(body)
