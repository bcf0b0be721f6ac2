"""The published rules of AWS EC2 Capacity Blocks and of SF Compute, as terms of two plans: what each lets one book."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import Organization
from billing.checkout import QuoteRefused
from marketplace.models import Offer, PlanKind
from tests import factories
from tests.billing.conftest import HOUR, NOON, a_quote, funded
from tests.factories import DAY

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
WEEK = 7 * DAY

# docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-capacity-blocks.html
CAPACITY_BLOCKS: dict[str, Any] = {
    "min_seconds": 86_400,
    "max_seconds": 182 * 86_400,
    "granularity_seconds": 86_400,
    "offset_seconds": 41_400,
    "length_steps": [[14 * 86_400, 7 * 86_400]],
    "may_start_now": True,
    "lead_seconds": 1800,
    "max_ahead_seconds": 56 * 86_400,
    "most_nodes": 64,
    "cancel_refunds": [[0, 0]],
    "return_refund_percent": 0,
    "extend_until_seconds": 3600,
    "extend_from_seconds": 56 * 86_400,
}
# docs.sfcompute.com: `sf nodes create`, reserved
SF_COMPUTE: dict[str, Any] = {
    "min_seconds": 3600,
    "max_seconds": 365 * 86_400,
    "granularity_seconds": 3600,
    "may_start_now": True,
    "max_ahead_seconds": 365 * 86_400,
    "resale_percent": 20,
    "return_refund_percent": 0,
}
TOMORROW = datetime(2026, 3, 3, 11, 30, tzinfo=UTC)  # the first end of a day for AWS after the tests' noon

AWS_ROWS = [
    ("a block lasts one day at least", TOMORROW, TOMORROW + DAY, {}, None),
    ("1-day steps up to 14 days", TOMORROW, TOMORROW + 13 * DAY, {}, None),
    ("14 days are both 1-day and 7-day steps", TOMORROW, TOMORROW + 14 * DAY, {}, None),
    ("7-day steps from there: not 15 days", TOMORROW, TOMORROW + 15 * DAY, {}, "ends_at"),
    ("7-day steps from there: 21 days", TOMORROW, TOMORROW + 21 * DAY, {}, None),
    ("up to 182 days", TOMORROW, TOMORROW + 26 * WEEK, {}, None),
    ("no more than 182 days", TOMORROW, TOMORROW + 27 * WEEK, {}, "ends_at"),
    ("up to 64 instances", TOMORROW, TOMORROW + DAY, {"nodes": 64}, None),
    ("no more than 64 instances", TOMORROW, TOMORROW + DAY, {"nodes": 65}, "nodes"),
    ("every block ends at 11:30 UTC", TOMORROW, TOMORROW + DAY + 30 * MINUTE, {}, "ends_at"),
    ("a later start is at 11:30 UTC", TOMORROW + HOUR, TOMORROW + 2 * DAY, {}, "starts_at"),
    ("up to 8 weeks ahead", TOMORROW + 55 * DAY, TOMORROW + 56 * DAY, {}, None),
    ("no more than 8 weeks ahead", TOMORROW + 56 * DAY, TOMORROW + 57 * DAY, {}, "starts_at"),
    ("as early as 30 minutes after purchase", None, TOMORROW + DAY, {}, None),
    ("what is left of the day comes on top of the steps", None, TOMORROW + 7 * DAY, {}, None),
    ("what is left of the day alone is too short", None, TOMORROW, {}, "ends_at"),
    ("not within 30 minutes", TOMORROW, TOMORROW + DAY, {"now": TOMORROW - 29 * MINUTE}, "starts_at"),
    ("half an hour and a minute ahead", TOMORROW, TOMORROW + DAY, {"now": TOMORROW - 31 * MINUTE}, None),
    ("never in the past", TOMORROW, TOMORROW + DAY, {"now": TOMORROW + HOUR}, "starts_at"),
    ("a block has an end", TOMORROW, None, {}, "ends_at"),
]
SF_ROWS = [
    ("start now, end on the hour", None, NOON + 2 * HOUR, {"now": NOON + 20 * MINUTE}, None),
    ("start on the hour", NOON + HOUR, NOON + 2 * HOUR, {}, None),
    ("no start off the hour but now", NOON + 90 * MINUTE, NOON + 3 * HOUR, {}, "starts_at"),
    ("no end off the hour", None, NOON + 90 * MINUTE, {}, "ends_at"),
    ("1 hour at least", None, NOON + HOUR, {"now": NOON + 20 * MINUTE}, "ends_at"),
    ("exactly 1 hour", None, NOON + HOUR, {}, None),
    ("reserved nodes have an end", None, None, {}, "ends_at"),
]


def of_both(aws: list[Any], sf: list[Any]) -> list[Any]:
    """Rows of both, each behind the rules that it is of, under its name."""
    return [
        pytest.param(rules, *row[1:], id=f"{who}: {row[0]}")
        for who, rules, rows in (("AWS", CAPACITY_BLOCKS, aws), ("SF Compute", SF_COMPUTE, sf))
        for row in rows
    ]


@pytest.fixture
def acme(db: None) -> Organization:
    return funded(0)


def an_offer(rules: dict[str, Any]) -> Offer:
    plan = factories.a_plan(PlanKind.RESERVED, **rules)
    return factories.an_offer(factories.a_pool(nodes=1), plan)


@pytest.mark.parametrize(("rules", "starts_at", "ends_at", "more", "refused"), of_both(AWS_ROWS, SF_ROWS))
def test_what_is_published_is_what_can_be_booked(
    acme: Organization,
    rules: dict[str, Any],
    starts_at: datetime | None,
    ends_at: datetime | None,
    more: dict[str, Any],
    refused: str | None,
) -> None:
    wish = {"starts_at": starts_at, "ends_at": ends_at, "now": NOON, **more}
    field = None
    try:
        quote = a_quote(acme, an_offer(rules), **wish)
    except QuoteRefused as refusal:
        field = refusal.field
    else:
        soonest = wish["now"] + timedelta(seconds=rules.get("lead_seconds", 0))
        assert (quote.starts_at, quote.ends_at) == (starts_at or soonest, ends_at)
    assert field == refused


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "way_out"),
    [
        (TOMORROW, TOMORROW + 15 * DAY, "choose 2026-03-17 11:30 UTC or 2026-03-24 11:30 UTC"),
        (TOMORROW, TOMORROW + DAY + HOUR, "choose 2026-03-04 11:30 UTC or 2026-03-05 11:30 UTC"),
        (TOMORROW, TOMORROW, "choose an end from 2026-03-04 11:30 UTC to 2026-09-01 11:30 UTC"),
        (TOMORROW + 60 * DAY, TOMORROW + 61 * DAY, "Choose a start before 2026-04-27 12:00 UTC, 56 days ahead"),
    ],
)
def test_a_refusal_names_the_way_out(acme: Organization, starts_at: datetime, ends_at: datetime, way_out: str) -> None:
    with pytest.raises(QuoteRefused, match=way_out):
        a_quote(acme, an_offer(CAPACITY_BLOCKS), starts_at=starts_at, ends_at=ends_at)
