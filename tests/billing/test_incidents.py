"""What only a person can end is told to staff once, and shown to them until it is over."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.clock import now
from accounts.models import Event, Organization
from accounts.notices import STAFF
from billing import customers, incidents, tasks
from billing.models import CallState, GatewayCall, GatewayIncident, IncidentKind
from billing.payments.base import Gateway, KeyRefused, PermissionRefused
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


@pytest.mark.parametrize("kind", IncidentKind.values)
def test_each_kind_is_told_to_whoever_sees_it_on_the_page(kind: str) -> None:
    assert STAFF.get(f"payment.{kind}") == "billing.view_discrepancy"


def told(kind: str) -> int:
    return Event.objects.filter(kind=f"payment.{kind}", organization=None, notice__isnull=False).count()


def shown(staff: Client) -> str:
    return staff.get(PAGE).content.decode()


def again(call: GatewayCall) -> None:
    """It is made again at once."""
    GatewayCall.objects.filter(pk=call.pk).update(next_attempt_at=now())
    tasks.send_calls()
    call.refresh_from_db()


def refused(settings: Settings, customer: Organization, key: str) -> GatewayCall:
    """A call that was refused three times with that key, which is replaced then by one that is good."""
    good, settings.STRIPE_API_KEY = settings.STRIPE_API_KEY, key
    customers.make_known(organization=customer, now=now())
    call = GatewayCall.objects.get()
    for _ in range(3):
        again(call)
    assert (call.state, call.attempts) == (CallState.PENDING, 3)
    settings.STRIPE_API_KEY = good
    return call


def test_a_key_that_is_refused_is_told_once_and_shown_until_a_call_is_accepted(
    stripe: StripeStandin, settings: Settings, poor: Organization, staff: Client
) -> None:
    call = refused(settings, poor, "rk_test_revoked")
    assert told("key_refused") == 1
    assert "refuses our key" in shown(staff)
    tasks.settle()  # it has nothing to ask
    assert "refuses our key" in shown(staff)
    again(call)
    assert call.state == CallState.DONE
    assert "refuses our key" not in shown(staff) and GatewayIncident.objects.get().over_at
    incidents.key_refused(refusal=KeyRefused("once more"), now=now() + MINUTE)
    assert told("key_refused") == 2


def test_a_missing_permission_is_shown_until_nothing_was_refused_for_two_hours(
    stripe: StripeStandin, settings: Settings, poor: Organization, staff: Client
) -> None:
    stripe.restricted_key("rk_test_narrow", customer="read")  # 403, where one that is not there is 401
    call = refused(settings, poor, "rk_test_narrow")
    assert told("permission_refused") == 1 and told("key_refused") == 0
    again(call)
    assert call.state == CallState.DONE
    incidents.review(now=now() + HOUR)
    assert "our key may not do" in shown(staff)  # that another call was accepted says nothing of it
    incidents.review(now=now() + 3 * HOUR)
    assert "our key may not do" not in shown(staff) and GatewayIncident.objects.get().over_at
    incidents.key_refused(refusal=PermissionRefused("once more"), now=now() + 4 * HOUR)
    assert told("permission_refused") == 2


def test_a_sweep_in_which_the_key_was_accepted_and_then_refused_leaves_it_refused(
    stripe: StripeStandin, settings: Settings, staff: Client
) -> None:
    incidents.key_refused(refusal=KeyRefused("no"), now=now())

    def changing(*, gateway: Gateway, now: datetime) -> dict[str, Exception]:
        gateway.fetch("/v1/balance")
        return {"row": KeyRefused("not any more")}

    tasks.ask(changing)
    assert "refuses our key" in shown(staff) and told("key_refused") == 1


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
