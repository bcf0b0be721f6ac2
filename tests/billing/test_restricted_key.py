"""The permissions that the operations guide lists are enough for everything that moves money."""

import re
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from accounts.clock import now
from accounts.models import Organization
from billing import (
    card_invoices,
    cards,
    credit_notes,
    customers,
    exporting,
    payments,
    polling,
    reconciling,
    refunds,
    sending,
    taxing,
)
from billing.models import CardInvoice, Discrepancy, Export, GatewayCall, Movement, PaymentState, Refund, RefundState
from billing.payments.base import GatewayUnavailable
from billing.tying_out import tie_out
from marketplace.models import Offer
from tests import factories
from tests.billing.cards_world import charged, saved
from tests.billing.conftest import SECOND
from tests.billing.monthly import APRIL, HOUR, MARCH, MICROS, at, charge, monthly, sweep, to
from tests.billing.stripe_world import paid
from tests.billing.taxed import invoiced, used
from tests.billing.test_taxing import BERLIN
from tests.factories import DAY
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db(transaction=True)
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
KEY = "rk_test_gridlease"
PERMISSIONS = dict(re.findall(r"^\| [^|]+ \| `(\w+)` \| (read|write) \|", GUIDE.read_text(), re.MULTILINE))


def test_a_life_of_money_needs_no_other_permissions(stripe: StripeStandin, settings: Settings) -> None:
    assert len(PERMISSIONS) == 20
    stripe.restricted_key(KEY, **PERMISSIONS)
    settings.STRIPE_API_KEY = KEY
    gateway, organization = payments.gateway(), factories.an_organization()
    assert gateway.account()
    customers.make_known(organization=organization, now=now())
    assert paid(stripe, organization, 5000)
    refunds.request_refund(organization=organization, actor="", created_by=None, amount_cents=2000, now=now())
    assert sending.send_due(gateway=gateway, now=now()) == {}
    assert Refund.objects.get().state == RefundState.SUCCEEDED
    card = saved(stripe, organization)
    assert charged(organization, card).state == PaymentState.PAID
    assert cards.check_due(gateway=gateway, now=now() + 2 * DAY) == {}
    taxing.declare(organization=organization, fields=BERLIN, actor="", now=now())
    for profile in taxing.due(now=now()):
        taxing.check(profile=profile, gateway=gateway, now=now())
    cards.remove(card=card, actor="", now=now())
    assert sending.send_due(gateway=gateway, now=now() + SECOND) == {}
    assert refunds.check_sent(gateway=gateway, now=now() + DAY) == {}
    assert not any(isinstance(error, GatewayUnavailable) for error in polling.poll(gateway=gateway, now=now()).values())
    reconciling.reconcile(gateway=gateway, now=now() + 2 * DAY)
    assert Movement.objects.count() == 3 and not Discrepancy.objects.exists()
    assert set(GatewayCall.objects.values_list("state", flat=True)) == {"done"}


def test_months_need_no_other_permissions_either(stripe: StripeStandin, settings: Settings) -> None:
    stripe.restricted_key(KEY, **PERMISSIONS)
    settings.STRIPE_API_KEY = KEY
    with at(stripe, MARCH):
        organization = monthly(factories.an_organization(), MARCH).organization
        charge(organization, MICROS, MARCH)
        exporting.missed(organization=organization, month_end=APRIL, micros=MICROS, now=MARCH)
        assert sweep(to(stripe, MARCH + HOUR)) == {}
        assert Export.objects.filter(state="counted").count() == 2
        assert card_invoices.look(gateway=payments.gateway(), now=to(stripe, APRIL + 2 * HOUR)) == {}
        assert [row.paid_cents for row in CardInvoice.objects.all()] == [200, 0]  # and of the day it began
        assert tie_out(gateway=payments.gateway(), now=APRIL + 2 * HOUR) == {}


def test_nor_does_tax_on_our_own_invoices(
    stripe: StripeStandin, settings: Settings, acme: Organization, offer: Offer
) -> None:
    stripe.restricted_key(KEY, **PERMISSIONS)
    settings.STRIPE_API_KEY, settings.STRIPE_TAX = KEY, True
    with at(stripe, MARCH):
        used(acme, offer)
        note = credit_notes.credit(
            invoice=(invoice := invoiced(stripe)),
            cents_by_line={invoice.lines.get().pk: 100},
            reason="tests",
            actor="",
            now=APRIL + 2 * HOUR,
        )
        assert sending.send_due(gateway=payments.gateway(), now=APRIL + 2 * HOUR) == {}
        assert GatewayCall.objects.get(kind="tax_reversal", subject=note.public_id).state == "done"


def test_without_one_of_them_nothing_is_taken_for_refused(stripe: StripeStandin, settings: Settings) -> None:
    stripe.restricted_key("rk_test_less", **{**PERMISSIONS, "customer": "read"})
    settings.STRIPE_API_KEY = "rk_test_less"
    customers.make_known(organization=factories.an_organization(), now=now())
    (error,) = sending.send_due(gateway=payments.gateway(), now=now()).values()
    assert isinstance(error, GatewayUnavailable) and "rak_customer_write" in str(error)
