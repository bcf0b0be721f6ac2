"""What an organization may have whatever it can pay: nodes at once, orders a minute, and a hold on ordering."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client, override_settings

from accounts.clock import now
from accounts.models import Event, Organization, User
from accounts.operations import hold_ordering, release_ordering
from billing import limits
from billing.limits import NodeLimitReached, OrderingBlocked
from billing.models import Payment, PaymentState
from leasing.models import Lease, NodeLimit
from leasing.operations import end
from leasing.queries.limits import nodes_at_once
from leasing.states import LeaseState
from marketplace.models import Offer, PlanKind
from tests import factories
from tests.accounts.cast import a_browser, a_client, a_token
from tests.billing.conftest import HOUR, NOON, a_quote, funded, place, running
from tests.factories import DAY

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer(db: None) -> Offer:
    """On demand: a new organization has 2 nodes at once, an older one 3."""
    plan = factories.a_plan(PlanKind.ON_DEMAND, nodes_at_once=3, nodes_at_once_new=2)
    return factories.an_offer(factories.a_pool(nodes=6), plan)


@pytest.fixture
def reserved(db: None) -> Offer:
    plan = factories.a_plan(PlanKind.RESERVED, nodes_at_once=3, nodes_at_once_new=2)
    return factories.an_offer(factories.a_pool(nodes=6), plan)


@pytest.fixture
def staff_browser(db: None) -> Client:
    """Somebody of the operator's staff who may do everything, with a second factor."""
    user = factories.a_user("staff@example.com", is_staff=True, is_superuser=True)
    TOTP.activate(user, generate_totp_secret())
    return a_browser(user)


@pytest.fixture
def ada(acme: Organization) -> User:
    return acme.members.get()


def paid(organization: Organization, at: datetime, *, refunded_cents: int = 0) -> None:
    Payment.objects.create(
        organization=organization,
        amount_cents=5000,
        refunded_cents=refunded_cents,
        state=PaymentState.PAID,
        created_at=at,
        settled_at=at,
        next_check_at=at,
    )


def limit(organization: Organization, offer: Offer, at: datetime = NOON) -> int:
    allowed = {found.plan: found.limit for found in limits.nodes_allowed(organization=organization, now=at)}
    return allowed[offer.plan]


def test_more_nodes_at_once_than_allowed_are_refused_and_returning_makes_room(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer, nodes=2)
    with pytest.raises(NodeLimitReached, match="may have 2 nodes at once on the plan on demand; 2 are in use"):
        place(a_quote(acme, offer))
    end(lease=lease, reason="returned", actor="user:us_tests", now=NOON)
    place(a_quote(acme, offer))


def test_windows_count_where_they_overlap_and_each_plan_by_itself(
    acme: Organization, offer: Offer, reserved: Offer
) -> None:
    running(acme, offer, nodes=2)
    for begin, length in ((1, 3), (4, 3), (2, 1)):  # back to back, and one beside the first
        place(a_quote(acme, reserved, starts_at=NOON + begin * HOUR, ends_at=NOON + (begin + length) * HOUR))
    with pytest.raises(NodeLimitReached) as refused:
        place(a_quote(acme, reserved, starts_at=NOON + HOUR, ends_at=NOON + 20 * HOUR))
    assert (refused.value.limit, refused.value.in_use, refused.value.wanted) == (2, 2, 1)
    place(a_quote(acme, reserved, starts_at=NOON + 3 * HOUR, ends_at=NOON + 20 * HOUR))


def test_an_organization_is_new_until_it_is_a_month_old_and_a_payment_of_it_has_stood_for_one(
    acme: Organization, offer: Offer
) -> None:
    Organization.objects.update(created_at=NOON - 31 * DAY)
    acme.refresh_from_db()
    assert limit(acme, offer) == 2  # was given its money
    paid(acme, NOON - 29 * DAY)
    paid(acme, NOON - 40 * DAY, refunded_cents=5000)
    assert limit(acme, offer) == 2
    assert limit(acme, offer, NOON + DAY) == 3
    acme.created_at = NOON - 5 * DAY
    assert limit(acme, offer, NOON + DAY) == 2


