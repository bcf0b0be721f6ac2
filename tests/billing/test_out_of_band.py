"""What is changed at the processor by hand: staff hears of it, and what can be made again is."""

from datetime import datetime

import pytest

from accounts.models import Event
from billing import card_invoices, out_of_band, payments
from billing.models import MeteredSubscription
from billing.payments.base import Facts
from tests.billing.conftest import funded
from tests.billing.monthly import DAY, HOUR, MARCH, MICROS, charge, metered_micros, monthly, processor, sweep, to
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db


def look(now: datetime) -> None:
    assert card_invoices.look(gateway=payments.gateway(), now=now) == {}


def told(kind: str) -> list[str]:
    """The titles of what staff was told."""
    rows = Event.objects.filter(kind=kind, organization=None, notice__isnull=False)
    return [row.notice["title"] for row in rows if row.notice]


def test_a_subscription_that_is_ended_there_is_found_told_and_made_again(time: StripeStandin) -> None:
    row = monthly(funded(0), MARCH)
    charge(row.organization, 5 * MICROS, MARCH)
    sweep(to(time, MARCH + HOUR))
    old = row.reference or ""
    processor().v1.subscriptions.cancel(old)
    for _ in range(2):
        look(to(time, MARCH + 2 * HOUR))  # no message came
    assert told("metered.subscription_ended") == [
        f"The subscription of {row.organization} was ended at the card processor"
    ]
    (event,) = Event.objects.filter(kind="metered.subscription_ended")
    assert event.data["counted_micros"] == 5 * MICROS
    for _ in range(2):
        sweep(to(time, MARCH + DAY))
    row.refresh_from_db()
    assert row.reference and row.reference != old and row.ends_at is None
    charge(row.organization, 7 * MICROS, MARCH + DAY)
    sweep(to(time, MARCH + DAY + 2 * HOUR))
    assert metered_micros(row.organization, MARCH + DAY, MARCH + 2 * DAY) == 7 * MICROS
    out_of_band.merge_subscription(facts={"id": old, "status": "canceled"}, now=MARCH + 2 * DAY)  # old news
    assert MeteredSubscription.objects.get().reference == row.reference


def test_one_that_stands_still_is_told_once_a_day(time: StripeStandin) -> None:
    row = monthly(funded(0), MARCH)
    paused: Facts = {"id": row.reference, "status": "active", "pause_collection": {"behavior": "void"}}
    for hours in (1, 2, 30):
        out_of_band.merge_subscription(facts=paused, now=MARCH + hours * HOUR)
    assert len(told("metered.subscription_stands_still")) == 2
    out_of_band.merge_subscription(facts={"id": row.reference, "status": "active"}, now=MARCH + 3 * DAY)
    assert len(told("metered.subscription_stands_still")) == 2
