"""What only a person can end is told to staff once, and shown to them until it is over."""

from datetime import timedelta

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.clock import now
from accounts.models import Event, Organization
from billing import customers, incidents, tasks
from billing.models import CallState, GatewayCall, GatewayIncident
from tests import factories
from tests.accounts.cast import a_browser
from tests.leasing.test_fleet_pages import a_member_of_staff
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/operations/reconciliation/"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def poor(db: None) -> Organization:
    return factories.an_organization("Borealis")


@pytest.fixture
def staff(db: None) -> Client:
    return a_browser(a_member_of_staff("view_discrepancy"))


def told(kind: str) -> int:
    return Event.objects.filter(kind=f"payment.{kind}", organization=None, notice__isnull=False).count()


def shown(staff: Client) -> str:
    return staff.get(PAGE).content.decode()


def again(call: GatewayCall) -> None:
    """It is made again at once."""
    GatewayCall.objects.filter(pk=call.pk).update(next_attempt_at=now())
    tasks.send_calls()
    call.refresh_from_db()


@pytest.mark.parametrize("key", ["rk_test_revoked", "rk_test_narrow"])
def test_a_key_that_is_refused_is_told_once_and_shown_until_it_is_good_again(
    stripe: StripeStandin, settings: Settings, poor: Organization, staff: Client, key: str
) -> None:
    stripe.restricted_key("rk_test_narrow", customer="read")  # 403, where one that is not there is 401
    settings.STRIPE_API_KEY = key
    customers.make_known(organization=poor, now=now())
    call = GatewayCall.objects.get()
    for _ in range(3):
        again(call)
    assert (call.state, call.attempts) == (CallState.PENDING, 3)
    assert told("key_refused") == 1
    assert "refuses our key" in shown(staff)
    settings.STRIPE_API_KEY = "sk_test_standin"
    again(call)
    assert call.state == CallState.DONE
    incidents.review(now=now() + HOUR)
    assert "refuses our key" in shown(staff)  # what is asked once an hour may still be refused
    incidents.review(now=now() + 3 * HOUR)
    assert "refuses our key" not in shown(staff) and GatewayIncident.objects.get().over_at
    incidents.key_refused(message="once more", now=now() + 4 * HOUR)
    assert told("key_refused") == 2


def test_a_call_that_waits_for_an_hour_is_told_once_and_shown_while_it_waits(
    stripe: StripeStandin, poor: Organization, staff: Client
) -> None:
    customers.make_known(organization=poor, now=now() - 59 * MINUTE)
    incidents.review(now=now())
    assert not GatewayIncident.objects.exists()
    stripe.faults(path="/v1/customers", mode="429", times=2)
    call = GatewayCall.objects.get()
    GatewayCall.objects.update(created_at=now() - 61 * MINUTE)
    for _ in range(2):
        again(call)
    assert told("calls_late") == 1
    assert "wait for more than an hour" in shown(staff) and "of Borealis" in shown(staff)
    again(call)
    assert call.state == CallState.DONE
    assert "wait for more than an hour" not in shown(staff)