def test_what_staff_set_goes_before_the_terms_and_a_plans_own_before_every_plans(
    acme: Organization, offer: Offer, reserved: Offer
) -> None:
    NodeLimit.objects.create(organization=acme, nodes=5, reason="known")
    NodeLimit.objects.create(organization=acme, plan=offer.plan, nodes=1, reason="known less")
    assert (limit(acme, offer), limit(acme, reserved)) == (1, 5)
    assert limit(funded(1, "Somebody Else"), offer) == 2


def test_staff_set_a_limit_in_the_admin_and_it_is_written_down(
    staff_browser: Client, acme: Organization, offer: Offer
) -> None:
    form = {"organization": acme.pk, "plan": offer.plan.pk, "nodes": 4, "reason": "asked for it"}
    assert staff_browser.post("/admin/leasing/nodelimit/add/", form).status_code == 302
    row = NodeLimit.objects.get()
    assert staff_browser.get(f"/admin/leasing/nodelimit/{row.pk}/change/").status_code == 200
    assert staff_browser.get("/admin/leasing/nodelimit/?q=x").status_code == 200
    staff_browser.post(f"/admin/leasing/nodelimit/{row.pk}/delete/", {"post": "yes"})
    kinds = Event.objects.filter(subject=acme.public_id).values_list("kind", flat=True)
    assert {"organization.node_limit_set", "organization.node_limit_removed"} <= set(kinds)
    assert not NodeLimit.objects.exists()


def test_limits_are_shown_in_the_browser_and_by_the_api(acme: Organization, ada: User, offer: Offer) -> None:
    running(acme, offer, now=now())
    shown = a_client(a_token(acme, ada)).get("/api/v1/limits").json()
    assert shown == [{"plan": "on_demand", "limit": 2, "in_use": 1}]
    browser = a_browser(ada)
    assert "1 node<" in browser.get("/limits/").content.decode()
    assert "/limits/" in browser.get("/organization/").content.decode()


def test_a_hold_blocks_orders_and_nothing_else(acme: Organization, offer: Offer) -> None:
    lease, quote = running(acme, offer), a_quote(acme, offer)
    hold_ordering(organization=acme, reason="stolen card?", actor="user:us_staff", now=NOON)
    with pytest.raises(OrderingBlocked):
        place(quote)
    end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + HOUR)
    assert lease.transitions.last().new == LeaseState.RECLAIMING  # type: ignore[union-attr]
    release_ordering(organization=acme, reason="it was not", actor="user:us_staff", now=NOON)
    place(quote)


def test_a_hold_is_put_and_ended_once_and_its_first_reason_stays(acme: Organization) -> None:
    hold, release = (
        partial(act, organization=acme, actor="user:us_staff") for act in (hold_ordering, release_ordering)
    )
    assert [hold(reason=reason, now=NOON) for reason in ("stolen card?", "sanctions?")] == [True, False]
    acme.refresh_from_db()
    assert acme.ordering_hold == "stolen card?"
    assert [release(reason="it was not", now=NOON) for _ in range(2)] == [True, False]
    told = Event.objects.filter(kind__startswith="organization.ordering_").order_by("id")
    assert [(event.organization, event.actor, event.data) for event in told] == [
        (acme, "system:accounts", {}),
        (None, "user:us_staff", {"reason": "stolen card?"}),
        (acme, "system:accounts", {}),
        (None, "user:us_staff", {"reason": "it was not"}),
    ]
    assert [event.words for event in told.filter(organization=acme)] == [
        "Ordering is paused for Acme Robotics",
        "Ordering is not paused any more for Acme Robotics",
    ]


