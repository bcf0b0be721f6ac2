"""The stock in the admin: staff see everything, add prices, and can neither rewrite history nor delete what is used."""

from datetime import timedelta

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.apps import apps
from django.contrib import admin
from django.test import Client

from accounts.clock import now
from accounts.models import User
from marketplace.models import GPUModel, Node, Offer, Rate, Site
from marketplace.queries import current_rate
from marketplace.states import NodeState
from tests.factories import NOON
from tests.marketplace.conftest import Fair

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(fair: Fair) -> Client:
    """A browser in which staff are logged in, with their second factor."""
    user = User.objects.create_superuser("staff@example.com", "correct horse battery", name="Staff")
    TOTP.activate(user, generate_totp_secret())
    browser = Client()
    browser.force_login(user)
    return browser


def rates(offer: Offer, **rows: str) -> dict[str, str]:
    """An offer's form, with one new rate."""
    form = {"listed": "on", "rates-TOTAL_FORMS": "1", "rates-INITIAL_FORMS": "0"}
    return form | {f"rates-0-{name}": value for name, value in rows.items()}


def change(offer: Offer) -> str:
    return f"/admin/marketplace/offer/{offer.pk}/change/"


def test_staff_see_every_list_and_row_of_the_stock(staff: Client) -> None:
    seen = 0
    for model in apps.get_app_config("marketplace").get_models():
        if model not in admin.site._registry:
            continue
        base = f"/admin/marketplace/{model._meta.model_name}/"
        assert staff.get(base).status_code == 200
        assert staff.get(f"{base}?q=macon").status_code == 200
        for row in model._default_manager.all()[:1]:
            assert staff.get(f"{base}{row.pk}/change/").status_code == 200
        seen += 1
    assert seen == 11


def test_nodes_are_found_by_state_and_show_their_history(staff: Client, fair: Fair) -> None:
    node, other, *_ = Node.objects.filter(pool=fair.green.pool)
    node.move_to(NodeState.MAINTENANCE, at=NOON, reason="fan", actor="user:us_staff")
    found = staff.get("/admin/marketplace/node/?state__exact=maintenance").content.decode()
    assert node.name in found and other.name not in found
    history = staff.get(f"/admin/marketplace/node/{node.pk}/change/").content.decode()
    assert "user:us_staff" in history and "fan" in history


def test_a_state_is_never_typed_in(staff: Client, fair: Fair) -> None:
    node = Node.objects.filter(pool=fair.green.pool)[0]
    form = {"address": "10.0.0.9", "port": "22", "user": "root", "host_key": "", "state": "retired"}
    management = {"transitions-TOTAL_FORMS": "0", "transitions-INITIAL_FORMS": "0"}
    assert staff.post(f"/admin/marketplace/node/{node.pk}/change/", form | management).status_code == 302
    node.refresh_from_db()
    assert (node.state, node.address) == (NodeState.AVAILABLE, "10.0.0.9")
    assert staff.get("/admin/marketplace/node/add/").status_code == 403


def test_a_new_price_holds_at_once_and_the_old_one_stays_on_record(staff: Client, fair: Fair) -> None:
    assert staff.post(change(fair.big), rates(fair.big, dollars="4.123456")).status_code == 302
    assert current_rate(offer=fair.big, at=now()).micros_per_node_hour == 4_123_456
    assert Rate.objects.filter(offer=fair.big).count() == 2


def test_a_price_can_be_set_for_later_but_not_for_the_past(staff: Client, fair: Fair) -> None:
    for days, status in ((-1, 200), (1, 302)):
        at = now() + timedelta(days=days)
        row = {"dollars": "1", "starts_at_0": f"{at:%Y-%m-%d}", "starts_at_1": f"{at:%H:%M:%S}"}
        answer = staff.post(change(fair.big), rates(fair.big, **row))
        assert answer.status_code == status
        assert ("Choose a start after now" in answer.content.decode()) is (status == 200)
    assert current_rate(offer=fair.big, at=now()).micros_per_node_hour == 3_600_000


def test_a_price_is_added_from_the_list_of_prices_too(staff: Client, fair: Fair) -> None:
    form = {"offer": str(fair.green.pk), "dollars": "2.5", "starts_at_0": "", "starts_at_1": ""}
    assert staff.post("/admin/marketplace/rate/add/", form).status_code == 302
    assert current_rate(offer=fair.green, at=now()).micros_per_node_hour == 2_500_000


def test_a_price_is_neither_edited_nor_deleted(staff: Client, fair: Fair) -> None:
    rate = Rate.objects.get(offer=fair.big)
    base = f"/admin/marketplace/rate/{rate.pk}"
    assert staff.post(f"{base}/change/", {"dollars": "1"}).status_code == 403
    assert staff.post(f"{base}/delete/", {"post": "yes"}).status_code == 403


def test_an_offer_is_taken_off_the_list_and_never_deleted(staff: Client, fair: Fair) -> None:
    form = {"rates-TOTAL_FORMS": "0", "rates-INITIAL_FORMS": "0"}
    assert staff.post(change(fair.big), form).status_code == 302
    fair.big.refresh_from_db()
    assert not fair.big.listed
    assert staff.post(f"/admin/marketplace/offer/{fair.big.pk}/delete/", {"post": "yes"}).status_code == 403


def test_what_others_point_at_is_not_deleted_and_what_nobody_uses_is(staff: Client, fair: Fair) -> None:
    macon = Site.objects.get(slug="macon")
    assert staff.post(f"/admin/marketplace/site/{macon.pk}/delete/", {"post": "yes"}).status_code == 403
    unused = GPUModel.objects.get(slug="l4")
    unused.pk, unused.slug = None, "unused"
    unused.save()
    assert staff.post(f"/admin/marketplace/gpumodel/{unused.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not GPUModel.objects.filter(slug="unused").exists()


def test_what_others_know_a_row_by_is_set_once(staff: Client, fair: Fair) -> None:
    macon = Site.objects.get(slug="macon")
    assert 'name="slug"' in staff.get("/admin/marketplace/site/add/").content.decode()
    assert 'name="slug"' not in staff.get(f"/admin/marketplace/site/{macon.pk}/change/").content.decode()
