"""A receipt says what a lease cost and why, also when that is nothing."""

from datetime import UTC, date, datetime

import pytest

from accounts.models import Organization
from billing import metering
from billing.receipts import Line, receipt
from leasing.operations import end
from leasing.states import LeaseState
from marketplace.models import Offer
from tests.billing.conftest import HOUR, NOON, SECOND, a_quote, place, running

pytestmark = pytest.mark.django_db
ACTOR = "user:us_tests"


def test_a_receipt_is_right_before_the_meter_has_run(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    end(lease=lease, reason="returned", actor=ACTOR, now=NOON + 90 * SECOND)
    for _ in range(2):
        paper = receipt(lease=lease, now=NOON + HOUR)
        assert (paper.seconds, paper.charged_micros, paper.final) == (90, 90_000, True)
        assert (paper.started_at, paper.ended_at) == (NOON, NOON + 90 * SECOND)
        assert paper.lines == (Line(NOON.date(), 90, 90_000),)
        metering.meter(lease=lease, upto=NOON + HOUR, now=NOON + HOUR)


def test_the_receipt_of_a_running_lease_is_its_cost_so_far(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    paper = receipt(lease=lease, now=NOON + 61 * SECOND)
    assert (paper.charged_micros, paper.final, paper.ended_at) == (61_000, False, None)
    assert "so far" in paper.explanation


def test_lines_are_the_days_and_sum_to_the_total(acme: Organization, offer: Offer) -> None:
    evening = datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
    lease = running(acme, offer, now=evening)
    end(lease=lease, reason="returned", actor=ACTOR, now=evening + 90 * 60 * SECOND)
    metering.meter(lease=lease, upto=evening + 2 * HOUR, now=evening + 2 * HOUR)
    paper = receipt(lease=lease, now=evening + 2 * HOUR)
    assert [(line.day, line.seconds) for line in paper.lines] == [(date(2026, 3, 2), 3600), (date(2026, 3, 3), 1800)]
    assert sum(line.micros for line in paper.lines) == paper.charged_micros == 5_400_000


@pytest.mark.parametrize(
    ("moves", "words"),
    [
        ([LeaseState.FAILED], "costs nothing"),
        ([LeaseState.RECLAIMING], "before a node was ready"),
        ([], "being made ready"),
    ],
)
def test_a_receipt_of_zero_says_why(acme: Organization, offer: Offer, moves: list[LeaseState], words: str) -> None:
    lease = place(a_quote(acme, offer))
    lease.refresh_from_db()
    for state in moves:
        lease.move_to(state, at=NOON + SECOND)
    paper = receipt(lease=lease, now=NOON + HOUR)
    assert (paper.charged_micros, paper.seconds, paper.lines) == (0, 0, ())
    assert words in paper.explanation


def test_a_cancelled_reservation_has_a_receipt_of_zero(acme: Organization, reserved: Offer) -> None:
    lease = place(a_quote(acme, reserved, starts_at=NOON + HOUR, ends_at=NOON + 2 * HOUR))
    end(lease=lease, reason="returned", actor=ACTOR, now=NOON + SECOND)
    paper = receipt(lease=lease, now=NOON + HOUR)
    assert (paper.charged_micros, paper.final, paper.reason) == (0, True, "returned")
    assert "called off" in paper.explanation
