"""An order on a plan that asks for the operator's word: nodes and money wait, staff decide, the customer hears it."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from django.db import DatabaseError, transaction
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Event, Organization, User
from accounts.notices import recipients_of
from leasing import schedule
from leasing.models import Approval, Claim, Lease
from leasing.operations import end
from leasing.operations.approving import NotWaiting, approve, decline
from leasing.states import LeaseState
from marketplace.models import Offer, PlanKind
from tests import factories
from tests.accounts.cast import a_browser, a_client, a_token
from tests.billing.conftest import HOUR, NOON, SECOND, a_quote, funded, money, place
from tests.factories import DAY
from tests.leasing.conftest import work_all
from tests.leasing.test_fleet_pages import a_member_of_staff, text

pytestmark = pytest.mark.django_db
PAT = "user:us_pat"
DOLLARS = 1_000_000


@pytest.fixture
def vetted(db: None) -> Offer:
    """On demand, for whom the operator approves within a day."""
    return factories.an_offer(factories.a_pool(nodes=1), factories.a_plan(approval_required=True))


@pytest.fixture
def vetted_ahead(db: None) -> Offer:
    """The same, reserved."""
    return factories.an_offer(factories.a_pool(nodes=1), factories.a_plan(PlanKind.RESERVED, approval_required=True))


@pytest.fixture
def pat(db: None) -> User:
    return a_member_of_staff("change_approval")


def fresh(lease: Lease) -> Lease:
    return Lease.objects.get(pk=lease.pk)


def told(lease: Lease) -> list[str]:
    """The titles of its customer's mails about it, in order."""
    events = Event.objects.filter(
        organization=lease.organization, subject=lease.public_id, notice__isnull=False
    ).order_by("pk")
    return [event.words for event in events]


def test_an_order_waits_with_its_nodes_and_its_money_and_nothing_is_charged(acme: Organization, vetted: Offer) -> None:
    lease = place(a_quote(acme, vetted))
    assert (lease.state, lease.deadline) == (LeaseState.HELD, NOON + DAY)
    assert money(acme).held_micros == 3_600_000
    assert Claim.objects.get(released_at=None).lease == lease
    assert told(lease) == ["training waits for the operator's approval"]
    schedule.run_due(now=NOON + DAY - SECOND)
    assert (fresh(lease).state, money(acme, NOON + DAY - SECOND).balance_micros) == (LeaseState.HELD, 100 * DOLLARS)


def test_those_who_may_decide_are_told_of_an_order_that_waits(acme: Organization, vetted: Offer, pat: User) -> None:
    lease = place(a_quote(acme, vetted))
    asked = Event.objects.get(kind="approval.asked")
    assert recipients_of(asked) == ["pat@example.com"]
    assert (asked.words, asked.organization) == ("An order of Acme Robotics waits for approval", None)
    assert asked.notice and asked.notice["path"] == f"/operations/approvals/{lease.public_id}/"
    assert "Decide by 2026-03-03 12:00 UTC" in asked.notice["text"]


def test_an_approved_order_starts_when_it_is_due(acme: Organization, vetted: Offer, vetted_ahead: Offer) -> None:
    at_once = place(a_quote(acme, vetted))
    ahead = place(a_quote(acme, vetted_ahead, starts_at=NOON + 5 * HOUR, ends_at=NOON + 8 * HOUR))
    for lease in (at_once, ahead):
        approve(lease=lease, actor=PAT, note="Welcome.", now=NOON + HOUR)
    work_all(vetted, now=NOON + HOUR)
    assert (fresh(at_once).state, fresh(ahead).state) == (LeaseState.ACTIVE, LeaseState.SCHEDULED)
    schedule.start_due(now=NOON + 5 * HOUR)
    assert fresh(ahead).state == LeaseState.PROVISIONING
    assert "training is approved" in told(at_once)
    approval = Approval.objects.get(lease=ahead)
    assert (approval.approved, approval.decided_by, approval.note) == (True, PAT, "Welcome.")
    assert PAT not in set(ahead.transitions.values_list("actor", flat=True))  # the customer deals with Gridlease


def test_a_declined_order_costs_nothing_and_frees_all_at_once(acme: Organization, vetted: Offer) -> None:
    lease = place(a_quote(acme, vetted))
    decline(lease=lease, actor=PAT, note="No screening yet.", now=NOON + HOUR)
    assert (fresh(lease).state, fresh(lease).reason) == (LeaseState.CANCELLED, "declined")
    assert money(acme, NOON + HOUR).available_micros == 100 * DOLLARS
    assert not Claim.objects.filter(released_at=None).exists()
    assert told(lease)[-1] == "training was declined"


