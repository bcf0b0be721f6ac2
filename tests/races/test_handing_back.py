"""Returned, shortened and over at the same instant: each hour is handed back once, and costs its fee once."""

import pytest

from accounts.models import Organization
from billing import handing_back, invariants, operations
from billing.models import HandBack, LedgerAccount, Posting, PostingKind
from leasing import schedule
from leasing.models import Lease, LeaseChange
from leasing.operations import WindowRefused, calendar
from leasing.operations import handing_back as leasing_handing_back
from tests.billing.conftest import HOUR, assert_books_balance, funded
from tests.billing.reserving import ACTOR, START, an_offer, booked, start
from tests.leasing.conftest import work_all
from tests.together import deadlocks, meeting, overlaps, together

pytestmark = pytest.mark.django_db(transaction=True)
LEASES, TIMES = 4, 5
AT = START + HOUR


def many() -> list[Lease]:
    organization, offer = funded(1000), an_offer(nodes=LEASES)
    leases = [booked(organization, offer) for _ in range(LEASES)]
    start(leases[-1], START)
    return leases


def returned(lease: Lease) -> None:
    handing_back.hand_back(lease=lease, actor=ACTOR, now=AT)


def test_a_lease_returned_shortened_and_over_at_once_is_settled_once() -> None:
    leases, before = many(), deadlocks()
    end = START + 2 * HOUR

    def act(number: int) -> None:
        lease = Lease.objects.get(pk=leases[number % LEASES].pk)
        match number // LEASES:
            case 0 | 1:
                returned(lease)
            case 2 | 3:
                handing_back.shorten(lease=lease, ends_at=end, actor=ACTOR, now=AT)
            case _:
                schedule.end_due(now=end)

    failures = [result for result in together(TIMES * LEASES, act) if result is not None]
    assert all(isinstance(failure, WindowRefused) for failure in failures), failures
    for lease in leases:
        changes = list(LeaseChange.objects.filter(lease=lease).order_by("pk"))
        assert [change.old_ends_at for change in changes[1:]] == [change.new_ends_at for change in changes[:-1]]
        prices = HandBack.objects.filter(change__lease=lease).values_list("price_micros", flat=True)
        assert sum(prices) in {9 * 3_600_000, 8 * 3_600_000}  # to the return, or shortened and over by then
    work_all(leases[0].offer, now=end)
    assert (deadlocks(), overlaps()) == (before, 0)
    assert_books_balance()
    assert list(invariants.broken(now=end)) == []


def test_without_the_locks_the_same_returns_are_charged_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the race is real, and the locks win it. Of each lease two returns look before either writes."""
    leases = many()
    looks = {lease.pk: meeting(lambda found: Lease.objects.get(pk=found.pk)) for lease in leases}
    monkeypatch.setattr(operations, "lock_wallet", _look)
    monkeypatch.setattr(calendar, "lock_nodes_of", lambda lease: [])
    monkeypatch.setattr(leasing_handing_back, "lock_lease", lambda lease: looks[lease.pk](lease))
    monkeypatch.setattr(leasing_handing_back, "end_locked", lambda **_: None)  # whose guarded move refuses the second
    together(TIMES * LEASES, lambda number: returned(Lease.objects.get(pk=leases[number % LEASES].pk)))
    assert Posting.objects.filter(kind=PostingKind.EARLY_RETURN).count() >= 2 * LEASES


def _look(*, organization: Organization) -> LedgerAccount:
    return LedgerAccount.objects.get(organization=organization, kind="wallet")


def test_twenty_returns_of_one_lease_cost_once() -> None:
    lease = many()[0]
    assert together(20, lambda _: returned(Lease.objects.get(pk=lease.pk))) == [None] * 20
    assert Posting.objects.filter(lease=lease, kind=PostingKind.EARLY_RETURN).count() == 1
