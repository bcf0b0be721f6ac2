"""One extends a lease while another books behind it: exactly one of them gets the time."""

from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from accounts.models import Organization
from billing import extending
from billing.models import Quote
from leasing.models import Claim, Lease
from leasing.operations import BookedBehind, NodesTaken, calendar
from leasing.provisioners.fake import World
from marketplace.models import Offer, PlanKind
from tests import factories
from tests.billing.conftest import a_quote, funded, place
from tests.factories import DAY, HOUR, NOON
from tests.together import deadlocks, together

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 6
START, END = NOON + HOUR, NOON + 3 * HOUR


@pytest.fixture
def offer(world: World) -> Offer:
    """Two nodes that are always leased together, by the hour."""
    return factories.an_offer(factories.a_pool(nodes=2), factories.a_plan(PlanKind.RESERVED))


def a_lease(organization: Organization, offer: Offer, day: int) -> Lease:
    at = day * DAY
    return place(a_quote(organization, offer, nodes=2, starts_at=START + at, ends_at=END + at))


def a_quote_behind(organization: Organization, offer: Offer, day: int) -> Quote:
    begins = END + day * DAY + HOUR
    return a_quote(organization, offer, nodes=2, starts_at=begins, ends_at=begins + HOUR)


def test_one_extends_while_the_other_books_behind(offer: Offer) -> None:
    acme, other = funded(1000), funded(1000, "Other Ltd")
    leases = [a_lease(acme, offer, day) for day in range(ROUNDS)]
    quotes = [a_quote_behind(other, offer, day) for day in range(ROUNDS)]
    before = deadlocks()

    def act(number: int) -> None:
        day, extends = divmod(number, 2)
        if extends:
            until = END + day * DAY + 2 * HOUR
            extending.extend(lease=leases[day], ends_at=until, actor="user:us_tests", now=NOON)
        else:
            place(quotes[day])

    ended = together(2 * ROUNDS, act)
    for booked, extended in zip(ended[::2], ended[1::2], strict=True):
        assert [booked, extended].count(None) == 1, (booked, extended)
        assert booked is None or isinstance(booked, NodesTaken)
        assert extended is None or isinstance(extended, BookedBehind)
    nobody_overlaps()
    assert deadlocks() == before


def test_without_the_lock_both_are_promised_the_same_time(offer: Offer, monkeypatch: pytest.MonkeyPatch) -> None:
    acme, other = funded(1000), funded(1000, "Other Ltd")
    lease, quote = a_lease(acme, offer, 0), a_quote_behind(other, offer, 0)

    reach_until = calendar.reach_until

    def somebody_books_after_the_look(**given: Any) -> datetime:
        seen = reach_until(**given)
        together(1, lambda _: place(quote))
        return seen

    monkeypatch.setattr(calendar, "lock_nodes_of", lambda lease: [])
    monkeypatch.setattr(calendar, "reach_until", somebody_books_after_the_look)
    extending.extend(lease=lease, ends_at=END + 2 * HOUR, actor="user:us_tests", now=NOON)
    lease.refresh_from_db()
    quote.refresh_from_db()
    assert lease.ends_at and quote.lease and lease.ends_at > quote.lease.starts_at


def test_many_extend_the_same_lease_and_it_is_paid_once(offer: Offer) -> None:
    acme = funded(1000)
    lease = a_lease(acme, offer, 0)
    before = deadlocks()

    def act(number: int) -> None:
        extending.extend(lease=lease, ends_at=END + HOUR, actor="user:us_tests", now=NOON)

    assert together(8, act) == [None] * 8
    lease.refresh_from_db()
    assert lease.ends_at == END + HOUR
    assert lease.meter.hold_micros == 2 * 3 * factories.MICROS_PER_NODE_HOUR
    assert lease.changes.count() == 1
    assert deadlocks() == before


def nobody_overlaps() -> None:
    for node in set(Claim.objects.values_list("node", flat=True)):
        live = sorted(Claim.objects.filter(node=node, released_at=None).values_list("period", flat=True))
        assert all(one.upper <= following.lower for one, following in pairwise(live))
