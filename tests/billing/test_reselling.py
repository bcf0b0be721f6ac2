"""A part of the fee comes back as others use the time that was handed back: once, and never more than was kept."""

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Event, Organization
from billing import handing_back, invariants, reselling, tasks
from billing.models import HandBack, Posting, PostingKind
from billing.queries.meters import LAG
from leasing import operations
from leasing.models import Lease
from marketplace.models import Offer
from tests.billing.conftest import HOUR, SECOND, agree, assert_books_balance, funded
from tests.billing.reserving import ACTOR, START, an_offer, begun, booked, settled, start
from tests.leasing.conftest import work_all

pytestmark = pytest.mark.django_db
MICROS_PER_HOUR = 3_600_000
SHARE = 5  # a fifth of the price, 20 %
HANDED_BACK = START + HOUR
END = START + 10 * HOUR


@pytest.fixture
def reserved(db: None) -> Offer:
    return an_offer()


def handed_back(organization: Organization, offer: Offer, at: datetime = HANDED_BACK) -> Lease:
    """Nine of ten hours are given back, and the node is clean a moment later."""
    lease = begun(organization, offer)
    handing_back.hand_back(lease=lease, actor=ACTOR, now=at)
    work_all(offer, now=at + 60 * SECOND)
    return lease


def taken(organization: Organization, offer: Offer, *, begin: datetime, hours: int) -> Lease:
    """Booked behind the return, and begun to the second."""
    quote_at = HANDED_BACK + 120 * SECOND
    lease = booked(organization, offer, begin=begin, hours=hours, at=quote_at)
    start(lease, begin)
    return lease


def over(lease: Lease, at: datetime) -> None:
    operations.end(lease=lease, reason="period_over", actor="system:leasing", now=at)
    work_all(lease.offer, now=at)


def sweep(now: datetime) -> list[int]:
    return [reselling.credit(hand_back=row, now=now) for row in reselling.due(now=now)]


def credited(lease: Lease) -> int:
    """What the ledger says came back."""
    postings = Posting.objects.filter(lease=lease, kind=PostingKind.RESALE_CREDIT).prefetch_related("entries__account")
    amounts = [entry.amount_micros for row in postings for entry in row.entries.all() if entry.account.kind == "wallet"]
    assert sum(amounts) == settled(lease).credited_micros
    return sum(amounts)


