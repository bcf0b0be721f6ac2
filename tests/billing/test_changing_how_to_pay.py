"""From paying by the month to paying before, and back: the books agree on both sides of the change."""

from datetime import datetime

import pytest

from accounts.models import Organization
from billing import card_invoices, metered, operations, payments, sending
from billing.models import (
    AccountKind,
    BillingAccount,
    CardInvoice,
    GatewayCall,
    MeteredSubscription,
    PostingKind,
    TieOut,
)
from billing.paying import ChangeRefused
from billing.tying_out import days_due, tie_out
from tests.billing.conftest import balance, funded, give
from tests.billing.monthly import (
    APRIL,
    DAY,
    HOUR,
    MARCH,
    MAY,
    MICROS,
    charge,
    decided,
    metered_micros,
    monthly,
    processor,
    sweep,
    to,
)
from tests.stripe_standin import StripeStandin

pytestmark = pytest.mark.django_db
CHANGED = MARCH + 3 * HOUR


@pytest.fixture
def acme(time: StripeStandin) -> Organization:
    """It was charged $5.00 by the month and given $5.00, then it came to pay before, and topped up $50.00."""
    organization = monthly(funded(0), MARCH).organization
    charge(organization, 5 * MICROS, MARCH)
    sweep(to(time, MARCH + HOUR))
    give(organization, 5, MARCH + HOUR)
    sweep(to(time, CHANGED))
    decided(organization, CHANGED, mode="prepaid")
    amounts = {AccountKind.CLEARING: -50 * MICROS, AccountKind.WALLET: 50 * MICROS}
    operations.post(
        organization=organization, kind=PostingKind.TOP_UP, key="tests:top-up", at=CHANGED + HOUR, amounts=amounts
    )
    charge(organization, 7 * MICROS, CHANGED + 2 * HOUR)
    return organization


def differing() -> list[str]:
    """What does not tie out, by span and day."""
    return [f"{row.span} {row.day}" for row in TieOut.objects.exclude(differs_since=None).order_by("pk")]


def test_what_is_paid_before_is_not_compared_with_the_meter(acme: Organization, time: StripeStandin) -> None:
    charge(acme, 8 * MICROS, MARCH + 2 * DAY)
    sweep(to(time, MARCH + 2 * DAY))
    assert tie_out(gateway=payments.gateway(), now=MARCH + 4 * DAY) == {}
    assert differing() == []
    assert card_invoices.look(gateway=payments.gateway(), now=to(time, APRIL + 2 * HOUR)) == {}
    assert tie_out(gateway=payments.gateway(), now=APRIL + 2 * HOUR) == {}
    assert differing() == [] and TieOut.objects.filter(span="month").count() == 1
    assert CardInvoice.objects.latest("period_end").total_cents == 500  # of the time before, to the card
    assert balance(acme) == (-5 + 5 + 50 - 7 - 8 + 5) * MICROS
    assert days_due(MeteredSubscription.objects.get(), now=APRIL + 9 * DAY) == []  # it has ended with its month


def test_coming_back_within_the_month_goes_on_where_it_was(acme: Organization, time: StripeStandin) -> None:
    decided(acme, MARCH + 2 * DAY)
    charge(acme, 60 * MICROS, MARCH + 2 * DAY)
    sweep(to(time, MARCH + 3 * DAY))
    assert metered_micros(acme, MARCH, APRIL) == (5 + 7 + 60 - 5 - 50) * MICROS  # less its own money, all of it
    assert card_invoices.look(gateway=payments.gateway(), now=to(time, APRIL + 2 * HOUR)) == {}
    assert tie_out(gateway=payments.gateway(), now=APRIL + 2 * HOUR) == {}
    assert differing() == []
    assert (CardInvoice.objects.latest("period_end").paid_cents, balance(acme)) == (1700, 0)


def test_who_comes_back_before_the_last_month_is_closed_hears_when_and_then_owes_no_more_than_was_used(
    acme: Organization, time: StripeStandin
) -> None:
    sweep(to(time, MARCH + 2 * DAY))
    with pytest.raises(
        ChangeRefused, match=r"not yet seen closed\. Try again after 2026-04-01 03:00 UTC"
    ):  # a draft until then
        decided(acme, to(time, APRIL + HOUR / 2))
    back = to(time, APRIL + 2 * HOUR)
    assert card_invoices.look(gateway=payments.gateway(), now=back) == {}
    CardInvoice.objects.update(status="open")
    with pytest.raises(ChangeRefused, match="is open"):
        decided(acme, back)
    CardInvoice.objects.update(status="paid")
    old, own = MeteredSubscription.objects.get().reference, balance(acme)
    decided(acme, back)
    charge(acme, 60 * MICROS, back)
    for _ in range(2):
        sweep(back + HOUR)
    assert MeteredSubscription.objects.get().reference not in (None, old)
    assert own == (-5 + 5 + 50 - 7 + 5) * MICROS
    assert metered_micros(acme, APRIL, MAY) == 60 * MICROS - own


