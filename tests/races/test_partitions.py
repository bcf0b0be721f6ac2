"""Two watchers begin the same hour at once: its piece of the table is made once."""

import pytest

from leasing.telemetry.partitions import HOUR, SAMPLES, Pieces
from tests.factories import NOON
from tests.together import meeting, together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("hour", range(3))
def test_a_piece_that_two_miss_at_once_is_made_once(monkeypatch: pytest.MonkeyPatch, hour: int) -> None:
    at = NOON.replace(year=2031) + hour * HOUR
    monkeypatch.setattr(Pieces, "_missing", meeting(Pieces._missing))
    assert together(2, lambda _: SAMPLES.ensure([at])) == [None, None]
    assert SAMPLES.starts().count(at) == 1
    SAMPLES.drop(at)
