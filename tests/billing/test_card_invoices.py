"""The processor's monthly invoices: mirrored, paid into the wallet once, and what follows when the card fails."""

from datetime import datetime
from typing import Any

import pytest

from accounts.models import Event, Organization
from billing import card_invoices, disputes, payments, receivables, suspending
from billing.models import (
    AccountKind,
    BillingAccount,
    BillingMode,
    CardInvoice,
    Dispute,
    Movement,
    Posting,
    PostingKind,
    TieOut,
)
from billing.payments import balance as balances
from billing.queries.reconciled import compared
from billing.tying_out import compare_month, days_due, invoices_due, tie_out
from tests.accounts.cast import a_browser
from tests.billing.conftest import balance, funded, money
from tests.billing.monthly import (
    APRIL,
    DAY,
    HOUR,
    MARCH,
    MAY,
    MICROS,
    charge,
    metered_micros,
    monthly,
    processor,
    sweep,
    to,
)
from tests.leasing.test_fleet_pages import a_member_of_staff
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db
FAILS = "4000000000000341"  # can be saved, and is declined when it is charged


def used(organization: Organization, micros: int, when: datetime, time: StripeStandin) -> None:
    """The ledger has it, and the processor knows."""
    charge(organization, micros, when)
    sweep(to(time, when + HOUR))


def look(now: datetime) -> None:
    assert card_invoices.look(gateway=payments.gateway(), now=now) == {}


def latest(organization: Organization) -> CardInvoice:
    found = CardInvoice.objects.filter(organization=organization).first()
    assert found
    return found


def tied_out(now: datetime) -> list[tuple[str, str]]:
    """What differs, by span and day."""
    assert tie_out(gateway=payments.gateway(), now=now) == {}
    return [(row.span, f"{row.day}") for row in TieOut.objects.exclude(differs_since=None)]


def compared_with_movements(charge: str) -> list[tuple[int, int]]:
    """Cents of a charge: as the processor moved them, and by our ledger."""
    moved = [balances.read(facts) for facts in payments.gateway().each(balances.PATH)]
    Movement.objects.bulk_create(Movement(**vars(one)) for one in moved if one.source == charge)
    return [(one.processor_cents, one.ledger_cents) for one in compared(sources=[charge])]


def test_a_paid_invoice_raises_the_wallet_once(time: StripeStandin) -> None:
    acme = monthly(funded(0), MARCH).organization
    used(acme, 12_345_678, MARCH, time)
    to(time, APRIL + 2 * HOUR)
    for hours in (2, 3, 4):
        look(APRIL + hours * HOUR)
    invoice = latest(acme)
    assert (invoice.status, invoice.total_cents, invoice.paid_cents) == ("paid", 1235, 1235)
    assert invoice.page_url and invoice.pdf_url
    assert balance(acme) == 12_350_000 - 12_345_678  # the cent's rest stays on the wallet
    assert balance(acme, AccountKind.CLEARING) == -12_350_000
    (posting,) = Posting.objects.filter(kind=PostingKind.CARD_INVOICE)
    assert posting.key == f"card_invoice:{invoice.public_id}"
    assert compared_with_movements(invoice.charge_reference) == [(1235, 1235)]
    assert tied_out(APRIL + 4 * HOUR) == []
    assert TieOut.objects.filter(span="day").count() == 30 and TieOut.objects.filter(span="month").count() == 1
    assert invoices_due(acme).count() == 0
    assert days_due(acme.metered_subscription, now=APRIL + 4 * HOUR) == []


def test_less_than_the_processor_charges_is_paid_with_the_next_invoice(time: StripeStandin) -> None:
    acme = monthly(funded(0), MARCH).organization
    used(acme, 310_000, MARCH, time)  # 31 cents
    to(time, APRIL + 2 * HOUR)
    look(APRIL + 2 * HOUR)
    assert (latest(acme).status, latest(acme).total_cents, latest(acme).paid_cents) == ("paid", 31, 0)
    assert balance(acme) == -310_000
    used(acme, 1_000_000, APRIL + 3 * HOUR, time)
    to(time, MAY + 2 * HOUR)
    look(MAY + 2 * HOUR)
    assert (latest(acme).total_cents, latest(acme).due_cents, latest(acme).paid_cents) == (100, 131, 131)
    assert balance(acme) == 0
    assert tied_out(MAY + 3 * HOUR) == []