def test_staff_look_at_an_organization_in_the_admin_and_change_nothing(
    staff_browser: Client, acme: Organization
) -> None:
    address = f"/admin/accounts/organization/{acme.pk}/change/"
    assert staff_browser.get(address).status_code == 200
    assert staff_browser.post(address, {"ordering_hold": "stolen card?", "name": "Other"}).status_code == 403


def test_a_customer_whose_orders_are_on_hold_never_learns_why(acme: Organization, ada: User, offer: Offer) -> None:
    hold_ordering(organization=acme, reason="stolen card?", actor="user:us_staff", now=now())
    api = a_client(a_token(acme, ada))
    answer = order(api, acme, offer)
    assert (answer.status_code, answer.json()["code"]) == (403, "ordering_blocked")
    seen = answer.content.decode() + a_browser(ada).get("/activity/").content.decode()
    assert "write to us" in seen and "stolen" not in seen
    assert "stolen" not in api.get("/api/v1/events").content.decode()


def order(api: Any, organization: Organization, offer: Offer, key: str = "key-1") -> Any:
    quote = a_quote(organization, offer, now=now()).public_id
    keys = [factories.a_key(organization).public_id]
    body = {"quote": quote, "name": "training", "ssh_keys": keys, "image": factories.an_image().slug}
    return api.post("/api/v1/leases", body, format="json", headers={"Idempotency-Key": key})


def test_the_node_limit_is_a_problem_that_names_it(acme: Organization, ada: User, offer: Offer) -> None:
    running(acme, offer, now=now(), nodes=2)
    answer = order(a_client(a_token(acme, ada)), acme, offer)
    assert (answer.status_code, answer.json()["code"]) == (409, "node_limit_reached")
    assert (answer.json()["limit"], answer.json()["in_use"], answer.json()["wanted"]) == (2, 2, 1)


@override_settings(LAUNCH_RATE="2/min")
def test_orders_are_limited_for_each_token_and_looking_is_not(acme: Organization, ada: User, offer: Offer) -> None:
    api, other = a_client(a_token(acme, ada)), a_client(a_token(acme, ada))
    answers = [api.post("/api/v1/leases", {}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [400, 400, 429]
    assert 0 < int(answers[2].headers["Retry-After"]) <= 61
    assert answers[2].json()["code"] == "throttled"
    assert api.get("/api/v1/leases").status_code == 200
    assert order(other, acme, offer).status_code == 201


def test_with_the_cache_down_orders_still_go_through(
    acme: Organization, ada: User, offer: Offer, settings: Any
) -> None:
    settings.LAUNCH_RATE = "1/min"
    api, working = a_client(a_token(acme, ada)), settings.CACHES
    settings.CACHES = {"default": {**working["default"], "LOCATION": "redis://127.0.0.1:1"}}
    statuses = [order(api, acme, offer, key).status_code for key in ("one", "two")]
    settings.CACHES = working
    assert statuses == [201, 201]
    assert Lease.objects.count() == 2


def test_a_window_that_ends_when_a_lease_begins_is_not_beside_it(acme: Organization, offer: Offer) -> None:
    running(acme, offer, nodes=2)
    for end_of_it, nodes in ((NOON, 0), (NOON + timedelta(seconds=1), 2)):
        found = nodes_at_once(organization=acme, plan=offer.plan, starts_at=NOON - HOUR, ends_at=end_of_it)
        assert found.nodes == nodes


def test_the_order_page_says_before_the_click_what_is_refused(acme: Organization, ada: User, offer: Offer) -> None:
    page, address = a_browser(ada), f"/order/?offer={offer.public_id}&nodes="
    assert "nodes at once" not in page.get(f"{address}2").content.decode()
    assert "may have 2 nodes at once on the plan" in page.get(f"{address}3").content.decode()
    Organization.objects.filter(pk=acme.pk).update(ordering_hold="card testing")
    blocked = page.get(f"{address}1").content.decode()
    assert "Ordering is paused for your company" in blocked and "card testing" not in blocked
