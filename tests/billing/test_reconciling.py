"""Every day our ledger is compared with the card processor's own account, and what differs is not let go."""

from datetime import date, timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from accounts.clock import now
from accounts.models import Event, Organization
from billing import disputes, payments, reconciling, refunds, sending, settlement
from billing.models import AccountKind, Discrepancy, Movement, Payment, Posting, Reconciliation
from billing.queries.reconciled import matched_until
from tests import factories
from tests.accounts.cast import a_browser
from tests.billing.conftest import assert_books_balance, balance
from tests.billing.stripe_world import opened, paid, pay
from tests.factories import DAY
from tests.leasing.test_fleet_pages import text
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/operations/reconciliation/"
NEXT = DAY + timedelta(hours=2)  # the day after, once it is compared


@pytest.fixture
def poor(stripe: StripeStandin, db: None) -> Organization:
    """An organization at a processor that has moved nothing for anybody before."""
    Movement.objects.bulk_create(reading())  # those of the tests before
    return factories.an_organization()


def reading() -> list[Movement]:
    """What there is already, kept as if it was of nobody and long ago."""
    found = payments.gateway().each("/v1/balance_transactions")
    return [
        Movement(reference=facts["id"], kind="fee", source=facts["id"], at=now() - 9 * DAY, amount_cents=0)
        for facts in found
    ]


def compare(after: timedelta = NEXT) -> list[Discrepancy]:
    """What it finds to differ."""
    before = set(Discrepancy.objects.values_list("pk", flat=True))
    assert reconciling.reconcile(gateway=payments.gateway(), now=now() + after) == {}
    return list(Discrepancy.objects.exclude(pk__in=before).order_by("pk"))


def compared(after: timedelta = NEXT) -> date:
    """The last UTC day that is over then."""
    return (now() + after - DAY).date()


def refund(organization: Organization, cents: int) -> None:
    refunds.request_refund(organization=organization, actor="", created_by=None, amount_cents=cents, now=now())


def test_a_day_that_agrees_says_so_and_its_fees_are_posted(stripe: StripeStandin, poor: Organization) -> None:
    paid(stripe, poor, 5000)
    refund(poor, 2000)
    sending.send_due(gateway=payments.gateway(), now=now())
    refund(poor, 1000)  # still waits to be sent, and is no difference
    assert compare() == [] and compare() == []
    today = now().date()
    done = Reconciliation.objects.get(day=today)
    assert (done.objects_compared, done.processor_cents, done.ledger_cents) == (2, 3000, 3000)
    assert done.fees_cents == 175  # 2.9 % of $50.00, and 30 cents
    assert balance(poor, AccountKind.FEES) == -1_750_000
    assert balance(poor, AccountKind.CLEARING) == -50_000_000 + 30_000_000 + 1_750_000
    assert matched_until(organization=poor) == compared()
    owner = poor.members.first()
    assert owner and b"Our ledger is the card processor" in a_browser(owner).get("/wallet/").content
    assert_books_balance()


def test_a_sweep_that_comes_weeks_late_posts_the_fees_all_the_same(stripe: StripeStandin, poor: Organization) -> None:
    paid(stripe, poor, 5000)
    assert compare(60 * DAY) == []
    assert balance(poor, AccountKind.FEES) == -1_750_000


def test_a_refund_that_failed_agrees_too(stripe: StripeStandin, poor: Organization) -> None:
    payment = opened(poor)
    pay(stripe, payment, card="4000000000005126")
    settle(payment)
    refund(poor, 5000)
    sending.send_due(gateway=payments.gateway(), now=now())
    stripe.settle()
    for row in payment.refunds.all():
        refunds.merge(facts=payments.gateway().fetch(f"/v1/refunds/{row.reference}"), now=now())
    assert compare() == [] and balance(poor) == 50_000_000