def test_an_order_that_nobody_decides_on_runs_out_and_its_customer_hears_of_it(
    acme: Organization, vetted: Offer
) -> None:
    lease = place(a_quote(acme, vetted))
    for _ in range(2):
        schedule.run_due(now=NOON + DAY)
    assert (fresh(lease).state, fresh(lease).reason) == (LeaseState.EXPIRED, "not_approved")
    assert money(acme, NOON + DAY).available_micros == 100 * DOLLARS
    assert told(lease)[-1] == "training was not approved in time"
    assert len(told(lease)) == 2


def test_an_order_ahead_waits_no_longer_than_until_its_start(acme: Organization, vetted_ahead: Offer) -> None:
    lease = place(a_quote(acme, vetted_ahead, starts_at=NOON + 5 * HOUR, ends_at=NOON + 8 * HOUR))
    assert lease.deadline == NOON + 5 * HOUR


@pytest.mark.parametrize("act", [approve, decline])
def test_there_is_nothing_to_decide_any_more(acme: Organization, vetted: Offer, act: Any) -> None:
    late = place(a_quote(acme, vetted))
    with pytest.raises(NotWaiting):  # also when no sweep has come by yet
        act(lease=late, actor=PAT, note="x", now=NOON + DAY)
    end(lease=late, reason="returned", actor="user:us_tests", now=NOON)
    with pytest.raises(NotWaiting):
        act(lease=late, actor=PAT, note="x", now=NOON + HOUR)
    decided = place(a_quote(acme, vetted))
    approve(lease=decided, actor=PAT, now=NOON)
    with pytest.raises(NotWaiting):
        act(lease=decided, actor=PAT, note="x", now=NOON + SECOND)


def test_a_decision_is_never_changed_not_even_in_the_database(acme: Organization, vetted: Offer) -> None:
    lease = place(a_quote(acme, vetted))
    decline(lease=lease, actor=PAT, note="x", now=NOON)
    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        Approval.objects.update(approved=True)


def ordered_now(offer: Offer) -> tuple[Lease, User]:
    """An order of this moment, for pages and API, which ask the clock."""
    organization = funded(100, "Vetted Ltd")
    return place(a_quote(organization, offer, now=now()), now=now()), organization.members.get()


def test_the_customer_sees_what_is_waited_for_on_the_page_and_in_the_api(vetted: Offer) -> None:
    lease, ada = ordered_now(vetted)
    api, browser = a_client(a_token(lease.organization, ada)), a_browser(ada)
    assert "Waiting for the operator’s approval until" in text(browser.get(f"/leases/{lease.public_id}/"))
    shown = api.get(f"/api/v1/leases/{lease.public_id}").json()
    assert (shown["state"], shown["approval"]["approved"]) == ("held", None)
    assert shown["approval"]["until"] == shown["deadline"]
    decline(lease=lease, actor=PAT, note="No screening yet.", now=now())
    assert "No screening yet." in text(browser.get(f"/leases/{lease.public_id}/"))
    answer = api.get(f"/api/v1/leases/{lease.public_id}").json()["approval"]
    assert (answer["until"], answer["approved"], answer["note"]) == (None, False, "No screening yet.")
    assert "decided_by" not in answer


def test_a_lease_that_needs_no_approval_says_null(acme: Organization, offer: Offer) -> None:
    lease = place(a_quote(acme, offer))
    api = a_client(a_token(acme, acme.members.get()))
    assert api.get(f"/api/v1/leases/{lease.public_id}").json()["approval"] is None


def test_the_order_page_says_that_the_operator_approves(acme: Organization, vetted: Offer) -> None:
    assert "The operator approves orders on this plan" in text(
        a_browser(acme.members.get()).get(f"/order/?offer={vetted.public_id}")
    )


def test_staff_decide_from_the_queue(vetted: Offer, pat: User) -> None:
    lease, _ = ordered_now(vetted)
    browser = a_browser(pat)
    assert "Vetted Ltd" in text(browser.get("/operations/approvals/"))
    address = f"/operations/approvals/{lease.public_id}/"
    assert "What is ordered" in text(browser.get(address))
    said = text(browser.post(address, {"answer": "approve", "note": "Fine."}, follow=True))
    assert "training of Vetted Ltd is approved." in said
    assert "Nothing waits for approval" in said and "by Pat" in said
    assert fresh(lease).state == LeaseState.PROVISIONING
    assert "does not wait for approval any more" in text(
        browser.post(address, {"answer": "decline", "note": "x"}, follow=True)
    )
    assert "Your decision" not in text(browser.get(address))


