"""Net-30 invoices ask for nothing that is in the wallet: money and credit pay them, the earliest due before all."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from io import BytesIO

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pypdf import PdfReader
from rest_framework.test import APIClient

from accounts.models import Event, Organization
from billing import adjusting, credit_notes, disputes, granting, invoicing, metering, operations, receivables
from billing import settlement as settling
from billing.invariants import broken
from billing.models import BillingMode, Invoice, Outstanding, Payment, SetOff
from billing.paying import ChangeRefused
from billing.payments.disputes import DisputeFacts
from billing.queries.receivables import PaperState, receivable_of
from leasing.models import Lease
from leasing.operations import end
from marketplace.models import Offer
from marketplace.money import MICROS
from tests import factories
from tests.billing.conftest import HOUR, SECOND, assert_books_balance, balance, funded, invoiced, running
from tests.billing.monthly import decided
from tests.billing.papers import DUE, ISSUED, STAFF, days_late, on_account, owing

pytestmark = pytest.mark.django_db
LATE_MARCH = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)
MAY, JUNE = datetime(2026, 5, 1, 0, 5, tzinfo=UTC), datetime(2026, 6, 1, 0, 5, tzinfo=UTC)


@pytest.fixture
def poor(db: None) -> Organization:
    """A customer without a cent."""
    return funded(0, "Poor Ltd")


def pays_in(organization: Organization, dollars: int, now: datetime = ISSUED) -> Payment:
    """By a card, at the processor's page."""
    payment = Payment.objects.create(
        organization=organization, amount_cents=100 * dollars, created_at=now, next_check_at=now
    )
    settling.credit(payment, charge_reference=f"ch_{payment.public_id}", now=now)
    return payment


def use(organization: Organization, offer: Offer, *, since: datetime, hours: int) -> Lease:
    """Some hours of a node at $3.60."""
    lease = running(organization, offer, now=since)
    end(lease=lease, reason="returned", actor=STAFF, now=since + hours * HOUR)
    for hour in range(hours + 1):
        metering.meter(lease=lease, upto=since + hour * HOUR, now=since + hour * HOUR)
    return lease


def parts(invoice: Invoice) -> dict[str, int]:
    """What has become of an invoice's cents, as far as it is something."""
    owed = receivable_of(invoice)
    assert owed
    found = {"wallet": owed.from_wallet_cents, "transfers": owed.paid_cents, "notes": owed.credited_cents}
    found |= {"gone": owed.written_off_cents, "open": owed.open_cents}
    assert sum(found.values()) == invoice.total_cents
    return {name: cents for name, cents in found.items() if cents}


def asked(organization: Organization) -> list[str]:
    """What it was told of its invoices since they were issued."""
    events = Event.objects.filter(organization=organization, kind__startswith="invoice.")
    events = events.exclude(kind__in=("invoice.issued", "invoice.set_off"))
    return list(events.order_by("id").values_list("kind", flat=True))


def told(invoice: Invoice) -> list[tuple[int, int]]:
    """What programs were told of its set-offs: cents, and what was open then."""
    events = Event.objects.filter(organization=invoice.organization, kind="invoice.set_off", subject=invoice.public_id)
    assert all(event.data["number"] == invoice.number and event.notice is None for event in events)
    return [(event.data["cents"], event.data["open_cents"]) for event in events.order_by("pk")]


def wrong(now: datetime) -> list[str]:
    return [words for words in broken(now=now) if words[:2] in ("I4", "I5", "I6")]


def test_what_was_paid_before_the_switch_is_not_asked_for_again(poor: Organization, offer: Offer) -> None:
    pays_in(poor, 100, LATE_MARCH - timedelta(days=20))
    use(poor, offer, since=LATE_MARCH - 25 * HOUR, hours=25)  # $90.00
    decided(poor, LATE_MARCH, mode="invoiced", trust="enterprise")
    invoice = invoiced(poor, now=ISSUED)
    assert invoice and (invoice.mode, invoice.total_cents) == ("invoiced", 9_000)
    assert parts(invoice) == {"wallet": 9_000}
    notice = Event.objects.get(kind="invoice.issued").notice
    assert notice and "$90.00 of it was paid from your wallet. Nothing is to be transferred." in notice["text"]
    for days in (-7, 1, 14, 30):
        receivables.collect(organization=poor, now=days_late(days))
    assert asked(poor) == [] and list(receivables.at_stake()) == []
    assert wrong(ISSUED) == []
    assert_books_balance()


