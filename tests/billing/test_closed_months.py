"""A month that is invoiced is closed, by the database itself; late news of it are corrected in an open one."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Organization
from billing import invoicing, metering, operations
from billing.models import AccountKind, Invoice, Posting, PostingKind, Usage, UsageKind
from billing.queries.months import month_of, start_of
from leasing.models import Lease
from leasing.operations import end
from marketplace.models import Offer
from tests.billing.conftest import HOUR, NOON, SECOND, funded, running
from tests.billing.test_outages import out
from tests.factories import DAY

pytestmark = pytest.mark.django_db
APRIL = NOON + 32 * DAY


@pytest.fixture
def invoiced(acme: Organization, offer: Offer) -> Lease:
    """A lease of ten minutes, in a March that has its invoice."""
    lease = running(acme, offer)
    end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + 600 * SECOND)
    metering.meter(lease=lease, upto=NOON + HOUR, now=NOON + HOUR)
    assert invoicing.close(period=month_of(NOON), organizations=[acme.pk], now=APRIL).issued
    return lease


def use(lease: Lease, at: Any) -> Usage:
    return Usage.objects.create(
        lease=lease, from_at=at, until_at=at + HOUR, seconds=3600, micros_per_node_hour=1, nodes=1, micros=1
    )


def post(organization: Organization, kind: PostingKind, at: Any, key: str = "late") -> Posting:
    amounts = {AccountKind.WALLET: -1, AccountKind.REVENUE: 1}
    return operations.post(organization=organization, kind=kind, key=key, at=at, amounts=amounts)


@pytest.mark.parametrize("day", [0, 29])
def test_no_usage_can_be_dated_into_a_month_that_is_invoiced(invoiced: Lease, day: int) -> None:
    with pytest.raises(IntegrityError, match="in a month that is invoiced"), transaction.atomic():
        use(invoiced, NOON + day * DAY + 2 * HOUR)
    assert use(invoiced, NOON + 30 * DAY)  # the first of April
    assert use(invoiced, NOON - 2 * DAY)  # the last of February: nobody has closed it


@pytest.mark.parametrize("kind", [PostingKind.USAGE, PostingKind.CORRECTION])
def test_no_posting_of_usage_can_be_dated_into_it(invoiced: Lease, acme: Organization, kind: PostingKind) -> None:
    with pytest.raises(IntegrityError, match="in a month that is invoiced"), transaction.atomic():
        post(acme, kind, NOON + DAY)
    assert post(acme, kind, APRIL)
    assert post(funded(1, "Other Ltd"), kind, NOON + DAY, "other"), "another organization's month is open"


def test_what_becomes_known_later_is_corrected_in_the_open_month(invoiced: Lease, acme: Organization) -> None:
    before = list(Invoice.objects.values()), list(Usage.objects.values())
    out(invoiced, NOON + 100 * SECOND, NOON + 160 * SECOND, known=APRIL)
    assert metering.correct(lease=invoiced, now=APRIL) == -60_000
    correction = Usage.objects.get(kind=UsageKind.CORRECTION)
    assert correction.corrects and (correction.from_at, correction.corrects.from_at) == (APRIL, NOON)
    assert (list(Invoice.objects.values()), list(Usage.objects.exclude(pk=correction.pk).values())) == before


def test_a_running_lease_is_corrected_where_its_next_slice_begins(acme: Organization, offer: Offer) -> None:
    midnight = start_of(month_of(APRIL))
    lease = running(acme, offer, now=midnight - HOUR)
    metering.meter(lease=lease, upto=midnight, now=midnight + 61 * SECOND)
    assert invoicing.close(period=month_of(NOON), organizations=[acme.pk], now=midnight + 61 * SECOND).issued
    out(lease, midnight - 100 * SECOND, midnight + 20 * SECOND, known=midnight + 90 * SECOND)
    metering.meter(lease=lease, upto=midnight + HOUR, now=midnight + HOUR)
    correction = Usage.objects.get(kind=UsageKind.CORRECTION)
    assert (correction.from_at, correction.outage_node_seconds, correction.micros) == (midnight, 100, -100_000)
