"""Gifts, credit notes, write-offs, transfers and credit raises by staff: much of them waits for a second person too."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from pytest_django.fixtures import Settings

from accounts.models import Event, Organization, User
from accounts.notices import recipients_of
from billing import adjusting, by_hand, invariants, receivables
from billing.adjusting import Outdated, SamePerson
from billing.models import (
    Adjustment,
    BankTransfer,
    BillingAccount,
    CreditGrant,
    CreditNote,
    Invoice,
    WriteOff,
)
from billing.receivables import BadTransfer
from marketplace.models import Offer
from marketplace.money import MICROS
from tests.accounts.cast import a_browser
from tests.billing.conftest import SECOND, assert_books_balance, balance, funded
from tests.billing.papers import DUE, ISSUED, on_account, owing
from tests.billing.test_adjusting import ask, staff
from tests.factories import DAY
from tests.leasing.test_fleet_pages import text

pytestmark = pytest.mark.django_db
Made = CreditGrant | CreditNote | WriteOff | BankTransfer | Adjustment
CLERK = (
    "add_creditgrant", "add_creditnote", "add_writeoff", "add_banktransfer", "view_invoice", "add_adjustment",
    "view_adjustment",
)  # fmt: skip


@pytest.fixture
def pat(db: None) -> User:
    return staff("pat", *CLERK)


@pytest.fixture
def kim(db: None) -> User:
    return staff("kim", "view_adjustment", "approve_adjustment")


@pytest.fixture
def invoice(acme: Organization, offer: Offer, settings: Settings) -> Invoice:
    """Acme owes $3.00 on one line; above $2.00 two people are needed."""
    settings.ADJUSTMENT_LIMIT_CENTS = 200
    on_account(acme)
    return owing(acme, offer)


def gift(invoice: Invoice, by: User, cents: int, *, now: datetime = DUE, key: str = "k", **more: Any) -> Made:
    wanted = {"reason": "slow disk", "expires_at": None, **more}
    micros = cents * MICROS // 100
    return by_hand.give(organization=invoice.organization, amount_micros=micros, by=by, key=key, now=now, **wanted)


def note(invoice: Invoice, by: User, cents: int, *, now: datetime = DUE) -> Made:
    line = invoice.lines.get().pk
    return by_hand.credit(invoice=invoice, cents_by_line={line: cents}, reason="slow disk", by=by, now=now)


def write_off(invoice: Invoice, by: User, cents: int = 300, *, now: datetime = DUE) -> Made:
    return by_hand.write_off(invoice=invoice, reason="slow disk", by=by, now=now)


def transfer(invoice: Invoice, by: User, cents: int, *, now: datetime = DUE, reference: str = "BANK-1") -> Made:
    return by_hand.record_transfer(
        organization=invoice.organization,
        reference=reference,
        amount_cents=cents,
        received_at=ISSUED,
        invoice=invoice,
        by=by,
        now=now,
    )


def made() -> list[int]:
    gifts = CreditGrant.objects.exclude(reason="gift")  # but the one that it began with
    return [gifts.count(), CreditNote.objects.count(), WriteOff.objects.count(), BankTransfer.objects.count()]


def waits(made: Made) -> Adjustment:
    assert isinstance(made, Adjustment) and made.state == "waiting"
    return made


@pytest.mark.parametrize(
    ("act", "number", "words"),
    [
        (gift, 0, "Promotional credit"),
        (note, 1, "Credit note"),
        (write_off, 2, "Write-off"),
        (transfer, 3, "Bank transfer"),
    ],
    ids=["gift", "credit note", "write-off", "transfer"],
)
def test_a_large_one_moves_money_only_with_a_second_persons_word(
    invoice: Invoice, pat: User, kim: User, act: Callable[..., Made], number: int, words: str
) -> None:
    acme = invoice.organization
    before = balance(acme)
    row = waits(act(invoice, pat, 300))
    assert (made(), balance(acme)) == ([0, 0, 0, 0], before)
    asked = Event.objects.get(kind="adjustment.asked")
    assert asked.organization is None and f"{words} of $3.00 for Acme Robotics waits" in asked.words
    with pytest.raises(SamePerson):
        adjusting.approve(adjustment=row, by=pat, now=DUE)
    done = adjusting.approve(adjustment=row, by=kim, now=DUE + DAY)
    assert (done.state, balance(acme) - before) == ("posted", 3 * MICROS)
    assert made() == [int(place == number) for place in range(4)]
    assert [words for words in invariants.broken(now=DUE + DAY) if not words.startswith("I2b ")] == []  # nodes wait
    assert_books_balance()


@pytest.mark.parametrize("act", [gift, note, transfer], ids=["gift", "credit note", "transfer"])
def test_a_small_one_is_done_at_once_in_the_name_of_who_asked(
    invoice: Invoice, pat: User, act: Callable[..., Made]
) -> None:
    done = act(invoice, pat, 200)
    assert isinstance(done, CreditGrant | CreditNote | BankTransfer)
    whose = {CreditGrant: "given_by", CreditNote: "issued_by", BankTransfer: "recorded_by"}
    row = Adjustment.objects.get()
    who = getattr(done, whose[type(done)])
    assert (row.state, row.needs_second, who) == ("posted", False, f"user:{pat.public_id}")


def test_what_is_refused_is_never_done(invoice: Invoice, pat: User, kim: User) -> None:
    for act in (gift, note, write_off, transfer):
        adjusting.refuse(adjustment=waits(act(invoice, pat, 300)), by=kim, now=DUE)
    assert made() == [0, 0, 0, 0]


def test_no_mixture_gets_around_the_limit(invoice: Invoice, pat: User, kim: User) -> None:
    ask(invoice.organization, pat, 1, at=DUE)
    assert isinstance(gift(invoice, pat, 50), CreditGrant)
    assert isinstance(note(invoice, pat, 50), CreditNote)
    waits(gift(invoice, pat, 1, key="another"))
    waits(note(invoice, pat, 1))
    waits(write_off(invoice, pat))
    waits(transfer(invoice, pat, 1))
    assert ask(invoice.organization, pat, 1, at=DUE).state == "waiting"
    assert isinstance(gift(invoice, kim, 200, key="hers"), CreditGrant)  # what others do counts to them
    assert isinstance(gift(invoice, pat, 200, key="tomorrow", now=DUE + DAY), CreditGrant)


def test_the_same_key_again_changes_nothing_whatever_became_of_it(invoice: Invoice, pat: User, kim: User) -> None:
    row = waits(gift(invoice, pat, 300))
    assert gift(invoice, pat, 300) == row
    adjusting.approve(adjustment=row, by=kim, now=DUE)
    again = gift(invoice, pat, 300)
    assert isinstance(again, CreditGrant) and Adjustment.objects.count() == 1
    refused = waits(gift(invoice, pat, 300, key="r"))
    adjusting.refuse(adjustment=refused, by=pat, now=DUE)
    known = gift(invoice, pat, 300, key="r")
    assert isinstance(known, Adjustment) and known.state == "refused"


def test_what_has_changed_meanwhile_is_not_done_as_it_was_asked(invoice: Invoice, pat: User, kim: User) -> None:
    short = waits(gift(invoice, pat, 300, expires_at=DUE + DAY))
    whole = waits(note(invoice, pat, 300))
    rest = waits(write_off(invoice, pat))
    note(invoice, kim, 100)
    for row, why in ((short, "end later than now"), (whole, "left to credit"), (rest, "another amount")):
        with pytest.raises(Outdated, match=why):
            adjusting.approve(adjustment=row, by=kim, now=DUE + DAY)
        row.refresh_from_db()
        assert (row.state, row.posting) == ("waiting", None)
    assert made() == [0, 1, 0, 0]


def test_a_transfer_waits_once_and_can_be_asked_for_again_when_it_was_refused(
    invoice: Invoice, pat: User, kim: User
) -> None:
    row = waits(transfer(invoice, pat, 300))
    assert transfer(invoice, pat, 300) == row
    with pytest.raises(BadTransfer, match="waits for a second person with another amount"):
        transfer(invoice, kim, 100)
    adjusting.refuse(adjustment=row, by=kim, now=DUE)
    again = waits(transfer(invoice, pat, 300))
    adjusting.approve(adjustment=again, by=kim, now=DUE)
    told = transfer(invoice, pat, 300)
    assert isinstance(told, BankTransfer) and (told.received_at, told.recorded_at) == (ISSUED, DUE)
    assert told.applied.get().invoice == invoice and Adjustment.objects.count() == 2


def test_nobody_is_asked_for_money_that_waits_for_a_second_person(invoice: Invoice, pat: User, kim: User) -> None:
    acme, late, dunned = invoice.organization, DUE + 31 * DAY, ["invoice.ordering_paused", "invoice.overdue"]
    row = waits(transfer(invoice, pat, 300, now=late - DAY))
    receivables.collect(organization=acme, now=late)
    assert not Event.objects.filter(kind__in=dunned).exists()
    seen = text(a_browser(pat).get(f"/operations/receivables/{invoice.public_id}/"))
    assert "A bank transfer of $3.00 waits for a second person." in seen
    lapsed = row.expires_at
    receivables.collect(organization=acme, now=lapsed)
    assert sorted(Event.objects.filter(kind__in=dunned).values_list("kind", flat=True)) == dunned
    adjusting.approve(adjustment=waits(transfer(invoice, pat, 300, now=lapsed)), by=kim, now=lapsed)
    assert BillingAccount.objects.get(organization=acme).suspended_at is None


def test_one_that_ran_out_does_not_wait_although_no_sweep_has_come_by(invoice: Invoice, pat: User) -> None:
    row = waits(transfer(invoice, pat, 300))
    assert transfer(invoice, pat, 300, now=row.expires_at - SECOND) == row
    assert waits(transfer(invoice, pat, 300, now=row.expires_at)) != row


def test_a_transfer_that_names_no_invoice_is_shown_on_those_of_its_customer(invoice: Invoice, pat: User) -> None:
    by_hand.record_transfer(
        organization=invoice.organization, reference="B", amount_cents=300, received_at=ISSUED, by=pat, now=DUE
    )
    seen = text(a_browser(pat).get(f"/operations/receivables/{invoice.public_id}/"))
    assert "A bank transfer of $3.00 waits for a second person." in seen


def test_staff_hear_of_what_nobody_decided_in_time(invoice: Invoice, pat: User, kim: User) -> None:
    for row in (waits(transfer(invoice, pat, 300)), waits(gift(invoice, pat, 300))):
        adjusting.expire(adjustment=row, now=row.expires_at)
    lost, off = Event.objects.filter(kind="adjustment.expired").order_by("pk")
    assert "Bank transfer of $3.00 for Acme Robotics was not decided in time" in lost.words
    assert lost.notice and "record it again" in lost.notice["text"]
    assert off.notice and "Ask for it again" in off.notice["text"]
    assert recipients_of(lost) == [kim.email]


def test_a_transfer_that_is_another_customers_by_then_is_not_recorded(
    invoice: Invoice, pat: User, kim: User, settings: Settings
) -> None:
    row = waits(transfer(invoice, pat, 300))
    other = funded(0, "Other Ltd")
    on_account(other)
    settings.ADJUSTMENT_LIMIT_CENTS = 500
    receivables.record_transfer(
        organization=other, reference="BANK-1", amount_cents=300, received_at=ISSUED, actor="user:us_x", now=DUE
    )
    with pytest.raises(Outdated, match="for another customer"):
        adjusting.approve(adjustment=row, by=kim, now=DUE)
    assert BankTransfer.objects.get().organization == other


def test_the_database_keeps_what_was_asked(invoice: Invoice, pat: User) -> None:
    row = waits(write_off(invoice, pat))
    for change in ({"kind": "gift"}, {"wanted": {"invoice": "in_other"}}):
        with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
            Adjustment.objects.filter(pk=row.pk).update(**change)


def test_pages_say_the_limit_and_that_it_waits(invoice: Invoice, pat: User, kim: User) -> None:
    hers, his = a_browser(pat), a_browser(kim)
    one = f"/operations/receivables/{invoice.public_id}/"
    wanted = {"organization": invoice.organization.public_id, "amount": "3.00", "reason": "slow", "key": "p"}
    came = {
        "organization": invoice.organization.public_id, "reference": "B", "amount": "3.00",
        "received_at": "2026-04-02T12:00",
    }  # fmt: skip
    for address, said in (
        ("/operations/promotional-credit/", wanted),
        ("/operations/receivables/transfer/", came),
        (f"{one}credit/", {f"line_{invoice.lines.get().pk}": "3.00", "reason": "slow"}),
        (f"{one}write-off/", {"reason": "insolvent"}),
    ):
        assert "Up to $2.00 for one customer within a day" in text(hers.get(address))
        assert "It waits for a second person now." in text(hers.post(address, said, follow=True))
    assert made() == [0, 0, 0, 0]
    listed = text(his.get("/operations/adjustments/"))
    assert all(
        words in listed for words in ("Promotional credit", "Credit note for", "Write-off for", "Bank transfer B")
    )
    rest = Adjustment.objects.get(kind="write_off")
    page = f"/operations/adjustments/{rest.public_id}/"
    assert invoice.number in text(his.get(page))
    adjusting.approve(adjustment=Adjustment.objects.get(kind="credit_note"), by=kim, now=DUE)
    assert "Nothing is open" in text(his.post(page, {"answer": "approve"}, follow=True))
    his.post(f"/operations/adjustments/{Adjustment.objects.get(kind='gift').public_id}/", {"answer": "approve"})
    assert made() == [1, 1, 0, 0]
    moved = f"/operations/adjustments/{Adjustment.objects.get(kind='transfer').public_id}/"
    assert "Reason, for staff" in text(his.get(moved)) and "Reason, read by the customer too" in text(his.get(page))
    his.post(moved, {"answer": "approve"})
    assert made() == [1, 1, 0, 1]


def test_who_decides_reads_all_that_was_asked_for(invoice: Invoice, pat: User, kim: User) -> None:
    his, end = a_browser(kim), datetime(2026, 12, 24, 18, 0, tzinfo=UTC)
    gift_, note_ = waits(gift(invoice, pat, 300, expires_at=end)), waits(note(invoice, pat, 250))
    rest = waits(write_off(invoice, pat))

    def page(row: Adjustment) -> str:
        return text(his.get(f"/operations/adjustments/{row.public_id}/"))

    assert "Promotional credit $3.00" in page(gift_) and "Ends 24 Dec 2026, 18:00 UTC" in page(gift_)
    line = invoice.lines.get()
    assert f"Invoice {invoice.number}" in page(note_) and f"$2.50 {line.description}, $3.00" in page(note_)
    assert "Write-off $3.00" in page(rest) and f"Invoice {invoice.number}" in page(rest)
    seen = text(a_browser(pat).get(f"/operations/receivables/{invoice.public_id}/"))
    for words in ("A credit note of $2.50 waits for a second person.", "A write-off of $3.00 waits"):
        assert words in seen


def test_the_api_answers_with_what_waits(invoice: Invoice, pat: User, kim: User) -> None:
    hers, his = a_browser(pat), a_browser(kim)
    base = f"/api/v1/operations/invoices/{invoice.public_id}/"
    gift = {"organization": invoice.organization.public_id, "amount_micros": 3_000_000, "reason": "r", "key": "a"}
    came = {
        "organization": invoice.organization.public_id, "reference": "B", "amount_cents": 300,
        "received_at": "2026-04-02T12:00:00Z",
    }  # fmt: skip
    for address, said, kind in (
        ("/api/v1/operations/promotional-credit", gift, "gift"),
        ("/api/v1/operations/transfers", came, "transfer"),
        (f"{base}credit", {"lines": [{"line": 1, "cents": 300}], "reason": "r"}, "credit_note"),
        (f"{base}write-off", {"reason": "r"}, "write_off"),
    ):
        made = hers.post(address, said, content_type="application/json")
        assert (made.status_code, made.json()["kind"], made.json()["state"]) == (202, kind, "waiting")
    row = Adjustment.objects.get(kind="credit_note")
    assert his.post(f"/api/v1/operations/adjustments/{row.public_id}/approve").json()["state"] == "posted"
    late = his.post(f"/api/v1/operations/adjustments/{made.json()['id']}/approve")
    assert (late.status_code, late.json()["code"]) == (409, "outdated")
