"""A disputed payment: its money goes once and comes back once, in whatever order one hears of it; and who may order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Event, Organization, User
from accounts.operations import hold_ordering, release_ordering
from billing import disputes, handing_back, operations, payments, polling, settlement, suspending, tasks
from billing.checkout import CAPS
from billing.extending import extend
from billing.limits import OrderingBlocked, check_ordering
from billing.models import (
    AccountKind,
    BillingAccount,
    Dispute,
    FraudWarning,
    GatewayEvent,
    Payment,
    PaymentState,
    Posting,
)
from billing.payments.base import GatewayRefused
from billing.payments.checkouts import Checkout
from billing.payments.disputes import DisputeFacts, WarningFacts
from billing.queries import refundable_cents
from billing.queries.suspensions import blocks_of
from billing.settlement import UnknownPayment
from billing.standing import enforce
from leasing.models import Lease
from leasing.states import LeaseState
from marketplace.models import Offer
from tests import factories
from tests.accounts.cast import a_browser
from tests.billing.conftest import HOUR, NOON, a_quote, assert_books_balance, balance, funded, place, running
from tests.billing.stripe_world import paid
from tests.leasing.test_fleet_pages import a_member_of_staff, text
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db
DUE = NOON + timedelta(days=9)
OPENED = DisputeFacts("du_1", "ch_1", "needs_response", "fraudulent", 5000, DUE)
TAKEN = replace(OPENED, taken_cents=5000)
ANSWERED = replace(TAKEN, state="under_review")
WON = replace(TAKEN, state="won")
RETURNED = replace(WON, returned_cents=5000)
LOST = replace(TAKEN, state="lost")
ASKED = replace(OPENED, state="warning_needs_response")


@pytest.fixture
def payment(acme: Organization) -> Payment:
    """$50.00 that Acme has paid in by card, beside $100.00 of credit."""
    return a_payment(acme, "ch_1")


def a_payment(organization: Organization, charge: str, at: datetime = NOON) -> Payment:
    payment = Payment.objects.create(organization=organization, amount_cents=5000, created_at=at, next_check_at=at)
    state = Checkout(f"cs_{charge}", payment.public_id, "", "paid", 5000, "usd", charge, livemode=False)
    settlement.apply(checkout=state, now=at)
    payment.refresh_from_db()
    assert payment.state == PaymentState.PAID
    return payment


def hear(*facts: DisputeFacts, at: datetime = NOON) -> None:
    for one in facts:
        disputes.apply(facts=one, now=at)


def suspended(organization: Organization) -> bool:
    return suspending.suspension(organization) is not None


def test_a_dispute_takes_the_money_and_suspends(acme: Organization, payment: Payment) -> None:
    hear(TAKEN)
    assert balance(acme) == 100_000_000
    assert balance(acme, AccountKind.CLEARING) == 0  # the payment is gone
    account = BillingAccount.objects.get()
    assert (account.suspended_at, account.suspended_reason) == (NOON, f"disputed payment {payment}")
    row = Dispute.objects.get()
    assert (row.state, row.evidence_due_at, row.amount_cents, row.payment) == ("needs_response", DUE, 5000, payment)
    told = {event.organization_id: event.words for event in Event.objects.filter(kind__contains="disputed")}
    assert told == {None: "A payment of Acme Robotics is disputed", acme.pk: "A payment of $50.00 is disputed"}
    assert "Answer by 2026-03-11 12:00 UTC" in Event.objects.get(kind="dispute.disputed").notice["text"]  # type: ignore[index]
    assert_books_balance()


LIFE = (OPENED, TAKEN, ANSWERED, WON, RETURNED, RETURNED)


@pytest.mark.parametrize(
    ("life", "money"), [(LIFE, 150_000_000), ((*LIFE[:3], LOST), 100_000_000)], ids=["won", "lost"]
)
def test_all_orders_of_its_messages_end_in_the_same_state(
    payment: Payment, acme: Organization, life: Sequence[DisputeFacts], money: int
) -> None:
    # One charge for each order: what is known of one must not help another.
    ends = set()
    for number, order in enumerate(sorted(set(permutations(range(len(life)))))[:: 7 if len(life) > 5 else 1]):
        organization = funded(100, f"Customer {number}")
        charge = f"ch_{number}x"
        a_payment(organization, charge)
        for at in order:
            hear(replace(life[at], reference=f"du_{number}", charge_reference=charge))
        row = Dispute.objects.get(reference=f"du_{number}")
        ends.add((row.state, bool(row.closed_at), suspended(organization), balance(organization)))
    assert ends == {(life[-1].state, True, life[-1] == LOST, money)}
    assert_books_balance()


def test_a_won_dispute_lifts_only_what_disputes_have_brought(acme: Organization, payment: Payment) -> None:
    hear(TAKEN)
    other = replace(TAKEN, reference="du_2", charge_reference="ch_2")
    a_payment(acme, "ch_2")
    hear(other, RETURNED)
    assert suspended(acme)  # the other one still holds
    hear(replace(other, state="won"))
    assert not suspended(acme)
    suspending.suspend(organization=acme, reason="abuse", actor="user:us_pat", now=NOON)
    third = replace(OPENED, reference="du_3", charge_reference="ch_3")
    a_payment(acme, "ch_3")
    hear(third, replace(third, state="won"))
    assert suspended(acme)  # by staff, for a reason of their own


def test_what_staff_have_lifted_stays_lifted(acme: Organization, payment: Payment) -> None:
    hear(TAKEN, LOST)
    assert suspending.lift(organization=acme, actor="user:us_pat", reason="paid by transfer", now=NOON)
    hear(LOST, TAKEN, ANSWERED)
    assert not suspended(acme)
    ours = Event.objects.filter(organization=None, kind__startswith="organization.").order_by("pk")
    assert [event.data["reason"] for event in ours] == [f"disputed payment {payment}", "paid by transfer"]
    own = Event.objects.filter(organization=acme, kind__startswith="organization.").order_by("pk")
    assert [(event.actor, event.data) for event in own] == [("system:billing", {})] * 2


def test_a_payment_of_what_was_owed_does_not_lift_what_a_dispute_has_brought(
    acme: Organization, payment: Payment
) -> None:
    operations.account_of(acme)
    assert suspending.suspend_overdue(organization=acme, what="invoice by transfer", now=NOON - HOUR)
    hear(TAKEN)
    account = BillingAccount.objects.get()
    assert (account.suspended_at, account.suspended_reason) == (NOON - HOUR, f"disputed payment {payment}")
    assert not suspending.lift_overdue(organization=acme, what="invoice by transfer")
    hear(WON)
    assert not suspended(acme)
    assert suspending.suspend_overdue(organization=acme, what="invoice by transfer", now=NOON)  # the sweep, if it is so
    assert suspending.lift_overdue(organization=acme, what="invoice by transfer") and not suspended(acme)


def test_an_inquiry_takes_no_money_and_suspends_nobody_until_it_becomes_a_dispute(
    acme: Organization, payment: Payment
) -> None:
    hear(ASKED)
    assert (suspended(acme), balance(acme)) == (False, 150_000_000)
    hear(TAKEN, replace(ASKED, state="warning_closed"))
    assert (suspended(acme), balance(acme)) == (True, 100_000_000)
    assert Dispute.objects.get().closed_at is None


def test_a_dispute_of_a_payment_that_is_not_known_to_be_paid_waits(acme: Organization) -> None:
    with pytest.raises(UnknownPayment):
        hear(TAKEN)
    assert not Dispute.objects.exists()


def test_a_warning_of_fraud_holds_orders_once(acme: Organization, payment: Payment) -> None:
    warning = WarningFacts("issfr_1", "ch_1", "made_with_stolen_card")
    disputes.warn(facts=warning, now=NOON)
    assert Organization.objects.get(pk=acme.pk).ordering_hold == f"fraud warning, {payment}"
    release_ordering(organization=acme, reason="its own card", actor="user:us_pat", now=NOON)
    disputes.warn(facts=warning, now=NOON)  # the message comes again
    assert Organization.objects.get(pk=acme.pk).ordering_hold == ""
    assert Event.objects.filter(kind="dispute.fraud_warning").count() == 1


def test_a_disputed_payment_goes_to_no_card(acme: Organization, payment: Payment) -> None:
    assert refundable_cents(organization=acme, now=NOON) == 5000
    hear(TAKEN)
    assert refundable_cents(organization=acme, now=NOON) == 0


# -- Suspension ------------------------------------------------------------------------------------------------------
def test_a_suspended_organization_orders_extends_and_moves_nothing_but_can_return(
    acme: Organization, offer: Offer, reserved: Offer
) -> None:
    lease, quote = running(acme, offer), a_quote(acme, offer)
    ahead = place(a_quote(acme, reserved, starts_at=NOON + HOUR, ends_at=NOON + 2 * HOUR))
    suspending.suspend(organization=acme, reason="abuse of the network", actor="user:us_pat", now=NOON)
    for act in (
        lambda: place(quote),
        lambda: extend(lease=ahead, ends_at=NOON + 3 * HOUR, actor="user:us_tests", now=NOON),
        lambda: check_ordering(organization=acme),
    ):
        with pytest.raises(OrderingBlocked, match="Write to us") as refused:
            act()
        assert isinstance(refused.value, CAPS)
        assert "abuse" not in str(refused.value)
    assert handing_back.hand_back(lease=lease, actor="user:us_tests", now=NOON).state == LeaseState.RECLAIMING


def test_the_page_of_a_payment_says_where_its_money_is(acme: Organization, payment: Payment, browser: Client) -> None:
    page = f"/top-ups/{payment.public_id}/"
    assert "The money is in your wallet since" in text(browser.get(page))
    hear(ASKED)
    assert "The money is in your wallet since" in text(browser.get(page))  # no money was taken
    hear(TAKEN)
    seen = text(browser.get(page))
    assert "The money is no longer in your wallet." in seen and "is in your wallet since" not in seen
    hear(RETURNED)
    assert "The money is in your wallet since" in text(browser.get(page))


def test_pages_and_api_say_the_way_out_and_never_the_reason(
    acme: Organization, offer: Offer, browser: Client, api: APIClient
) -> None:
    quote = a_quote(acme, offer, now=now())
    suspending.suspend(organization=acme, reason="abuse of the network", actor="user:us_pat", now=NOON)
    for page in ("/wallet/", "/limits/", f"/order/?offer={offer.public_id}", "/leases/", "/standing-orders/"):
        seen = browser.get(page).content.decode()
        assert "Write to us, and we will settle it together." in seen and "abuse" not in seen, page
    key = factories.a_key(acme).public_id
    factories.an_image()
    order = {"quote": quote.public_id, "name": "x", "ssh_keys": [key], "image": "base"}
    answer = api.post("/api/v1/leases", order, headers={"Idempotency-Key": "suspended-1"})
    assert (answer.status_code, answer.json()["code"]) == (403, "ordering_blocked")
    assert "Write to us" in answer.json()["detail"] and "abuse" not in answer.content.decode()
    assert browser.get("/wallet/top-up/").status_code == 200


def test_on_demand_leases_of_who_disputes_follow_the_ladder_and_reserved_ones_run(
    offer: Offer, reserved: Offer
) -> None:
    customer = funded(0, "Risky Business")
    a_payment(customer, "ch_1")
    ahead = place(a_quote(customer, reserved, starts_at=NOON + HOUR, ends_at=NOON + 3 * HOUR))
    lease = running(customer, offer)
    hear(TAKEN)
    enforce(organization=customer, now=NOON + HOUR)  # its last kept hour is used
    lease.refresh_from_db()
    assert (lease.state, lease.reason) == (LeaseState.PAUSED, "out_of_funds")
    assert Lease.objects.get(pk=ahead.pk).state == LeaseState.SCHEDULED


# -- Staff -----------------------------------------------------------------------------------------------------------
@pytest.fixture
def pat(db: None) -> User:
    return a_member_of_staff("view_dispute", "change_billingaccount")


def test_staff_see_until_when_to_answer_and_let_a_customer_order_again(
    acme: Organization, payment: Payment, pat: User
) -> None:
    hear(TAKEN)
    browser, row = a_browser(pat), Dispute.objects.get()
    assert "Acme Robotics" in text(browser.get("/operations/disputes/"))
    page = text(browser.get(f"/operations/disputes/{row.public_id}/"))
    assert "Evidence is due 11 Mar 2026, 12:00 UTC" in page and "Suspended since" in page
    address = f"/operations/organizations/{acme.public_id}/suspension/"
    assert browser.post(address, {"act": "lift", "reason": ""}).status_code == 200 and suspended(acme)
    browser.post(address, {"act": "lift", "reason": "settled by phone"})
    assert not suspended(acme)


def test_staff_suspend_without_a_dispute_and_see_who_may_not_order(
    acme: Organization, pat: User, browser: Client
) -> None:
    staff, page = a_browser(pat), f"/operations/organizations/{acme.public_id}/suspension/"
    assert 'href="/operations/suspensions/"' in staff.get("/operations/disputes/").content.decode()
    assert f'href="{page}"' in staff.get(f"/operations/metered/{acme.public_id}/").content.decode()
    assert "Everybody may order" in text(staff.get("/operations/suspensions/"))
    chosen = staff.get("/operations/suspensions/", {"organization": acme.public_id})
    assert chosen.headers["Location"] == page
    landed = staff.post(page, {"act": "suspend", "reason": "a stolen identity"}, follow=True)
    assert landed.redirect_chain[-1][0] == "/operations/suspensions/"
    listed = text(landed)
    assert all(words in listed for words in ("Ordering is blocked for", "Acme Robotics", "a stolen identity"))
    assert f"{pat.get_full_name()} End the suspension" in listed and f'href="{page}"' in landed.content.decode()
    lifted = staff.post(page, {"act": "lift", "reason": "a mistake"}, follow=True)
    assert lifted.redirect_chain[-1][0] == "/operations/suspensions/" and "Everybody may order" in text(lifted)
    assert browser.get("/operations/suspensions/").status_code == 403


def test_staff_put_orders_on_hold_and_take_them_again_each_with_a_reason(acme: Organization, pat: User) -> None:
    staff, page = a_browser(pat), f"/operations/organizations/{acme.public_id}/suspension/"
    listed = text(staff.post(page, {"act": "hold", "reason": "a stolen card?"}, follow=True))
    assert "Acme Robotics has its orders on hold." in listed and "Take its orders again" in listed
    with pytest.raises(OrderingBlocked, match="paused"):
        check_ordering(organization=acme)
    suspending.suspend(organization=acme, reason="abuse", actor=pat.actor, now=NOON)
    shown = text(staff.get(page))
    assert "Its orders are on hold since" in shown and f"a stolen card? by {pat.get_full_name()}" in shown
    assert "Suspended since 2 Mar 2026, 12:00 UTC abuse" in shown
    listed = text(staff.post(page, {"act": "lift", "reason": "settled"}, follow=True))
    assert "Acme Robotics has its orders on hold." in listed
    told = Event.objects.get(organization=acme, kind="organization.unsuspended")
    assert told.words == "Acme Robotics is not suspended any more"
    assert told.notice and "Ordering is paused" in told.notice["text"]
    released = text(staff.post(page, {"act": "release", "reason": "it is theirs"}, follow=True))
    assert "Acme Robotics can order again." in released and "Everybody may order" in released
    check_ordering(organization=acme)


def test_a_page_of_before_undoes_nothing_that_somebody_else_did(acme: Organization, pat: User) -> None:
    staff, page = a_browser(pat), f"/operations/organizations/{acme.public_id}/suspension/"
    for act in ("suspend", "hold"):
        assert staff.post(page, {"act": act, "reason": "the first"}).status_code == 302
        again = staff.post(page, {"act": act, "reason": "the second"})
        assert "somebody was faster" in text(again) and "the second" in again.content.decode()
    assert staff.post(page, {"act": "free", "reason": "?"}).status_code == 200
    assert [row.reason for row in blocks_of(acme)] == ["the first", "the first"]


def test_the_list_has_whom_a_sweep_suspended_and_whose_orders_are_on_hold(acme: Organization, pat: User) -> None:
    other = funded(0, "Other Ltd")
    suspending.suspend(organization=acme, reason="a dispute", actor="user:us_x", now=NOON - 2 * HOUR)
    suspending.lift(organization=acme, reason="won", actor="user:us_x", now=NOON - HOUR)
    suspending.suspend_overdue(organization=acme, what="invoice GL-1", now=NOON)
    hold_ordering(organization=other, reason="early fraud warning", actor=pat.actor, now=NOON)
    listed = text(a_browser(pat).get("/operations/suspensions/"))
    assert "Acme Robotics suspended 2 Mar 2026, 12:00 UTC overdue: invoice GL-1 Gridlease" in listed
    assert f"Other Ltd orders are on hold 2 Mar 2026, 12:00 UTC early fraud warning {pat.get_full_name()}" in listed
    suspending.suspend(organization=acme, reason="a stolen identity", actor=pat.actor, now=NOON + HOUR)
    assert f"a stolen identity {pat.get_full_name()}" in text(a_browser(pat).get("/operations/suspensions/"))


def test_the_api_can_do_the_same(acme: Organization, payment: Payment, pat: User) -> None:
    hear(TAKEN)
    client = APIClient()
    client.force_login(pat)
    (shown,) = client.get("/api/v1/operations/disputes").json()["results"]
    assert shown == client.get(f"/api/v1/operations/disputes/{shown['id']}").json()
    assert (shown["organization"], shown["amount_cents"], shown["state"]) == (acme.public_id, 5000, "needs_response")
    address = f"/api/v1/operations/organizations/{acme.public_id}/suspension"
    assert client.delete(address, {"reason": "settled"}).json()["suspended_at"] is None
    assert client.post(address, {"reason": ""}).status_code == 400
    assert client.post(address, {"reason": "again"}).json()["suspended_at"]
    hold = f"/api/v1/operations/organizations/{acme.public_id}/hold"
    assert client.post(hold, {}).status_code == 400
    answers = [client.post(hold, {"reason": "a check"}), client.delete(hold, {"reason": "nothing found"})]
    assert [answer.json()["held"] for answer in answers] == [True, False]
    assert answers[1].json()["suspended_at"]  # that is another matter


# -- Against the processor -------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_disputes_and_warnings_of_which_no_message_came_are_found(stripe: StripeStandin) -> None:
    customer, careful = funded(0, "Risky Business"), funded(0, "Careful")
    first, second = paid(stripe, customer), paid(stripe, careful)
    made = stripe.dispute(first.charge_reference)
    stripe.dispute(second.charge_reference, "warning")
    poll()
    assert (balance(customer), suspended(customer)) == (0, True)
    assert (balance(careful), suspended(careful)) == (50_000_000, False)
    assert FraudWarning.objects.get().payment == second
    stripe.end_dispute(made["id"], "won")
    poll()
    assert (balance(customer), suspended(customer)) == (50_000_000, False)
    assert Posting.objects.filter(kind__startswith="dispute").count() == 2


def poll() -> None:
    """Look through what is there; the charges of tests before are of nobody here."""
    found = polling.poll(gateway=payments.gateway(), now=now())
    assert all(isinstance(error, LookupError | UnknownPayment | GatewayRefused) for error in found.values()), found


@pytest.mark.django_db(transaction=True)
def test_a_message_leads_to_the_dispute(stripe: StripeStandin) -> None:
    customer = funded(0, "Risky Business")
    made = stripe.dispute(paid(stripe, customer).charge_reference)
    for number, reference in enumerate((made["id"], made["id"])):
        GatewayEvent.objects.create(
            event_id=f"evt_{number}",
            kind="dispute",
            object_reference=reference,
            payload={},
            received_at=now(),
            next_attempt_at=now(),
        )
    tasks.settle()
    assert suspended(customer) and not GatewayEvent.objects.exclude(error="").exists()
