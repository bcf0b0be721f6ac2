"""
The processor's monthly invoices: asked for, mirrored, and what was paid on them put into the wallet, once.

The processor tries a card that fails again by its own schedule; the customer is told at each try. After SUSPEND_AFTER
the account is suspended: without its credit nothing new can be ordered, and what runs on it follows the ladder. It goes
on by itself once the invoice is paid or void. One that was given up, by the processor after its last try or by staff,
is a bad debt in the books but owed all the same (https://docs.stripe.com/api/invoices/mark_uncollectible): it suspends
until it is paid, or until staff who let it go make it void.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from operator import attrgetter

from django.db import transaction
from django.db.models import F, Q

from accounts.models import Organization
from accounts.operations import Words, record
from billing import operations, out_of_band, suspending, sweeping
from billing.models import (
    AccountKind,
    BillingAccount,
    CardInvoice,
    CardInvoiceStatus,
    MeteredSubscription,
    Posting,
    PostingKind,
)
from billing.payments import card_invoices, meters
from billing.payments.base import Facts, Gateway
from billing.payments.card_invoices import Stated
from marketplace.money import MICROS_PER_CENT, format_cents, format_micros

LOOK_EVERY = timedelta(hours=1)
SUSPEND_AFTER = timedelta(days=7)
UNPAID = "card invoice "
FINAL = (CardInvoiceStatus.PAID, CardInvoiceStatus.VOID)
ORDER = (CardInvoiceStatus.OPEN, CardInvoiceStatus.UNCOLLECTIBLE, *FINAL)  # news never goes back in it
ACTOR = "system:billing"


def look(*, gateway: Gateway, now: datetime) -> Mapping[str, Exception]:
    """
    Ask for the invoices of everybody who has a subscription, once an hour, whatever messages came: those of one before
    too, for the last of a month is made after its end, and somebody may have left and come back by then. Returns what
    went wrong, by organization; none stops the rest.
    """
    due = Q(looked_at=None) | Q(looked_at__lte=now - LOOK_EVERY)
    rows = MeteredSubscription.objects.filter(due, reference__isnull=False)
    rows = rows.select_related("organization__billing_account")
    return sweeping.ask_each(
        sweeping.claims(rows.order_by(F("looked_at").asc(nulls_first=True), "pk"), lambda _: {"looked_at": now}),
        lambda row: _look(row, gateway, now),
        name=attrgetter("organization.public_id"),
        now=now,
    )


def _look(subscription: MeteredSubscription, gateway: Gateway, now: datetime) -> None:
    organization = subscription.organization
    ended = set(organization.card_invoices.filter(status__in=FINAL).values_list("reference", flat=True))
    customer = str(organization.billing_account.customer_reference)
    found = gateway.fetch(f"{meters.SUBSCRIPTIONS}/{subscription.reference}")
    closed = found["status"] in out_of_band.OVER  # asked first: whatever it bills at its end is among the invoices
    for facts in card_invoices.of_customer(gateway, customer=customer):
        closed &= facts["status"] != "draft"
        if facts["id"] not in ended and facts["status"] != "draft":
            merge(facts=gateway.fetch(f"{card_invoices.PATH}/{facts['id']}", expand=card_invoices.EXPAND), now=now)
    out_of_band.merge_subscription(facts=found, now=now)
    if closed:
        MeteredSubscription.objects.filter(pk=subscription.pk, reference=found["id"]).update(closed_at=now)


@transaction.atomic
def merge(*, facts: Facts, now: datetime) -> None:
    """
    Bring our row to where the invoice is, as the processor gave it. What was paid raises the wallet, once; what it said
    before is passed over, and nothing leads back from paid.
    """
    seen = card_invoices.stated(facts)
    if seen is None:
        return
    account = BillingAccount.objects.select_related("organization").filter(customer_reference=seen.customer).first()
    if account is None or facts["currency"] != "usd":
        return
    operations.lock_wallet(organization=account.organization)
    row = CardInvoice.objects.filter(reference=seen.reference).first()
    fresh = row is None
    row = row or CardInvoice(organization=account.organization, reference=seen.reference)
    if not fresh and (ORDER.index(seen.status), seen.attempts) < (ORDER.index(row.status), row.attempts):
        return
    if row.status in FINAL:
        return
    before = row.attempts
    _copy(row, seen, now)
    row.save()
    _tax(row, now)
    if row.status == CardInvoiceStatus.PAID:
        _paid(row, now)
    elif row.attempts > before:
        _record(row, "invoice.card_failed", now, _failed_words(row))
    elif fresh:
        _record(row, "invoice.card_issued", now)
    if row.status in FINAL:  # paid or void: one that is written off is still owed, and can still be paid
        _lift(row.organization, now)


def _copy(row: CardInvoice, seen: Stated, now: datetime) -> None:
    row.number, row.status, row.attempts = seen.number, CardInvoiceStatus(seen.status), seen.attempts
    row.period_start, row.period_end, row.finalized_at = seen.period_start, seen.period_end, seen.finalized_at
    row.subtotal_cents, row.tax_cents, row.tax_note = seen.subtotal_cents, seen.tax_cents, seen.tax_note
    row.total_cents = seen.total_cents
    row.due_cents, row.paid_cents = seen.due_cents, seen.paid_cents
    row.page_url, row.pdf_url, row.charge_reference = seen.page_url, seen.pdf_url, seen.charge_reference
    row.paid_at, row.next_attempt_at = seen.paid_at, seen.next_attempt_at
    failing = row.status == CardInvoiceStatus.OPEN and row.attempts
    row.failed_at = (row.failed_at or now) if failing or row.status == CardInvoiceStatus.UNCOLLECTIBLE else None


def _tax(row: CardInvoice, now: datetime) -> None:
    """What the invoice charges for a tax office is owed from when it is final, and no more once it is void."""
    micros, key = row.tax_cents * MICROS_PER_CENT, f"card_tax:{row.public_id}"
    if not micros:
        return
    void = row.status == CardInvoiceStatus.VOID
    if void and not Posting.objects.filter(key=key).exists():
        return
    owed = -micros if void else micros
    operations.post(
        organization=row.organization,
        kind=PostingKind.CARD_TAX,
        key=f"{key}:void" if void else key,
        at=now,
        amounts={AccountKind.WALLET: -owed, AccountKind.TAXES: owed},
        memo=f"Tax of invoice {row.number}{', which is void' if void else ''}",
    )


def _paid(row: CardInvoice, now: datetime) -> None:
    micros = row.paid_cents * MICROS_PER_CENT
    by_card = bool(row.charge_reference)
    if micros:  # less than the processor charges at least is paid with a later one
        operations.post(
            organization=row.organization,
            kind=PostingKind.CARD_INVOICE,
            key=f"card_invoice:{row.public_id}",
            at=now,
            amounts={AccountKind.CLEARING if by_card else AccountKind.TRANSFERS: -micros, AccountKind.WALLET: micros},
            memo=f"Invoice {row.number} paid {'by card' if by_card else 'by transfer'}",
        )
        how = "were charged to your card" if by_card else "came by transfer"
        text = f"{format_micros(micros)} {how} for {row.number}."
        words: Words = {"title": f"Invoice {row.number} is paid", "text": text, "path": "/invoices/"}
        _record(row, "invoice.card_paid", now, words)
    if micros and not by_card:
        _tell_staff(row, now)


def _tell_staff(row: CardInvoice, now: datetime) -> None:
    """No card was charged: somebody has said at the processor that the money came, which only the bank can prove."""
    record(
        organization=None,
        kind="invoice.paid_out_of_band",
        subject=row.public_id,
        actor=ACTOR,
        at=now,
        data={"organization": row.organization.public_id, "number": row.number, "paid_cents": row.paid_cents},
        notice={
            "title": f"{row.number} of {row.organization} was marked as paid out of band",
            "text": f"{format_cents(row.paid_cents)} are in its wallet. Find them in our bank account; they are not "
            "recorded as a transfer too.",
            "path": f"/admin/billing/cardinvoice/{row.pk}/change/",
        },
    )


def suspend_due(*, now: datetime) -> list[Organization]:
    """Organizations with an invoice whose card has failed for so long that their credit ends now."""
    overdue = Q(card_invoices__status=CardInvoiceStatus.OPEN, card_invoices__failed_at__lte=now - SUSPEND_AFTER)
    given_up = Q(card_invoices__status=CardInvoiceStatus.UNCOLLECTIBLE)
    return list(
        Organization.objects.filter(overdue | given_up, billing_account__suspended_at=None).order_by("pk").distinct()
    )


@transaction.atomic
def suspend(*, organization: Organization, now: datetime) -> None:
    """Its credit ends until the invoice is paid; once, and not if it was paid meanwhile."""
    operations.lock_wallet(organization=organization)
    unpaid = organization.card_invoices.filter(failed_at__isnull=False).order_by("failed_at").first()
    if unpaid is None:
        return
    if suspending.suspend_overdue(organization=organization, what=f"{UNPAID}{unpaid.number}", now=now):
        words: Words = {
            "title": f"{organization.name} has no credit until {unpaid.number} is paid",
            "text": f"Your card was declined for {unpaid.number} since {unpaid.failed_at:%Y-%m-%d} (UTC). New orders "
            "wait, and leases on demand are paused as when a wallet is empty. Pay it on its page, and all goes on by "
            "itself.",
            "path": "/invoices/",
        }
        _record(unpaid, "invoice.credit_suspended", now, words)


def _lift(organization: Organization, now: datetime) -> None:
    """Suspended for its invoices, it has its credit again once none fails any more."""
    if organization.card_invoices.filter(failed_at__isnull=False).exists():
        return
    if suspending.lift_overdue(organization=organization, what=UNPAID):
        record(
            organization=organization,
            kind="invoice.credit_back",
            subject=organization.public_id,
            actor=ACTOR,
            at=now,
            notice={
                "title": f"{organization.name} has its credit again",
                "text": "None of your invoices is unpaid any more. Orders are taken again, and paused leases go on by "
                "themselves.",
                "path": "/wallet/",
            },
        )


def _failed_words(row: CardInvoice) -> Words:
    again = f" It is tried again on {row.next_attempt_at:%Y-%m-%d} (UTC)." if row.next_attempt_at else ""
    return {
        "title": f"Your card was declined for invoice {row.number}",
        "text": f"{format_cents(row.due_cents)} could not be charged.{again} Pay it on its page, or "
        f"save another card. {SUSPEND_AFTER.days} days after the first try your credit ends until it is paid.",
        "path": "/invoices/",
    }


def _record(row: CardInvoice, kind: str, now: datetime, words: Words | None = None) -> None:
    record(
        organization=row.organization,
        kind=kind,
        subject=row.public_id,
        actor=ACTOR,
        at=now,
        data={"number": row.number, "total_cents": row.total_cents, "paid_cents": row.paid_cents},
        notice=words,
    )