def test_a_card_that_fails_is_told_at_each_try_and_ends_the_credit_until_it_is_paid(time: StripeStandin) -> None:
    acme = monthly(funded(0), MARCH, card=FAILS).organization
    used(acme, 20 * MICROS, MARCH, time)
    to(time, APRIL + 2 * HOUR)
    look(APRIL + 2 * HOUR)
    assert (latest(acme).status, latest(acme).attempts, balance(acme)) == ("open", 1, -20_000_000)
    assert latest(acme).next_attempt_at and card_invoices.suspend_due(now=APRIL + 6 * DAY) == []
    to(time, APRIL + 4 * DAY)
    look(APRIL + 4 * DAY)
    assert Event.objects.filter(kind="invoice.card_failed", notice__isnull=False).count() == 2
    late = APRIL + 8 * DAY
    assert card_invoices.suspend_due(now=late) == [acme]
    for _ in range(2):
        card_invoices.suspend(organization=acme, now=late)
    assert Event.objects.filter(kind="invoice.credit_suspended").count() == 1
    assert money(acme, late).available_micros == -20_000_000  # no credit: the ladder stops what would run on it
    processor().v1.invoices.pay(latest(acme).reference, {"payment_method": "pm_card_visa"})
    look(late + HOUR)
    account = BillingAccount.objects.get(organization=acme)
    assert (latest(acme).status, account.suspended_at, balance(acme)) == ("paid", None, 0)
    assert Event.objects.filter(kind="invoice.credit_back").exists()


def test_a_void_invoice_gives_the_credit_back_and_one_that_is_written_off_does_not(time: StripeStandin) -> None:
    acme = monthly(funded(0), MARCH, card=FAILS).organization
    used(acme, 20 * MICROS, MARCH, time)
    to(time, APRIL + 2 * HOUR)
    look(APRIL + 2 * HOUR)
    late, invoice = APRIL + 8 * DAY, latest(acme).reference
    card_invoices.suspend(organization=acme, now=late)
    processor().v1.invoices.mark_uncollectible(invoice)
    look(late)
    assert latest(acme).status == "uncollectible" and suspending.suspension(acme)
    processor().v1.invoices.void_invoice(invoice)
    look(late + HOUR)
    assert (latest(acme).status, suspending.suspension(acme)) == ("void", None)
    assert card_invoices.suspend_due(now=late + HOUR) == []
    (event,) = Event.objects.filter(kind="invoice.credit_back")
    assert event.notice and "unpaid" in event.notice["text"]


def test_an_invoice_marked_as_paid_by_transfer_is_counted_once(time: StripeStandin) -> None:
    acme = monthly(funded(0), MARCH, card=FAILS).organization
    used(acme, 20 * MICROS, MARCH, time)
    to(time, APRIL + 2 * HOUR)
    look(APRIL + 2 * HOUR)

    def transferred() -> None:
        receivables.record_transfer(
            organization=acme, reference="E2E-1", amount_cents=2000, received_at=MARCH, actor="", now=APRIL + 2 * HOUR
        )

    for hours in (3, 4):  # before the processor says so, and behind it
        with pytest.raises(receivables.BadTransfer, match="out of band"):
            transferred()
        if hours == 3:
            processor().v1.invoices.pay(latest(acme).reference, {"paid_out_of_band": True})
        look(APRIL + hours * HOUR)
    assert (latest(acme).status, latest(acme).charge_reference, balance(acme)) == ("paid", "", 0)
    assert balance(acme, AccountKind.TRANSFERS) == -20 * MICROS and not balance(acme, AccountKind.CLEARING)
    (told,) = Event.objects.filter(kind="invoice.paid_out_of_band", organization=None)
    assert told.notice and "$20.00" in told.notice["text"]
    BillingAccount.objects.filter(organization=acme).update(mode=BillingMode.INVOICED)
    transferred()  # without the guard
    assert balance(acme) == 20 * MICROS


def test_staffs_own_suspension_is_not_lifted_by_a_payment(time: StripeStandin) -> None:
    acme = monthly(funded(0), MARCH).organization
    BillingAccount.objects.filter(organization=acme).update(suspended_at=MARCH, suspended_reason="dispute")
    used(acme, 20 * MICROS, MARCH, time)
    to(time, APRIL + 2 * HOUR)
    look(APRIL + 2 * HOUR)
    assert latest(acme).status == "paid"
    assert BillingAccount.objects.get(organization=acme).suspended_reason == "dispute"


