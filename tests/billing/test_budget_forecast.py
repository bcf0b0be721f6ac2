"""When a budget will be reached, what its month comes to, and what is said once it is reached."""

from datetime import datetime

import pytest

from accounts.models import Event, Organization
from billing import budgets
from billing.models import Budget
from billing.queries import commitments
from leasing.models import Lease
from leasing.states import LeaseState
from marketplace.models import Offer
from tests.billing.conftest import HOUR, NOON, SECOND, a_quote, funded, running
from tests.billing.test_budgets import APRIL, MARCH, MIDNIGHT, MINUTE, cap, enforce

pytestmark = pytest.mark.django_db


def test_the_forecast_names_the_moment_at_which_the_limit_is_reached(acme: Organization, offer: Offer) -> None:
    budget = cap(acme, 36)
    running(acme, offer)
    spoken = commitments(organization=acme, now=NOON + HOUR - 5 * MINUTE)
    seen = budgets.outlook(budget=budget, spoken=spoken, now=NOON + HOUR - 5 * MINUTE)
    assert seen.left_micros == 32_400_000
    assert seen.reached_at == NOON + HOUR - 5 * MINUTE + 9 * HOUR
    assert seen.forecast_micros == 3_600_000 * (MIDNIGHT - NOON) // HOUR


def test_the_hour_that_an_order_commits_counts_once_in_the_forecast(acme: Organization, offer: Offer) -> None:
    """What is kept for the first hour is used in that hour: the limit comes no sooner, nor the month dearer, for it."""
    cap(acme, 36)
    running(acme, offer)
    (with_one_more,) = budgets.with_order(quote=a_quote(acme, offer), project="", now=NOON)
    assert with_one_more.left_micros == 28_800_000
    assert with_one_more.reached_at == NOON + 5 * HOUR - 5 * MINUTE
    assert with_one_more.forecast_micros == 7_200_000 * (MIDNIGHT - NOON) // HOUR


def test_the_limit_is_forecast_for_when_what_runs_is_paused(acme: Organization, offer: Offer) -> None:
    cap(acme, 9)
    running(acme, offer)
    running(acme, offer, now=NOON + 30 * MINUTE)  # its hour is kept until 13:30: until then only the first one grows
    budget, at = Budget.objects.get(), NOON + 31 * MINUTE
    seen = budgets.outlook(budget=budget, spoken=commitments(organization=acme, now=at), now=at)
    assert seen.reached_at == NOON + 85 * MINUTE
    enforce(acme, seen.reached_at)
    assert not Lease.objects.filter(state=LeaseState.PAUSED).exists()
    enforce(acme, seen.reached_at + SECOND)
    assert Lease.objects.filter(state=LeaseState.PAUSED).count() == 1


@pytest.mark.parametrize(("begun", "helps"), [(NOON, False), (MIDNIGHT - 4 * HOUR, True)])
def test_the_mail_of_a_pause_names_the_new_month_only_while_the_data_is_kept(
    offer: Offer, begun: datetime, *, helps: bool
) -> None:
    acme = funded(1000)
    cap(acme, 7.2, now=begun)
    running(acme, offer, now=begun)
    enforce(acme, begun + 116 * MINUTE)
    words = Event.objects.get(kind="lease.paused").notice
    assert words and "once an hour of it, $3.60, fits into the budget" in words["text"]
    assert ("or wait for the new month at 2026-04-01 00:00 UTC" in words["text"]) is helps


def test_what_goes_on_into_the_next_month_names_the_moment_there(acme: Organization, offer: Offer) -> None:
    """March has 708 hours left, April has 720."""
    cap(acme, 3.6 * 712)
    quote = a_quote(acme, offer)
    assert [(one.month, one.reached_at) for one in budgets.with_order(quote=quote, project="", now=NOON)] == [
        (MARCH, None),
        (APRIL, MIDNIGHT + 712 * HOUR),
    ]
    Budget.objects.update(limit_micros=3_600_000 * 720)
    assert [one.month for one in budgets.with_order(quote=quote, project="", now=NOON)] == [MARCH]