def test_the_rest_of_what_was_paid_is_set_off_against_the_next_month_and_the_remainder_is_asked_for(
    poor: Organization, offer: Offer
) -> None:
    pays_in(poor, 5, LATE_MARCH)
    on_account(poor, keeps=True)
    march, april = owing(poor, offer), owing(poor, offer, month=date(2026, 4, 1))
    assert (parts(march), parts(april)) == ({"wallet": 300}, {"wallet": 200, "open": 100})
    notice = Event.objects.filter(kind="invoice.issued").latest("id").notice
    assert notice and notice["text"].endswith(
        "$2.00 of it was paid from your wallet. Please transfer $1.00 by 2026-05-31, with its number as reference."
    )
    came(poor, 100)
    assert parts(april) == {"wallet": 200, "transfers": 100} and balance(poor) == 0


def gift(organization: Organization) -> None:
    granting.give(
        organization=organization, amount_micros=2 * MICROS, reason="welcome", expires_at=None, actor=STAFF, key="g",
        now=LATE_MARCH,
    )  # fmt: skip


def adjusted(organization: Organization) -> None:
    clerk = factories.a_user("clerk@example.com", is_staff=True)
    adjusting.ask(
        organization=organization, amount_micros=2 * MICROS, words="Sorry", reason="x", by=clerk, now=LATE_MARCH
    )


def by_hand(organization: Organization) -> None:
    pays_in(organization, 2, LATE_MARCH)


@pytest.mark.parametrize("comes_in", [gift, adjusted, by_hand])
@pytest.mark.parametrize("comes", ["before", "behind"])
def test_credit_adjustments_and_top_ups_pay_invoices_whether_they_come_before_or_behind(
    poor: Organization, offer: Offer, comes_in: Callable[[Organization], None], comes: str
) -> None:
    on_account(poor)
    if comes == "before":
        comes_in(poor)
    march = owing(poor, offer)
    if comes == "behind":
        assert parts(march) == {"open": 300}
        comes_in(poor)
    assert parts(march) == {"wallet": 200, "open": 100}, "at once, by no sweep"
    receivables.collect(organization=poor, now=ISSUED)
    assert told(march) == [(200, 100)], "once"
    assert wrong(ISSUED) == []


def came(organization: Organization, cents: int, reference: str = "BANK-1", now: datetime = DUE) -> None:
    receivables.record_transfer(
        organization=organization, reference=reference, amount_cents=cents, received_at=ISSUED, actor=STAFF, now=now
    )


def test_of_several_the_earliest_due_is_paid_first_and_a_payment_lets_orders_go_on(
    poor: Organization, offer: Offer
) -> None:
    on_account(poor)
    march, april = owing(poor, offer), owing(poor, offer, month=date(2026, 4, 1))
    receivables.collect(organization=poor, now=days_late(30))
    assert asked(poor)[-1] == "invoice.ordering_paused"
    pays_in(poor, 4, days_late(30))
    assert (parts(march), parts(april)) == ({"wallet": 300}, {"wallet": 100, "open": 200})
    receivables.collect(organization=poor, now=days_late(30) + HOUR)
    assert asked(poor)[-1] == "invoice.ordering_resumed"


def test_money_that_a_bank_takes_back_is_owed_again_on_the_latest_invoice(poor: Organization, offer: Offer) -> None:
    on_account(poor)
    payment = pays_in(poor, 5)
    march, april = owing(poor, offer), owing(poor, offer, month=date(2026, 4, 1))
    came(poor, 100)
    assert balance(poor) == 0
    facts = DisputeFacts("du_1", payment.charge_reference, "needs_response", "fraudulent", 500, DUE, taken_cents=500)
    disputes.apply(facts=facts, now=DUE)
    assert (parts(march), parts(april)) == ({"open": 300}, {"transfers": 100, "open": 200})
    assert balance(poor) == -5 * MICROS and Outstanding.objects.count() == 2
    won = DisputeFacts("du_1", payment.charge_reference, "won", "fraudulent", 500, DUE, 500, returned_cents=500)
    disputes.apply(facts=won, now=DUE)
    assert (parts(march), parts(april)) == ({"wallet": 300}, {"wallet": 200, "transfers": 100})
    assert [row.cents for row in SetOff.objects.filter(invoice=march).order_by("pk")] == [300, -300, 300]
    assert told(march) == [(300, 0), (-300, 300), (300, 0)]
    assert told(april) == [(200, 100), (-200, 200), (200, 0)]
    assert wrong(DUE) == []