@pytest.mark.parametrize(("verdict", "left"), [("won", 5000), ("lost", 0)])
def test_a_dispute_and_its_fee_agree_to_the_cent(
    stripe: StripeStandin, poor: Organization, verdict: str, left: int
) -> None:
    payment = paid(stripe, poor, 5000)
    made = stripe.dispute(payment.charge_reference)
    hear(made["id"])
    assert compare() == []
    stripe.end_dispute(made["id"], verdict)
    hear(made["id"])
    assert compare(NEXT + DAY) == [] and not Discrepancy.objects.exists()
    assert balance(poor) == left * 10_000
    assert balance(poor, AccountKind.FEES) == -16_750_000  # $1.75 of the payment, $15.00 of the dispute, won or lost
    assert balance(poor, AccountKind.CLEARING) == 16_750_000 - left * 10_000
    assert matched_until(organization=poor) == compared(NEXT + DAY)
    assert_books_balance()


def test_a_dispute_that_our_ledger_does_not_know_of_differs(stripe: StripeStandin, poor: Organization) -> None:
    made = stripe.dispute(paid(stripe, poor, 5000).charge_reference)
    (found,) = compare()
    assert (found.source, found.processor_cents, found.ledger_cents) == (made["id"], -5000, 0)
    hear(made["id"])
    compare()
    found.refresh_from_db()
    assert found.gone_at


def hear(dispute: str) -> None:
    disputes.merge(facts=payments.gateway().fetch(f"/v1/disputes/{dispute}"), now=now())


def settle(payment: Payment) -> None:
    settlement.settle_checkout(reference=payment.checkout_reference or "", gateway=payments.gateway(), now=now())


def test_a_difference_is_told_and_goes_away_when_both_agree(stripe: StripeStandin, poor: Organization) -> None:
    payment = opened(poor)
    pay(stripe, payment)  # and no message, no poll: our ledger knows nothing of it
    (found,) = compare()
    assert (found.processor_cents, found.ledger_cents, found.organization) == (5000, 0, None)
    assert Event.objects.filter(kind="ledger.discrepancy", subject=found.public_id, notice__isnull=False).exists()
    assert compare() == []  # told once
    settle(payment)
    compare()
    found.refresh_from_db()
    assert found.gone_at and not found.reason
    assert balance(poor, AccountKind.FEES) == -1_750_000  # whose it is is known now


def test_what_our_ledger_has_and_the_processor_has_not_differs(stripe: StripeStandin, poor: Organization) -> None:
    payment = paid(stripe, poor, 5000)
    Payment.objects.filter(pk=payment.pk).update(charge_reference="ch_unknown")
    found = {one.source: (one.processor_cents, one.ledger_cents, one.organization_id) for one in compare()}
    assert found.pop("ch_unknown") == (0, 5000, poor.pk)
    assert list(found.values()) == [(5000, 0, None)]
    assert matched_until(organization=poor) == now().date() - DAY


def test_a_person_explains_a_difference_and_it_does_not_come_back(stripe: StripeStandin, poor: Organization) -> None:
    pay(stripe, opened(poor))
    (found,) = compare()
    staff = factories.a_user("finance@example.com", is_staff=True, is_superuser=True)
    Authenticator.objects.create(user=staff, type=Authenticator.Type.TOTP, data={})
    browser = Client()
    browser.force_login(staff)
    assert found.source in browser.get(PAGE).content.decode()
    address = f"{PAGE}{found.public_id}/"
    assert browser.post(address, {"reason": ""}).status_code == 200
    assert browser.post(address, {"reason": "A test of the till."}).status_code == 302
    found.refresh_from_db()
    assert (found.explained_by, found.reason) == (staff, "A test of the till.")
    page = text(browser.get(PAGE))
    assert "A test of the till." in page and "$50.00 at the processor, $0.00 in our ledger on" in page
    again = f"/api/v1/operations/discrepancies/{found.public_id}/explain"
    assert browser.post(again, {"reason": "x"}, content_type="application/json").status_code == 409
    assert browser.get("/api/v1/operations/discrepancies").json()["results"][0]["reason"] == "A test of the till."
    assert browser.get("/api/v1/operations/reconciliation").json()["results"]
    assert compare(NEXT + DAY) == [] and compare(NEXT + 2 * DAY) == [] and not Posting.objects.exists()
