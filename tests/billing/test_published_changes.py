"""The published rules of AWS EC2 Capacity Blocks and of SF Compute for what is booked already: more time, and less."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Organization
from billing import extending, handing_back, moving
from billing.extending import PriceTooHigh
from leasing.models import Lease
from leasing.operations import WindowRefused
from tests.billing.conftest import HOUR, NOON, SECOND, a_quote, funded, place
from tests.billing.reserving import ACTOR
from tests.billing.test_published_rules import CAPACITY_BLOCKS, MINUTE, SF_COMPUTE, TOMORROW, WEEK, an_offer, of_both
from tests.factories import DAY

pytestmark = pytest.mark.django_db
PRICE = 3_600_000  # micro-dollars per node-hour

# Of a lease of a length, asked so long before its end: until so long behind it, and which input is refused.
AWS_ROWS = [
    ("1-day steps up to 14 days", 13 * DAY, DAY, DAY, None),
    ("7-day steps from there: not 15 days", 14 * DAY, DAY, DAY, "ends_at"),
    ("7-day steps from there: 21 days", 14 * DAY, DAY, WEEK, None),
    ("a total of 182 days", 25 * WEEK, DAY, WEEK, None),
    ("no more than 182 days in all", 26 * WEEK, DAY, WEEK, "ends_at"),
    ("until 1 hour before the end", 2 * DAY, HOUR, DAY, None),
    ("not within the last hour", 2 * DAY, HOUR - SECOND, DAY, "lease"),
    ("from 56 days before the end", 9 * WEEK, 56 * DAY, WEEK, None),
    ("not earlier than 56 days before the end", 9 * WEEK, 56 * DAY + SECOND, WEEK, "lease"),
]
SF_ROWS = [
    ("whole hours", 2 * HOUR, HOUR, HOUR, None),
    ("no parts of hours", 2 * HOUR, HOUR, 90 * MINUTE, "ends_at"),
    ("until the last second", 2 * HOUR, SECOND, HOUR, None),
]


@pytest.fixture
def acme(db: None) -> Organization:
    return funded(100_000)


def booked(acme: Organization, rules: dict[str, Any], length: timedelta) -> Lease:
    begin = TOMORROW if rules is CAPACITY_BLOCKS else NOON + HOUR
    return place(a_quote(acme, an_offer(rules), starts_at=begin, ends_at=begin + length))


@pytest.mark.parametrize(("rules", "length", "before", "more", "refused"), of_both(AWS_ROWS, SF_ROWS))
def test_what_is_published_of_extensions_is_what_can_be_had(
    acme: Organization,
    rules: dict[str, Any],
    length: timedelta,
    before: timedelta,
    more: timedelta,
    refused: str | None,
) -> None:
    lease, field = booked(acme, rules, length), None
    end = lease.last_moment
    try:
        extending.extend(lease=lease, ends_at=end + more, actor=ACTOR, now=end - before)
    except WindowRefused as refusal:
        field = refusal.field
    lease.refresh_from_db()
    assert (field, lease.ends_at) == (refused, end if refused else end + more)


def test_a_block_is_extended_as_often_as_one_likes_and_keeps_its_id(acme: Organization) -> None:
    lease = booked(acme, CAPACITY_BLOCKS, DAY)
    for days in range(2, 6):
        extending.extend(lease=lease, ends_at=TOMORROW + days * DAY, actor=ACTOR, now=NOON)
    assert Lease.objects.get().public_id == lease.public_id
    assert lease.meter.prices.count() == 4


def test_a_block_is_paid_whole_whether_it_is_used_or_not_and_is_not_moved(acme: Organization) -> None:
    """Neither cancelled nor changed after the purchase: here it may be given back, and all of its price is kept."""
    lease = booked(acme, CAPACITY_BLOCKS, DAY)
    worth = handing_back.value(lease=lease, now=NOON)
    assert (worth.fee_micros, worth.refund_micros, worth.resale_micros) == (24 * PRICE, 0, 0)
    quote = a_quote(acme, lease.offer, starts_at=TOMORROW + DAY, ends_at=TOMORROW + 2 * DAY)
    with pytest.raises(WindowRefused, match="cancelling it would cost"):
        moving.move(lease=lease, quote=quote, actor=ACTOR, now=NOON)


def test_an_extension_has_a_highest_price_of_its_own(acme: Organization) -> None:
    lease = booked(acme, SF_COMPUTE, 2 * HOUR)
    more: dict[str, Any] = {"lease": lease, "ends_at": lease.last_moment + HOUR, "actor": ACTOR, "now": NOON}
    with pytest.raises(PriceTooHigh):
        extending.extend(**more, max_micros_per_node_hour=PRICE - 1)
    extending.extend(**more, max_micros_per_node_hour=PRICE)


def test_what_is_not_needed_brings_up_to_a_fifth_once_others_use_it(acme: Organization) -> None:
    lease = booked(acme, SF_COMPUTE, 2 * HOUR)
    Lease.objects.update(state="active")
    worth = handing_back.value(lease=Lease.objects.get(pk=lease.pk), now=lease.starts_at + HOUR)
    assert (worth.price_micros, worth.refund_micros, worth.resale_micros) == (PRICE, 0, PRICE // 5)