def test_a_credit_note_on_a_paid_invoice_pays_the_next_one(poor: Organization, offer: Offer) -> None:
    pays_in(poor, 3, LATE_MARCH)
    on_account(poor, keeps=True)
    march, april = owing(poor, offer), owing(poor, offer, month=date(2026, 4, 1))
    credit_notes.credit(
        invoice=march, cents_by_line={march.lines.get().pk: 120}, reason="slow disk", actor=STAFF, now=DUE
    )
    assert (parts(march), parts(april)) == ({"wallet": 180, "notes": 120}, {"wallet": 120, "open": 180})
    receivables.write_off(invoice=april, reason="insolvent", actor=STAFF, now=DUE)
    assert parts(april) == {"wallet": 120, "gone": 180} and balance(poor) == 0
    assert list(receivables.at_stake()) == [] and wrong(DUE) == []


def test_credit_lapses_only_as_far_as_it_has_paid_nothing(poor: Organization, offer: Offer) -> None:
    on_account(poor)
    granting.give(
        organization=poor, amount_micros=5 * MICROS, reason="w", expires_at=MAY, actor=STAFF, key="g", now=LATE_MARCH
    )
    march = owing(poor, offer)
    assert operations.lapse(organization=poor, now=MAY) == 2 * MICROS
    assert parts(march) == {"wallet": 300} and balance(poor) == 0


def test_more_than_was_owed_on_one_invoice_pays_the_next(poor: Organization, offer: Offer) -> None:
    on_account(poor)
    march = owing(poor, offer)
    came(poor, 400)
    april = owing(poor, offer, month=date(2026, 4, 1))
    assert (parts(march), parts(april)) == ({"transfers": 300}, {"wallet": 100, "open": 200})


def test_use_that_is_not_invoiced_yet_keeps_no_money_back(poor: Organization, offer: Offer) -> None:
    pays_in(poor, 5, LATE_MARCH)
    on_account(poor, keeps=True)
    use(poor, offer, since=datetime(2026, 4, 1, tzinfo=UTC), hours=1)  # $3.60 of April, before March is closed
    march = owing(poor, offer)
    assert parts(march) == {"wallet": 300} and wrong(MAY) == []
    april = invoiced(poor, month=date(2026, 4, 1), now=MAY)
    assert april and parts(april) == {"wallet": 200, "open": 160}


def test_a_month_of_less_than_nothing_pays_the_one_before(poor: Organization, offer: Offer) -> None:
    on_account(poor)
    march = owing(poor, offer)
    clerk, april = factories.a_user("clerk@example.com", is_staff=True), datetime(2026, 4, 9, tzinfo=UTC)
    lease = Lease.objects.get(organization=poor)
    adjusting.ask(organization=poor, amount_micros=MICROS, words="Sorry", reason="x", by=clerk, now=april, lease=lease)
    assert parts(march) == {"open": 300}, "it is on the invoice of its month, and not on any before"
    made = invoiced(poor, month=date(2026, 4, 1), now=MAY)
    assert made and made.total_cents == -100
    owed = receivable_of(made)
    assert owed and (owed.state(MAY.date()), owed.open_cents) == (PaperState.PAID, 0)
    assert parts(march) == {"wallet": 100, "open": 200} and wrong(MAY) == []


def test_it_may_pay_before_again_once_nothing_is_open_and_old_invoices_stay_settled(
    poor: Organization, offer: Offer
) -> None:
    payment = pays_in(poor, 3, LATE_MARCH)
    decided(poor, LATE_MARCH, mode="invoiced", trust="enterprise")
    march = owing(poor, offer)
    owing(poor, offer, month=date(2026, 4, 1))
    with pytest.raises(ChangeRefused, match="by transfer"):
        decided(poor, MAY, mode="prepaid")
    pays_in(poor, 3, MAY)
    assert decided(poor, MAY, mode="prepaid").mode == BillingMode.PREPAID
    facts = DisputeFacts("du_1", payment.charge_reference, "needs_response", "fraud", 300, DUE, taken_cents=300)
    disputes.apply(facts=facts, now=DUE)
    assert parts(march) == {"wallet": 300} and balance(poor) == -3 * MICROS, "who pays before owes it to the wallet"
    credit_notes.credit(invoice=march, cents_by_line={march.lines.get().pk: 1}, reason="x", actor=STAFF, now=DUE)
    assert wrong(DUE) == [] and list(receivables.at_stake()) == []