def test_one_that_was_told_to_end_too_late_goes_on_so_that_no_two_bill_the_same_use(
    acme: Organization, time: StripeStandin
) -> None:
    GatewayCall.objects.filter(kind="subscription_end").update(next_attempt_at=APRIL)  # the workers were down
    with pytest.raises(ChangeRefused, match="still has to end"):
        decided(acme, to(time, APRIL + HOUR))
    sweep(to(time, APRIL + HOUR))
    row = MeteredSubscription.objects.get()
    assert row.ends_at == MAY
    decided(acme, APRIL + 3 * HOUR)
    charge(acme, 60 * MICROS, APRIL + 3 * HOUR)
    for _ in range(2):
        sweep(to(time, APRIL + 4 * HOUR))
    assert MeteredSubscription.objects.get().reference == row.reference
    assert card_invoices.look(gateway=payments.gateway(), now=to(time, MAY + 2 * HOUR)) == {}
    assert [invoice.subtotal_cents for invoice in CardInvoice.objects.order_by("period_end")] == [0, 500, 1200]
    assert balance(acme) == 0


def live(organization: Organization) -> list[str]:
    """Its subscriptions at the processor that go on billing."""
    customer = BillingAccount.objects.get(organization=organization).customer_reference or ""
    rows = processor().v1.subscriptions.list({"customer": customer, "limit": 100})
    return [row.id for row in rows.auto_paging_iter() if not row.cancel_at_period_end]


def look(now: datetime) -> dict[str, Exception]:
    return dict(card_invoices.look(gateway=payments.gateway(), now=now))


def test_a_subscription_that_is_made_when_its_customer_has_left_already_ends_with_its_month(
    time: StripeStandin,
) -> None:
    organization = funded(0)
    decided(organization, MARCH)
    while not GatewayCall.objects.filter(kind="subscription").exists():  # until it is asked for, and not made yet
        sending.send_due(gateway=payments.gateway(), now=MARCH)
        metered.prepare(gateway=payments.gateway(), now=MARCH)
    decided(organization, MARCH + HOUR, mode="prepaid")
    for hours in (1, 2):
        sweep(to(time, MARCH + hours * HOUR))
    assert MeteredSubscription.objects.get().reference and live(organization) == []
    assert look(to(time, APRIL + 2 * HOUR)) == {}
    decided(organization, APRIL + 2 * HOUR)
    for _ in range(2):
        sweep(APRIL + 2 * HOUR)
    assert live(organization) == [MeteredSubscription.objects.get().reference]


def test_who_comes_back_waits_until_the_processor_says_that_the_old_one_is_over(
    acme: Organization, time: StripeStandin
) -> None:
    lost = {"state": "failed", "error_code": "never_made", "settled_at": MARCH + DAY}
    GatewayCall.objects.filter(kind="subscription_end").update(**lost)
    sweep(to(time, MARCH + 2 * DAY))
    old, back = live(acme)[0], APRIL + 2 * HOUR
    assert look(to(time, back)) == {}
    with pytest.raises(ChangeRefused, match=f"{old} has to be over there"):
        decided(acme, back)
    processor().v1.subscriptions.cancel(old)  # as staff reads
    assert look(to(time, back + HOUR)) == {}
    decided(acme, back + HOUR)
    for _ in range(2):
        sweep(back + HOUR)
    assert live(acme) == [MeteredSubscription.objects.get().reference] != [old]


def test_a_look_that_saw_a_draft_has_not_seen_the_last_month_closed(acme: Organization, time: StripeStandin) -> None:
    sweep(to(time, MARCH + 2 * DAY))
    to(time, APRIL + HOUR / 2)
    assert look(APRIL + 2 * HOUR) == {}  # its invoice is a draft for longer than usual
    with pytest.raises(ChangeRefused, match="not yet seen closed"):
        decided(acme, APRIL + 2 * HOUR)


def test_nor_has_a_look_that_was_not_answered(acme: Organization, time: StripeStandin) -> None:
    sweep(to(time, MARCH + 2 * DAY))
    to(time, APRIL + 2 * HOUR)
    time.faults(path="", method="GET", mode="close", times=10)
    assert look(APRIL + 2 * HOUR) != {}
    with pytest.raises(ChangeRefused, match="not yet seen closed"):
        decided(acme, APRIL + 2 * HOUR)