def test_what_was_counted_too_late_for_its_invoice_is_on_the_next(time: StripeStandin) -> None:
    acme = monthly(funded(0), MARCH).organization
    used(acme, 5 * MICROS, MARCH, time)
    charge(acme, 2 * MICROS, MARCH + DAY)
    time.faults(path="/v1/billing/meter_events", mode="503", times=9)
    sweep(to(time, MARCH + DAY + HOUR))
    to(time, APRIL + 2 * HOUR)
    time.heal()
    sweep(APRIL + 2 * HOUR)  # counted in March, whose invoice is final
    look(APRIL + 3 * HOUR)
    assert latest(acme).total_cents == 500
    assert tied_out(APRIL + 3 * HOUR) == []
    sweep(APRIL + 3 * HOUR)
    assert tied_out(APRIL + 4 * HOUR) == []
    to(time, MAY + 2 * HOUR)
    look(MAY + 2 * HOUR)
    assert latest(acme).total_cents == 200 and balance(acme) == 0
    assert tied_out(MAY + 3 * HOUR) == []


def test_a_difference_is_a_row_told_to_staff_once_and_gone_when_all_agree(time: StripeStandin) -> None:
    acme = monthly(funded(0), MARCH).organization
    used(acme, MICROS, MARCH, time)
    stray: dict[str, Any] = {"stripe_customer_id": BillingAccount.objects.get().customer_reference or "", "value": "5"}
    event = {"event_name": "compute_usd_micros", "payload": stray, "identifier": f"stray-{acme.public_id}"}
    processor().v1.billing.meter_events.create(event)  # type: ignore[arg-type]
    for hours in (14, 15):
        assert tied_out(MARCH + hours * HOUR) == [("day", "2026-03-02")]
    (told,) = Event.objects.filter(kind="metered.difference")
    assert told.organization is None and told.notice and "$1.000005" in told.notice["text"]
    cancel: dict[str, Any] = {"event_name": "compute_usd_micros", "type": "cancel"}
    cancel["cancel"] = {"identifier": f"stray-{acme.public_id}"}
    processor().v1.billing.meter_event_adjustments.create(cancel)  # type: ignore[arg-type]
    assert tied_out(MARCH + 16 * HOUR) == []


def test_an_invoice_of_another_amount_differs(time: StripeStandin) -> None:
    acme = monthly(funded(0), MARCH).organization
    used(acme, MICROS, MARCH, time)
    to(time, APRIL + 2 * HOUR)
    look(APRIL + 2 * HOUR)
    invoice = latest(acme)
    invoice.subtotal_cents += 2  # one line: a cent is rounding, two are not
    row = compare_month(invoice=invoice, gateway=payments.gateway(), now=APRIL + 3 * HOUR)
    assert row and row.differs_since and row.counted_micros - row.told_micros == 20_000


def test_our_own_months_and_strangers_invoices_are_not_read(time: StripeStandin) -> None:
    acme = monthly(funded(0), MARCH).organization
    BillingAccount.objects.filter(organization=acme).update(customer_reference="cus_elsewhere")
    gateway = payments.gateway()
    reference = acme.metered_subscription.reference or ""
    for facts in gateway.each("/v1/invoices", subscription=reference, expand=["data.payments"]):
        card_invoices.merge(facts=facts, now=MARCH)
    assert not CardInvoice.objects.exists()


def test_a_month_that_is_disputed_is_owed_again_and_not_charged_again(time: StripeStandin) -> None:
    acme = monthly(funded(0), MARCH).organization
    used(acme, 20 * MICROS, MARCH, time)
    to(time, APRIL + 2 * HOUR)
    look(APRIL + 2 * HOUR)
    row = latest(acme)
    made = time.dispute(row.charge_reference)
    merged, staff = Dispute.objects.filter(organization=acme), a_browser(a_member_of_staff("view_dispute"))
    for verdict, owed in ((None, 20 * MICROS), ("won", 0)):
        if verdict:
            time.end_dispute(made["id"], verdict)
        disputes.merge(facts=payments.gateway().fetch(f"/v1/disputes/{made['id']}"), now=APRIL + 3 * HOUR)
        assert (merged.get().charged, balance(acme)) == (row, -owed)
        assert (suspending.suspension(acme) is not None) == bool(owed)
        page = staff.get(f"/operations/disputes/{merged.get().public_id}/").content.decode()
        assert f"of invoice {row.number}" in page and "monthly invoice paid by card" in page.lower()
        sweep(to(time, APRIL + 5 * HOUR))
        assert metered_micros(acme, APRIL, APRIL + DAY) == 0
