"""What a lease was charged for a month is kept beside its usage by the database, whoever writes it and however many."""

from threading import Barrier

import pgtrigger
import pytest
from django.db import transaction

from billing.invariants import broken
from billing.models import MonthUse, Usage
from leasing.models import Lease
from tests import factories
from tests.billing.conftest import HOUR, NOON, SECOND, funded, running
from tests.factories import DAY
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)
WRITERS = 8


@pytest.fixture
def lease(db: None) -> Lease:
    """One that is charged by nobody yet."""
    return running(funded(100), factories.an_offer())


def use(lease: Lease, number: int = 0) -> None:
    begin = NOON + number * SECOND
    Usage.objects.create(
        lease=lease, from_at=begin, until_at=begin + SECOND, seconds=1, micros_per_node_hour=3600, nodes=1, micros=1
    )


def kept(lease: Lease) -> int:
    return MonthUse.objects.get(lease=lease, organization=lease.organization, month=NOON.date().replace(day=1)).micros


def test_many_writers_for_one_lease_and_month_lose_nothing(lease: Lease) -> None:
    results = together(WRITERS, lambda number: use(lease, number))
    assert results == [None] * WRITERS
    assert kept(lease) == WRITERS
    assert not [line for line in broken(now=NOON + DAY) if line.startswith("I5e")]


def test_read_and_then_written_most_of_it_is_lost(lease: Lease) -> None:
    """The control: the same sum, kept by whoever writes usage."""
    MonthUse.objects.create(lease=lease, organization=lease.organization, month=NOON.date().replace(day=1), micros=0)
    everybody = Barrier(WRITERS)

    def add(number: int) -> None:
        with transaction.atomic(), pgtrigger.ignore("billing.Usage:usage_is_added_to_its_month"):
            use(lease, number)
            row = MonthUse.objects.get(lease=lease)
            everybody.wait(timeout=30)
            row.micros += 1
            row.save()

    assert together(WRITERS, add) == [None] * WRITERS
    assert kept(lease) == 1


def test_a_sum_that_is_not_its_usage_is_found(lease: Lease) -> None:
    use(lease)
    MonthUse.objects.update(micros=2)
    assert "I5e" in "".join(broken(now=NOON + HOUR))
    MonthUse.objects.all().delete()
    assert "I5e" in "".join(broken(now=NOON + HOUR))