def test_staff_see_what_an_order_comes_to_before_they_decide(vetted: Offer, vetted_ahead: Offer, pat: User) -> None:
    hour, _ = ordered_now(vetted)
    begins = (now() + DAY).replace(minute=0, second=0, microsecond=0)
    quote = a_quote(hour.organization, vetted_ahead, now=now(), starts_at=begins, ends_at=begins + 8 * HOUR)
    ahead, browser = place(quote, now=now()), a_browser(pat)
    shown = text(browser.get(f"/operations/approvals/{ahead.public_id}/"))
    assert "Agreed price $3.60 per node-hour" in shown and "Total $28.80 kept aside for it" in shown
    assert "First hour $3.60 kept aside for it" in text(browser.get(f"/operations/approvals/{hour.public_id}/"))
    queue = text(browser.get("/operations/approvals/"))
    assert "$28.80" in queue and "$3.60 for its first hour" in queue


def test_nobody_is_declined_without_a_reason(vetted: Offer, pat: User) -> None:
    lease, _ = ordered_now(vetted)
    address, api = f"/operations/approvals/{lease.public_id}/", APIClient()
    api.force_login(pat)
    refused = text(a_browser(pat).post(address, {"answer": "decline", "note": " "}))
    assert "Say why you decline: the customer reads it." in refused and "Your decision" in refused
    for said in ({}, {"note": " "}):
        answer = api.post(f"/api/v1{address}decline", said, format="json")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "note")
    assert fresh(lease).state == LeaseState.HELD


def test_the_page_of_a_lease_that_has_not_begun_says_its_total_and_what_is_kept_aside(vetted_ahead: Offer) -> None:
    organization, begins = funded(100, "Vetted Ltd"), (now() + DAY).replace(minute=0, second=0, microsecond=0)
    quote = a_quote(organization, vetted_ahead, now=now(), starts_at=begins, ends_at=begins + 8 * HOUR)
    lease, browser = place(quote, now=now()), a_browser(organization.members.get())
    waits = text(browser.get(f"/leases/{lease.public_id}/"))
    assert "Waiting for approval" in waits and "Held" not in waits
    approve(lease=lease, actor=PAT, now=now())
    for shown in (waits, text(browser.get(f"/leases/{lease.public_id}/"))):
        assert "Total $28.80 for all of its time" in shown
        assert "Kept aside $28.80 for what it will still cost" in shown


def test_staff_decide_through_the_api(vetted: Offer, pat: User) -> None:
    lease, _ = ordered_now(vetted)
    api = APIClient()
    api.force_login(pat)
    (row,) = api.get("/api/v1/operations/approvals").json()["results"]
    assert (row["lease"], row["organization"], row["state"]) == (lease.public_id, "Vetted Ltd", "held")
    address = f"/api/v1/operations/approvals/{lease.public_id}"
    answer = api.post(f"{address}/decline", {"note": "Sorry."}, format="json")
    assert (answer.status_code, answer.json()["approved"], answer.json()["note"]) == (200, False, "Sorry.")
    again = api.post(f"{address}/approve", {}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "not_waiting")
    assert api.get("/api/v1/operations/approvals").json()["results"] == []
    assert api.post("/api/v1/operations/approvals/ls_nothing/approve", {}, format="json").status_code == 404


def test_staff_without_the_permission_and_without_a_second_factor_decide_nothing(vetted: Offer) -> None:
    lease, _ = ordered_now(vetted)
    address = f"/operations/approvals/{lease.public_id}/"
    lea = a_member_of_staff("change_node")
    assert a_browser(lea).post(address, {"answer": "approve"}).status_code == 403
    kim = factories.a_user("kim@example.com", is_staff=True, is_superuser=True)
    assert a_browser(kim).post(address, {"answer": "approve"}).status_code == 302  # to set one up
    assert fresh(lease).state == LeaseState.HELD
    TOTP.activate(kim, "JBSWY3DPEHPK3PXP")
    assert "Vetted Ltd" in text(a_browser(kim).get("/admin/leasing/approval/"))


def test_the_oldest_order_comes_first(acme: Organization, vetted: Offer, pat: User) -> None:
    factories.a_node(vetted.pool)
    moment = now()
    first = place(a_quote(acme, vetted, now=moment - HOUR), now=moment - HOUR, name="older")
    place(a_quote(acme, vetted, now=moment), now=moment + timedelta(seconds=1), name="younger")
    page = text(a_browser(pat).get("/operations/approvals/"))
    assert page.index("older") < page.index("younger")
    assert first.state == LeaseState.HELD
