"""Staff see all the money and can change none of it."""

import pytest
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.test import Client, RequestFactory

from accounts.clock import now
from accounts.models import Organization
from billing import automatic, budgets, customers, handing_back, inbox, incidents, metering, waiting
from billing.models import Discrepancy, GatewayEvent, Payment
from billing.payments.base import KeyRefused
from leasing.operations import end
from marketplace.models import Offer
from tests import factories
from tests.billing.cards_world import a_card, a_card_page
from tests.billing.conftest import NOON, SECOND, invoiced, running
from tests.billing.reserving import an_offer, booked

pytestmark = pytest.mark.django_db
MODELS = [model for model in admin.site._registry if model._meta.app_label == "billing"]


@pytest.fixture
def staff(acme: Organization, offer: Offer) -> Client:
    """Somebody in the admin, where there is something of everything to see."""
    lease = running(acme, offer)
    end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + 90 * SECOND)
    metering.meter(lease=lease, upto=NOON, now=NOON)
    handing_back.hand_back(lease=booked(acme, an_offer(nodes=3)), actor="user:us_tests", now=NOON)
    invoiced(acme, now=now())
    wish = waiting.Wish(mode="tell", nodes=1)
    waiting.join(organization=acme, actor="user:us_tests", created_by=None, wish=wish, name="w", setup=None, now=NOON)
    budgets.create(organization=acme, actor="", created_by=None, project="", limit_micros=1, now=NOON)
    Payment.objects.create(organization=acme, amount_cents=5000, created_at=NOON, next_check_at=NOON)
    GatewayEvent.objects.create(event_id="evt_1", kind="other", payload={}, received_at=NOON, next_attempt_at=NOON)
    Discrepancy.objects.create(day=NOON, source="ch_1", processor_cents=1, ledger_cents=2, found_at=NOON)
    incidents.key_refused(refusal=KeyRefused("no"), now=NOON)
    inbox.refuse(reason="no signature", now=NOON)
    customers.make_known(organization=acme, now=NOON)
    a_card(acme), a_card_page(acme)
    automatic.switch_on(organization=acme, rules=automatic.Rules(), actor="user:us_tests", now=NOON)
    root = factories.a_user("root@example.com", is_staff=True, is_superuser=True)
    Authenticator.objects.create(user=root, type=Authenticator.Type.TOTP, data={})
    browser = Client()
    browser.force_login(root)
    return browser


def test_every_list_and_row_opens(staff: Client) -> None:
    assert len(MODELS) == 39
    for model in MODELS:
        base = f"/admin/billing/{model._meta.model_name}/"
        assert staff.get(f"{base}?q=x").status_code == 200, base
        assert staff.get(base).status_code == 200, base
        for row in model._default_manager.all()[:1]:
            assert staff.get(f"{base}{row.pk}/change/").status_code == 200, base


def test_nothing_can_be_added_changed_or_deleted() -> None:
    request = RequestFactory().get("/")
    for model in MODELS:
        pages = admin.site._registry[model]
        assert not pages.has_add_permission(request)
        assert not pages.has_change_permission(request)
        assert not pages.has_delete_permission(request)