def test_time_that_others_use_partly_brings_its_part(acme: Organization, reserved: Offer) -> None:
    lease = handed_back(acme, reserved)
    other = taken(funded(100, "Other"), reserved, begin=START + 3 * HOUR, hours=4)
    assert sweep(START + 3 * HOUR + LAG) == [0]
    assert sweep(START + 5 * HOUR + LAG) == [2 * MICROS_PER_HOUR // SHARE]
    over(other, START + 7 * HOUR)
    assert sweep(END + LAG) == [2 * MICROS_PER_HOUR // SHARE]
    assert credited(lease) == 4 * MICROS_PER_HOUR // SHARE
    assert settled(lease).closed_at == END + LAG
    assert_books_balance()
    assert list(invariants.broken(now=END)) == []


def test_sweeping_twice_late_or_never_before_the_end_is_the_same_ledger(acme: Organization, reserved: Offer) -> None:
    lease = handed_back(acme, reserved)
    taken(funded(100, "Other"), reserved, begin=START + 3 * HOUR, hours=7)
    for now in (START + 5 * HOUR + LAG, START + 5 * HOUR + LAG, START + 6 * HOUR):
        sweep(now)
    assert Posting.objects.filter(kind=PostingKind.RESALE_CREDIT).count() == 1
    row = settled(lease)
    for _ in range(2):
        reselling.credit(hand_back=row, now=END + 30 * HOUR)
    assert credited(lease) == 7 * MICROS_PER_HOUR // SHARE
    assert Posting.objects.filter(kind=PostingKind.RESALE_CREDIT).count() == 2
    assert sweep(END + 31 * HOUR) == []


def test_use_by_others_is_credited_at_the_prices_that_were_agreed_for_the_time(
    acme: Organization, reserved: Offer
) -> None:
    lease = begun(acme, reserved)
    agree(lease, 2 * MICROS_PER_HOUR, from_at=START + 4 * HOUR, now=START)
    handing_back.hand_back(lease=lease, actor=ACTOR, now=HANDED_BACK)
    agree(lease, 10 * MICROS_PER_HOUR, from_at=HANDED_BACK, now=HANDED_BACK + SECOND)  # agreed later: nothing to this
    work_all(reserved, now=HANDED_BACK + 60 * SECOND)
    taken(funded(100, "Other"), reserved, begin=START + 3 * HOUR, hours=4)
    assert sweep(START + 5 * HOUR + LAG) == [(1 + 2) * MICROS_PER_HOUR // SHARE]
    assert credited(lease) == 3 * MICROS_PER_HOUR // SHARE


def test_nobody_used_it_and_nothing_comes_back(acme: Organization, reserved: Offer) -> None:
    lease = handed_back(acme, reserved)
    assert sweep(END + LAG) == [0]
    assert credited(lease) == 0 and settled(lease).closed_at
    assert Event.objects.get(kind="lease.resale_ended").notice is None


def test_a_booking_that_never_begins_brings_nothing(acme: Organization, reserved: Offer) -> None:
    lease = handed_back(acme, reserved)
    booked(funded(100, "Other"), reserved, begin=START + 3 * HOUR, hours=4, at=START + 2 * HOUR)
    assert sweep(END + LAG) == [0]
    assert credited(lease) == 0


def test_cleaning_is_nobodys_use(acme: Organization, reserved: Offer) -> None:
    lease = handed_back(acme, reserved)
    other = taken(funded(100, "Other"), reserved, begin=START + 3 * HOUR, hours=2)
    operations.end(lease=other, reason="period_over", actor="system:leasing", now=START + 5 * HOUR)
    work_all(reserved, now=START + 5 * HOUR + 600 * SECOND)  # cleaned for ten minutes
    sweep(END + LAG)
    assert credited(lease) == 2 * MICROS_PER_HOUR // SHARE


def test_the_same_customer_may_be_the_one_who_uses_it(acme: Organization, reserved: Offer) -> None:
    lease = handed_back(acme, reserved)
    taken(acme, reserved, begin=START + 3 * HOUR, hours=7)
    sweep(END + LAG)
    assert credited(lease) == 7 * MICROS_PER_HOUR // SHARE


def test_the_lease_itself_is_not_somebody_else(acme: Organization, reserved: Offer) -> None:
    """It goes on until its new end: nothing of that is resold."""
    lease = begun(acme, reserved)
    handing_back.shorten(lease=lease, ends_at=START + 4 * HOUR, actor=ACTOR, now=START + HOUR)
    over(lease, START + 4 * HOUR + 30 * SECOND)
    sweep(END + LAG)
    assert credited(lease) == 0


def test_each_of_several_nodes_counts(acme: Organization) -> None:
    offer = an_offer(nodes=3)
    lease = begun(acme, offer, hours=4, nodes=2)
    handing_back.hand_back(lease=lease, actor=ACTOR, now=HANDED_BACK)
    work_all(offer, now=HANDED_BACK)
    taken(funded(100, "Other"), offer, begin=START + 2 * HOUR, hours=1)  # on a node of the lease, the first free one
    sweep(START + 4 * HOUR + LAG)
    assert credited(lease) == MICROS_PER_HOUR // SHARE


def test_never_more_comes_back_than_was_kept(acme: Organization) -> None:
    """Cancelled for 10 %, and all of it is used for 20 %: the fee comes back, and no more."""
    offer = an_offer()
    lease = booked(acme, offer, hours=4)
    handing_back.hand_back(lease=lease, actor=ACTOR, now=START - HOUR)
    again = booked(funded(100, "Other"), offer, hours=4)
    start(again, START)
    sweep(START + 4 * HOUR + LAG)
    assert credited(lease) == settled(lease).fee_micros == 4 * MICROS_PER_HOUR // 10


def test_without_a_fee_nothing_is_looked_for(acme: Organization) -> None:
    handed_back(acme, an_offer(return_refund_percent=100, resale_percent=0))
    assert HandBack.objects.get().closed_at == HANDED_BACK
    assert sweep(END + LAG) == []


def test_the_customer_is_told_at_the_first_credit_and_at_the_end(acme: Organization, reserved: Offer) -> None:
    handed_back(acme, reserved)
    taken(funded(100, "Other"), reserved, begin=START + 3 * HOUR, hours=7)
    for hours in range(1, 12):
        sweep(START + hours * HOUR + LAG)
    told = Event.objects.filter(kind__startswith="lease.resale", notice__isnull=False).order_by("at")
    assert [event.kind for event in told] == ["lease.resale_began", "lease.resale_ended"]
    assert [event.data["credited_micros"] for event in told] == [MICROS_PER_HOUR // SHARE, 7 * MICROS_PER_HOUR // SHARE]


def test_the_task_finds_what_is_due_by_itself(acme: Organization, reserved: Offer) -> None:
    lease = handed_back(acme, reserved)
    taken(funded(100, "Other"), reserved, begin=START + 3 * HOUR, hours=7)
    for _ in range(2):
        tasks.credit_resales()
    assert credited(lease) == 7 * MICROS_PER_HOUR // SHARE and settled(lease).closed


@pytest.fixture
def resold(acme: Organization, reserved: Offer) -> HandBack:
    """Hours 3 to 10 are used by somebody else, with a break in which nobody does."""
    lease = handed_back(acme, reserved)
    first = taken(funded(100, "Other"), reserved, begin=START + 3 * HOUR, hours=2)
    over(first, START + 5 * HOUR)
    taken(funded(100, "Third"), reserved, begin=START + 6 * HOUR, hours=4)
    return settled(lease)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(minutes=st.lists(st.integers(60, 900), max_size=6), fee=st.integers(1, 8_100_000))
def test_however_it_is_sliced_the_credit_is_the_same_and_within_the_fee(
    resold: HandBack, minutes: list[int], fee: int
) -> None:
    """Each example is another row's life from its beginning; the ledger of the ones before stays."""
    most = min(fee, 6_480_000)
    HandBack.objects.filter(pk=resold.pk).update(
        fee_micros=fee, most_credit_micros=most, credited_micros=0, credited_until=HANDED_BACK, closed_at=None
    )
    for minute in sorted(minutes):
        reselling.credit(hand_back=resold, now=START + timedelta(minutes=minute))
    reselling.credit(hand_back=resold, now=START + timedelta(days=1))
    resold.refresh_from_db()
    assert resold.credited_micros == min(most, 6 * MICROS_PER_HOUR // SHARE) <= resold.fee_micros
