"""Before a lease with an end ends, its customer hears it in time to save their work, or to extend it."""

from datetime import datetime

import pytest

from accounts.models import Event, Organization
from billing import handing_back
from leasing import schedule
from leasing.models import Lease
from leasing.operations import renew, tell_ending
from leasing.queries.extension import ending_soon
from marketplace.models import Offer
from tests import factories
from tests.billing.agreed import ACTOR, END, START, active, behind, extend, scheduled
from tests.billing.conftest import HOUR, NOON, SECOND, running
from tests.billing.test_extending_itself import by_itself, by_no_more
from tests.factories import DAY

pytestmark = pytest.mark.django_db
MINUTE = 60 * SECOND
LAST_QUARTER = END - 30 * MINUTE


def told() -> list[str]:
    return [event.data["ends_at"] for event in Event.objects.filter(kind="lease.ending").order_by("pk")]


def words() -> dict[str, str]:
    return dict(Event.objects.get(kind="lease.ending").notice or {})


def test_the_customer_hears_once_when_a_quarter_of_the_time_is_left(acme: Organization, reserved: Offer) -> None:
    lease = active(acme, reserved)
    schedule.tell_endings(now=LAST_QUARTER - SECOND)
    assert told() == []
    schedule.tell_endings(now=LAST_QUARTER)
    schedule.tell_endings(now=END - SECOND)
    assert told() == [END.isoformat()]
    assert words()["title"] == f"{lease.name} ends at 2026-03-02 15:00 UTC"
    assert "wiped for good" in words()["text"] and "it can go on until" in words()["text"]
    assert words()["path"] == f"/leases/{lease.public_id}/extend/"


def test_of_a_long_lease_the_customer_hears_a_day_before(acme: Organization, reserved: Offer) -> None:
    lease = active(acme, reserved)
    Lease.objects.filter(pk=lease.pk).update(ends_at=START + 30 * DAY)
    assert not ending_soon(now=START + 29 * DAY - SECOND).exists()
    assert ending_soon(now=START + 29 * DAY).exists()


def test_where_somebody_is_booked_behind_it_says_so(acme: Organization, reserved: Offer) -> None:
    lease = active(acme, reserved)
    behind(reserved, END + HOUR)
    schedule.tell_endings(now=LAST_QUARTER)
    assert "It cannot go on: Somebody has booked" in words()["text"]
    assert words()["path"] == f"/leases/{lease.public_id}/"


def test_where_it_is_too_late_to_extend_it_says_that(acme: Organization, reserved: Offer) -> None:
    factories.the_terms(reserved.plan, starts_at=NOON - DAY, extend_until_seconds=3600)
    active(acme, reserved)
    schedule.tell_endings(now=LAST_QUARTER)
    assert "had to be asked for until 2026-03-02 14:00 UTC" in words()["text"]


def test_another_end_is_told_anew(acme: Organization, reserved: Offer) -> None:
    lease = active(acme, reserved)
    schedule.tell_endings(now=LAST_QUARTER)
    extend(lease, END + HOUR, now=LAST_QUARTER)
    schedule.tell_endings(now=END)
    schedule.tell_endings(now=END + 30 * MINUTE)
    assert told() == [END.isoformat(), (END + HOUR).isoformat()]


def test_one_that_was_shortened_is_told_of_its_new_end(acme: Organization, reserved: Offer) -> None:
    lease = active(acme, reserved)
    handing_back.shorten(lease=lease, ends_at=END - HOUR, actor=ACTOR, now=START)
    schedule.tell_endings(now=END - HOUR - 15 * MINUTE)
    assert told() == [(END - HOUR).isoformat()]


def test_one_that_extends_itself_hears_only_where_it_cannot(acme: Organization, reserved: Offer) -> None:
    lease = active(acme, reserved)
    by_itself(lease)
    schedule.tell_endings(now=LAST_QUARTER)
    assert told() == []
    by_no_more(lease)
    schedule.tell_endings(now=LAST_QUARTER)
    assert told() == [END.isoformat()]


def test_a_sweep_that_found_it_before_it_was_extended_says_nothing(acme: Organization, reserved: Offer) -> None:
    lease = active(acme, reserved)
    (found,) = ending_soon(now=LAST_QUARTER)
    extend(lease, END + HOUR, now=LAST_QUARTER)
    tell_ending(lease=found, now=LAST_QUARTER)
    assert told() == []


@pytest.mark.parametrize("moment", [START - SECOND, END])
def test_nothing_is_said_before_it_began_or_once_it_is_over(
    acme: Organization, reserved: Offer, moment: datetime
) -> None:
    scheduled(acme, reserved)
    assert not ending_soon(now=moment).exists()


def test_whose_guarantee_is_renewed_hears_nothing(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    assert not ending_soon(now=lease.guaranteed_until - SECOND).exists()


def test_of_a_guarantee_that_ends_the_customer_is_reminded_a_day_before(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    Lease.objects.update(guarantee_notice_at=NOON)
    schedule.tell_endings(now=lease.guaranteed_until - DAY - SECOND)
    assert told() == []
    schedule.tell_endings(now=lease.guaranteed_until - DAY)
    schedule.tell_endings(now=lease.guaranteed_until - SECOND)
    assert told() == [lease.guaranteed_until.isoformat()]
    assert "wiped for good" in words()["text"] and "where equal nodes are free" in words()["text"]
    renew(lease=lease, now=lease.guaranteed_until - HOUR)
    assert Lease.objects.get().end_notice_at is None  # of a later one it is told anew


def test_who_was_told_within_the_last_day_is_not_reminded(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    Lease.objects.update(guarantee_notice_at=lease.guaranteed_until - DAY + SECOND)
    assert not ending_soon(now=lease.guaranteed_until - HOUR).exists()
