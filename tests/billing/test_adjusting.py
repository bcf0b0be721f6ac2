"""Money that staff move by hand: with a reason, and above a limit only with a second person's word."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.auth.models import Permission
from django.db import DatabaseError, IntegrityError, transaction
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Event, Organization, User
from billing import adjusting, invariants, metering, operations, tasks
from billing.adjusting import AdjustmentRefused, NotWaiting, SamePerson
from billing.models import AccountKind, Adjustment, InvoiceLine, Posting, PostingKind
from leasing.operations import end
from marketplace.models import Offer
from tests import factories
from tests.accounts.cast import a_browser
from tests.billing.conftest import HOUR, NOON, SECOND, assert_books_balance, balance, invoiced, running
from tests.factories import DAY
from tests.leasing.test_fleet_pages import SECRET, text

pytestmark = pytest.mark.django_db
DOLLAR = 1_000_000


def staff(name: str, *permissions: str) -> User:
    user = factories.a_user(f"{name}@example.com", is_staff=True, name=name.title())
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    TOTP.activate(user, SECRET)
    return user


@pytest.fixture
def pat(db: None) -> User:
    return staff("pat", "add_adjustment", "view_adjustment", "approve_adjustment")


@pytest.fixture
def kim(db: None) -> User:
    return staff("kim", "view_adjustment", "approve_adjustment")


def ask(organization: Organization, by: User, dollars: int, *, at: datetime = NOON, **wanted: Any) -> Adjustment:
    return adjusting.ask(
        organization=organization,
        amount_micros=dollars * DOLLAR,
        by=by,
        now=at,
        **{"words": "For your patience.", "reason": "ticket 17", **wanted},
    )


def test_a_small_one_is_posted_at_once(acme: Organization, pat: User) -> None:
    row = ask(acme, pat, 500)
    assert (row.state, row.needs_second) == ("posted", False)
    assert (balance(acme), balance(acme, AccountKind.ADJUSTMENTS)) == (600 * DOLLAR, -500 * DOLLAR)
    posting = Posting.objects.get(kind=PostingKind.ADJUSTMENT)
    assert (posting.memo, row.posting) == ("For your patience.", posting)
    told = Event.objects.get(kind="wallet.adjusted")
    assert told.words == "$500.00 credited to your wallet" and "ticket" not in str((told.data, told.notice, told.actor))
    assert told.notice and told.notice["text"] == "The movement is in your ledger: For your patience."
    own = Event.objects.get(kind="adjustment.posted")
    assert (own.organization, own.actor, own.data["reason"]) == (None, f"user:{pat.public_id}", "ticket 17")
    assert_books_balance()


def test_a_large_one_moves_money_only_with_a_second_persons_word(acme: Organization, pat: User, kim: User) -> None:
    row = ask(acme, pat, -501)
    assert (row.state, balance(acme)) == ("waiting", 100 * DOLLAR)
    asked = Event.objects.get(kind="adjustment.asked").notice
    assert asked and asked["path"] == f"/operations/adjustments/{row.public_id}/"
    assert asked["text"] == "Decide by 2026-03-09 12:00 UTC. Reason: ticket 17"
    with pytest.raises(SamePerson):
        adjusting.approve(adjustment=row, by=pat, now=NOON)
    done = adjusting.approve(adjustment=row, by=kim, now=NOON)
    assert (done.state, done.decided_by, balance(acme)) == ("posted", kim, -401 * DOLLAR)
    assert list(invariants.broken(now=NOON)) == []
    for act in (adjusting.approve, adjusting.refuse):
        with pytest.raises(NotWaiting):
            act(adjustment=row, by=kim, now=NOON)
    assert Posting.objects.filter(kind=PostingKind.ADJUSTMENT).count() == 1


def test_splitting_a_large_one_does_not_help(acme: Organization, pat: User) -> None:
    assert [ask(acme, pat, 300).state, ask(acme, pat, -200).state, ask(acme, pat, 1).state] == [
        "posted",
        "posted",
        "waiting",
    ]
    assert ask(acme, pat, 300, at=NOON + DAY).state == "posted"


def test_the_database_wants_two_people_and_keeps_what_was_asked(acme: Organization, pat: User, kim: User) -> None:
    row = ask(acme, pat, 501)
    posting = ask(acme, pat, 5, at=NOON + 2 * DAY).posting
    assert posting
    for one in ({"decided_by": pat}, {"decided_by": None}):
        with pytest.raises(IntegrityError, match="two_people"), transaction.atomic():
            Adjustment.objects.filter(pk=row.pk).update(
                state="posted", decided_at=NOON, posting_id=posting_of(acme).pk, **one
            )
    for change in ({"amount_micros": 1}, {"reason": "another"}, {"asked_by": kim}, {"needs_second": False}):
        with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
            Adjustment.objects.filter(pk=row.pk).update(**change)
    adjusting.refuse(adjustment=row, by=kim, now=NOON)
    with pytest.raises(DatabaseError, match="Invalid transition"), transaction.atomic():
        Adjustment.objects.filter(pk=row.pk).update(state="waiting", decided_at=None)


def posting_of(organization: Organization) -> Posting:
    """One that belongs to no adjustment."""
    return Posting.objects.filter(organization=organization, adjustment=None).latest("pk")


def test_what_nobody_decides_on_is_off_after_seven_days(acme: Organization, pat: User, kim: User) -> None:
    row = ask(acme, pat, 501)
    assert adjusting.overdue(now=NOON + 7 * DAY - SECOND) == []
    with pytest.raises(NotWaiting, match="not decided in time"):  # also when no sweep has come by yet
        adjusting.approve(adjustment=row, by=kim, now=NOON + 7 * DAY)
    for page in ("/operations/adjustments/", f"/operations/adjustments/{row.public_id}/"):
        seen = text(a_browser(kim).get(page))
        assert "Not decided in time" in seen and "Approve" not in seen, page
    tasks.expire_adjustments()
    row.refresh_from_db()
    assert (row.state, row.decided_by, balance(acme)) == ("expired", None, 100 * DOLLAR)


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("amount_cents", {"amount_micros": 0}),
        ("amount_cents", {"amount_micros": 1}),
        ("amount_cents", {"amount_micros": -(10**12) - 10_000}),
        ("words", {"words": " "}),
        ("reason", {"reason": ""}),
        ("reason", {"reason": "x" * 401}),
    ],
)
def test_nonsense_is_refused_beside_its_field(
    acme: Organization, pat: User, field: str, wanted: dict[str, Any]
) -> None:
    usual = {"amount_micros": DOLLAR, "words": "w", "reason": "r"}
    with pytest.raises(AdjustmentRefused) as refused:
        adjusting.ask(organization=acme, by=pat, now=NOON, **{**usual, **wanted})
    assert refused.value.field == field
    assert not Adjustment.objects.exists()


def test_one_of_a_lease_is_a_line_of_its_invoice(acme: Organization, offer: Offer, pat: User) -> None:
    lease = running(acme, offer)
    end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + HOUR)
    metering.meter(lease=lease, upto=NOON + HOUR, now=NOON + HOUR)
    ask(acme, pat, -2, lease=lease)
    ask(acme, pat, 1)  # of no lease: in the ledger alone
    invoice = invoiced(acme, month=NOON.date().replace(day=1), now=NOON + timedelta(days=40))
    assert invoice and invoice.total_cents == 360 + 200
    line = InvoiceLine.objects.get(kind="adjust")
    assert line.cents == 200
    assert balance(acme, AccountKind.REVENUE) == 5_600_000
    with pytest.raises(AdjustmentRefused, match="no such"):
        ask(factories.an_organization("Stranger"), pat, 1, lease=lease)
    said: dict[str, Any] = {"amount_cents": 200, "words": "Sorry.", "reason": "call", "by": pat, "now": NOON + 40 * DAY}
    for number, way_out in ((line.pk, f"credit note for {invoice.number} at /operations/receivables/"), (0, "")):
        if not way_out:
            assert adjusting.ask_by_ids(organization=acme.public_id, invoice_line=number, **said).posting
            continue
        with pytest.raises(AdjustmentRefused, match=way_out) as refused:
            adjusting.ask_by_ids(organization=acme.public_id, invoice_line=number, **said)
        assert refused.value.field == "invoice_line"


def test_pages_ask_decide_and_show(acme: Organization, pat: User, kim: User, browser: Client) -> None:
    hers, his = a_browser(pat), a_browser(kim)
    wanted = {"organization": acme.public_id, "amount": "750.50", "words": "Sorry for the wait.", "reason": "call"}
    refused = text(hers.post("/operations/adjustments/new/", {**wanted, "organization": "org_nobody"}))
    assert "There is no organization org_nobody. Write a part of its name." in refused and "750.50" in str(wanted)
    hers.post("/operations/adjustments/new/", wanted)
    row = Adjustment.objects.get()
    address = f"/operations/adjustments/{row.public_id}/"
    own = text(hers.get(address))
    assert "somebody else has to approve it" in own and "Call it off" in own and "Approve" not in own
    hers.post(address, {"answer": "approve"})
    assert balance(acme) == 100 * DOLLAR
    assert his.get("/operations/adjustments/new/").status_code == 403
    his.post(address, {"answer": "approve"})
    assert balance(acme) == 850_500_000
    assert "by kim@example.com" in text(his.get("/operations/adjustments/"))
    seen = browser.get("/wallet/ledger/").content.decode()
    assert "Sorry for the wait." in seen and "call" not in seen.replace("called", "")


def test_what_was_decided_last_stands_first(acme: Organization, pat: User, kim: User) -> None:
    first, second = ask(acme, pat, 501), ask(acme, pat, 502)
    for row, days in ((second, 1), (first, 2)):
        adjusting.approve(adjustment=row, by=kim, now=NOON + days * DAY)
    page = text(a_browser(kim).get("/operations/adjustments/"))
    assert page.index("$501.00") < page.index("$502.00") and "by kim@example.com, 4 Mar 2026" in page


def test_the_api_can_do_the_same(acme: Organization, pat: User, kim: User) -> None:
    hers, his = APIClient(), APIClient()
    hers.force_login(pat)
    his.force_login(kim)
    wanted = {"organization": acme.public_id, "amount_cents": 50_001, "words": "w", "reason": "r"}
    made = hers.post("/api/v1/operations/adjustments", wanted)
    assert (made.status_code, made.json()["state"]) == (201, "waiting")
    address = f"/api/v1/operations/adjustments/{made.json()['id']}"
    assert hers.post(f"{address}/approve").json()["code"] == "same_person"
    assert his.post(f"{address}/approve").json()["state"] == "posted"
    assert his.post(f"{address}/refuse").json()["code"] == "not_waiting"
    assert len(his.get("/api/v1/operations/adjustments").json()["results"]) == 1
    bad = hers.post("/api/v1/operations/adjustments", {**wanted, "lease": "ls_nothing"})
    assert (bad.status_code, "ls_nothing" in bad.content.decode()) == (400, True)


@pytest.mark.parametrize(("kind", "rule"), [("adjustment", "I8b"), ("promise_credit", "I8")])
def test_money_that_nobody_decided_on_breaks_a_rule(acme: Organization, kind: PostingKind, rule: str) -> None:
    amounts = {AccountKind.WALLET: DOLLAR, AccountKind.ADJUSTMENTS: -DOLLAR}
    operations.post(organization=acme, kind=kind, key=f"{kind}:forged", at=NOON, amounts=amounts)
    (said,) = invariants.broken(now=NOON)
    assert said.startswith(f"{rule} ")
