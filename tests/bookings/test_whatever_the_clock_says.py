"""Days of 23 and 25 hours, leap days, ends of months, and machines whose clocks are wrong: a booking is the same."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from rest_framework.test import APIClient

from accounts import clock
from accounts.models import Event, Organization
from billing import extending, metering
from billing.invariants import broken
from leasing import schedule, tasks
from leasing.models import Claim, Lease
from marketplace.models import Offer
from tests import factories
from tests.billing.conftest import a_quote, acme, ada, api, funded, offer, place, reserved, world
from tests.factories import DAY, HOUR
from tests.leasing.conftest import work_all

__all__ = ["acme", "ada", "api", "offer", "reserved", "world"]
pytestmark = pytest.mark.django_db

CLEANING, GUARANTEE = timedelta(minutes=15), timedelta(days=7)
MICROS_PER_HOUR = factories.MICROS_PER_NODE_HOUR
SLACK = timedelta(minutes=2)

# Each lies in the middle of 24 hours that are leased.
TURNS = {
    "clocks are set forward in New York": datetime(2026, 3, 8, 7, tzinfo=UTC),
    "clocks are set forward in Berlin": datetime(2026, 3, 29, 1, tzinfo=UTC),
    "clocks are set back in New York": datetime(2026, 11, 1, 6, tzinfo=UTC),
    "the leap day begins": datetime(2028, 2, 29, tzinfo=UTC),
    "the leap day ends": datetime(2028, 3, 1, tzinfo=UTC),
    "a February without one ends": datetime(2027, 3, 1, tzinfo=UTC),
    "a month of thirty days ends": datetime(2026, 5, 1, tzinfo=UTC),
    "a year ends": datetime(2027, 1, 1, tzinfo=UTC),
}


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_a_day_that_is_leased_has_24_hours(turn: datetime, reserved: Offer) -> None:
    now, starts_at = turn - 13 * HOUR, turn - 12 * HOUR
    customer = funded(1000)
    quote = a_quote(customer, reserved, now=now, starts_at=starts_at, ends_at=starts_at + DAY)
    lease = place(quote, now=now)
    assert quote.total_micros == 24 * MICROS_PER_HOUR
    extending.extend(lease=lease, ends_at=starts_at + DAY + HOUR, actor="user:us_tests", now=now)
    (period,) = Claim.objects.values_list("period", flat=True)
    assert (period.lower, period.upper) == (starts_at, starts_at + 25 * HOUR + CLEANING)
    tick(starts_at, reserved)
    tick(starts_at + 25 * HOUR, reserved)
    metering.meter(lease=lease, upto=starts_at + 26 * HOUR, now=starts_at + 26 * HOUR)
    lease.refresh_from_db()
    assert (lease.state, lease.meter.charged_micros) == ("ended", 25 * MICROS_PER_HOUR)
    assert list(broken(now=starts_at + 26 * HOUR)) == []


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_a_week_that_is_guaranteed_has_seven_times_24_hours(turn: datetime, offer: Offer) -> None:
    now = turn - 12 * HOUR
    lease = place(a_quote(funded(1000), offer, now=now), now=now)
    assert lease.guaranteed_until == now + GUARANTEE
    tick(now, offer)
    tick(now + 2 * DAY, offer)  # renewed, as less than six days would be left otherwise
    lease.refresh_from_db()
    assert lease.guaranteed_until == now + 2 * DAY + GUARANTEE


def tick(now: datetime, offer: Offer) -> None:
    """All that is due at a moment."""
    schedule.run_due(now=now)
    work_all(offer, now=now)


@pytest.mark.parametrize("wrong_by", [-HOUR, HOUR], ids=["slow", "fast"])
def test_a_lease_is_had_and_given_back_by_the_databases_clock(
    api: APIClient, acme: Organization, offer: Offer, wrong_by: timedelta
) -> None:
    """Web, beat and workers, all of whose clocks are wrong by an hour."""
    key, image, site = factories.a_key(acme), factories.an_image(), offer.pool.site.slug
    began = clock.now()
    with time_machine.travel(datetime.now(UTC) + wrong_by):
        quote = api.post("/api/v1/quotes", {"offer": offer.public_id}, headers={"Idempotency-Key": "q"}).json()
        order = {"quote": quote["id"], "name": "run", "ssh_keys": [key.public_id], "image": image.slug}
        made = api.post("/api/v1/leases", order, format="json", headers={"Idempotency-Key": "l"})
        assert made.status_code == 201, made.content
        schedule.run_due(now=clock.now())
        tasks.work_site(site=site)
        assert Lease.objects.get().state == "active"
        api.post(f"/api/v1/leases/{made.json()['id']}/return", headers={"Idempotency-Key": "r"})
        schedule.run_due(now=clock.now())
        tasks.work_site(site=site)
    lease, until = Lease.objects.get(), clock.now()
    assert lease.state == "ended" and until - began < SLACK
    moments = [lease.created_at, lease.starts_at, lease.guaranteed_until - GUARANTEE]
    told = Event.objects.filter(subject=lease.public_id)
    moments += [*lease.transitions.values_list("at", flat=True), *told.values_list("at", flat=True)]
    assert all(began <= moment <= until for moment in moments)
    assert list(broken(now=until)) == []