def test_half_a_cent_is_nobodys_debt(poor: Organization, offer: Offer) -> None:
    on_account(poor)
    march = owing(poor, offer)
    operations.grant(organization=poor, amount_micros=3 * MICROS - 3_333, key="k", memo="gift", now=DUE)
    assert parts(march) == {"wallet": 300} and balance(poor) == -3_333
    assert wrong(DUE) == []
    assert decided(poor, DUE, mode="prepaid").mode == BillingMode.PREPAID


def test_a_close_sets_off_for_each_by_itself_and_asks_nothing_where_nobody_pays_by_transfer(
    poor: Organization, offer: Offer
) -> None:
    rich, before = funded(0, "Rich Ltd"), funded(10, "Before Ltd")
    for each in (poor, rich):
        on_account(each)
    pays_in(rich, 2, LATE_MARCH)
    for each in (poor, rich, before):
        lease = running(each, offer, now=LATE_MARCH)
        end(lease=lease, reason="returned", actor=STAFF, now=LATE_MARCH + 3000 * SECOND)
        metering.meter(lease=lease, upto=LATE_MARCH, now=LATE_MARCH + 3000 * SECOND)
    with CaptureQueriesContext(
        connection,
    ) as asked_of:
        invoicing.close(period=date(2026, 3, 1), organizations=[before.pk], now=ISSUED)
    assert not [one for one in asked_of if "billing_setoff (" in one["sql"]]
    invoicing.close(period=date(2026, 3, 1), now=ISSUED)
    found = {row.organization.name: parts(row) for row in Invoice.objects.filter(mode="invoiced")}
    assert found == {"Poor Ltd": {"open": 300}, "Rich Ltd": {"wallet": 200, "open": 100}}
    by_name = {row.organization.name: told(row) for row in Invoice.objects.all()}
    assert by_name == {"Poor Ltd": [], "Rich Ltd": [(200, 100)], "Before Ltd": []}
    assert receivable_of(Invoice.objects.get(organization=before)) is None
    assert wrong(ISSUED) == []


def test_the_database_keeps_what_was_set_off(poor: Organization, offer: Offer) -> None:
    pays_in(poor, 3, LATE_MARCH)
    on_account(poor, keeps=True)
    march = owing(poor, offer)
    with pytest.raises(ProgrammingError, match="Cannot update or delete"), transaction.atomic():
        SetOff.objects.all().delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        SetOff.objects.create(invoice=march, cents=0, at=DUE)


def test_an_invoice_that_asks_for_what_is_there_is_found(poor: Organization, offer: Offer) -> None:
    pays_in(poor, 3, LATE_MARCH)
    on_account(poor, keeps=True)
    march = owing(poor, offer)
    SetOff.objects.create(invoice=march, cents=-100, at=DUE)
    assert [words.split()[0] for words in wrong(DUE)] == ["I6g", "I6h"]
    Outstanding.objects.create(invoice=march)
    assert [words.split()[0] for words in wrong(DUE)] == ["I6g"]
    receivables.collect(organization=poor, now=DUE)
    assert wrong(DUE) == [] and parts(march) == {"wallet": 300}


def test_the_page_the_pdf_and_the_api_say_what_the_wallet_paid(
    acme: Organization, offer: Offer, api: APIClient, browser: Client
) -> None:
    on_account(acme)
    pays_in(acme, 2, LATE_MARCH)
    invoice = owing(acme, offer)
    address = f"/invoices/{invoice.public_id}/"
    first = browser.get(f"{address}invoice.pdf").content
    said = " ".join("\n".join(page.extract_text() for page in PdfReader(BytesIO(first)).pages).split())
    assert "Please transfer $1.00 by 2026-05-01" in said and "$2.00 of $3.00 was paid from your wallet." in said
    page = browser.get(address).content.decode()
    assert "Paid from your wallet" in page and "−$2.00" in page
    shown = api.get(f"/api/v1/invoices/{invoice.public_id}").json()["owed"]
    assert (shown["state"], shown["from_wallet_cents"], shown["open_cents"]) == ("overdue", 200, 100)
    (heard,) = api.get("/api/v1/events", {"kind": "invoice.set_off"}).json()["results"]
    assert (heard["subject"], heard["data"]["cents"]) == (invoice.public_id, 200)
    pays_in(acme, 1, DUE)
    assert browser.get(f"{address}invoice.pdf").content == first, "the paper says how it was when it was issued"
    assert api.get(f"/api/v1/invoices/{invoice.public_id}").json()["owed"]["state"] == "paid"
    assert "by transfer with" not in browser.get(address).content.decode()
