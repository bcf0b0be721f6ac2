"""
Disputed payments. A message or a look says only that there is something to read; what the processor's object says then
is merged: states only move on, and each movement of money is posted once. So messages may come in any order, twice, or
never.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts.operations import Words, hold_ordering, record
from billing import operations, suspending
from billing.models import AccountKind, CardInvoice, Dispute, DisputeState, FraudWarning, Payment, PostingKind
from billing.models.dispute import TAKEN
from billing.payments import disputes as told
from billing.payments.base import Facts
from billing.payments.disputes import DisputeFacts, WarningFacts
from billing.settlement import UnknownPayment
from marketplace.money import MICROS_PER_CENT, format_cents

Charged = Payment | CardInvoice
ACTOR = "system:billing"
BY_DISPUTE = "disputed payment"  # how the reason of a suspension begins that a dispute has brought
ORDER = list(DisputeState)
CLOSED = frozenset({DisputeState.PREVENTED, DisputeState.ASKED_CLOSED, DisputeState.WON, DisputeState.LOST})
LASTS = timedelta(days=180)  # from when a bank opens a dispute to its last word; most are over within 75 days


def merge(*, facts: Facts, now: datetime) -> None:
    """
    Bring our dispute to where the processor's is, as it gave it.

    :raises UnknownPayment: if it is about a payment that is not ours, or that we do not know to be paid yet
    """
    apply(facts=told.dispute(facts), now=now)


def merge_warning(*, facts: Facts, now: datetime) -> None:
    """
    Act on an early fraud warning, as the processor gave it.

    :raises UnknownPayment: as for a dispute
    """
    warn(facts=told.warning(facts), now=now)


@transaction.atomic
def apply(*, facts: DisputeFacts, now: datetime) -> Dispute:
    """
    Merge a dispute as it was at some moment: ours is then at least so far. Nothing that is known already is done again.

    :raises UnknownPayment: see `merge`
    """
    charged = _charged(facts.charge_reference)
    operations.lock_wallet(organization=charged.organization)
    row = Dispute.objects.filter(reference=facts.reference).first()
    before = DisputeState(row.state) if row else None
    state = max(filter(None, (before, DisputeState(facts.state))), key=ORDER.index)
    row = row or Dispute(**_of(charged), reference=facts.reference, opened_at=now)
    row.state, row.reason, row.amount_cents = state, facts.reason[:80], facts.cents
    row.evidence_due_at = facts.evidence_due_at
    row.closed_at = (row.closed_at or now) if state in CLOSED else None
    row.save()
    if facts.taken_cents:
        _move(row, PostingKind.DISPUTE, -facts.taken_cents, "took it back", now)
    if facts.returned_cents:
        _move(row, PostingKind.DISPUTE_RETURNED, facts.returned_cents, "gave it back", now)
    if state != before:
        _follow(row, before, now)
    return row


@transaction.atomic
def warn(*, facts: WarningFacts, now: datetime) -> None:
    """
    Hold an organization's orders over an early fraud warning, once for each.

    :raises UnknownPayment: see `merge`
    """
    charged = _charged(facts.charge_reference)
    organization = charged.organization
    operations.lock_wallet(organization=organization)
    _, new = FraudWarning.objects.get_or_create(
        reference=facts.reference, defaults={**_of(charged), "kind": facts.kind[:80], "at": now}
    )
    if not new:
        return
    hold_ordering(organization=organization, reason=f"fraud warning, {charged}", actor=ACTOR, now=now)
    words = f"The bank warns of fraud ({facts.kind}). New orders are on hold; what is leased goes on."
    _tell_staff(charged, "fraud_warning", "may be fraud", words, now)


def _charged(charge_reference: str) -> Charged:
    for rows in (Payment.objects.all(), CardInvoice.objects.all()) if charge_reference else ():
        found = rows.select_related("organization").filter(charge_reference=charge_reference).first()
        if found:
            return found
    raise UnknownPayment(f"charge {charge_reference} is of no payment that we know to be paid")


def _of(charged: Charged) -> dict[str, Any]:
    field = "payment" if isinstance(charged, Payment) else "card_invoice"
    return {"organization": charged.organization, field: charged}


def _move(row: Dispute, kind: PostingKind, cents: int, word: str, now: datetime) -> None:
    """Taken from the wallet, or given back, each once. The processor's fee is posted by `billing.reconciling`."""
    micros = cents * MICROS_PER_CENT
    operations.post(
        organization=row.organization,
        kind=kind,
        key=f"{kind}:{row.public_id}",
        at=now,
        amounts={AccountKind.WALLET: micros, AccountKind.CLEARING: -micros},
        payment=row.payment,
        memo=f"Disputed payment: the bank {word}",
    )


def _follow(row: Dispute, before: DisputeState | None, now: datetime) -> None:
    """What a new state brings: suspension while the bank has the money, its end when it gives it back, and words."""
    organization, state = row.organization, DisputeState(row.state)
    if state in TAKEN and before not in TAKEN:
        suspending.suspend(organization=organization, reason=f"{BY_DISPUTE} {row.charged}", actor=ACTOR, now=now)
    elif state == DisputeState.WON and not _others_hold(row):
        account = suspending.suspension(organization)
        if account and account.suspended_reason.startswith(BY_DISPUTE):
            suspending.lift(organization=organization, actor=ACTOR, reason=f"won: {row.charged}", now=now)
    _tell(row, before, now)


def _others_hold(row: Dispute) -> bool:
    mine = Dispute.objects.filter(organization=row.organization, state__in=TAKEN)
    return mine.exclude(pk=row.pk).exists()


def _tell(row: Dispute, before: DisputeState | None, now: datetime) -> None:
    amount = format_cents(row.amount_cents)
    due = f" Answer by {row.evidence_due_at:%Y-%m-%d %H:%M} UTC." if row.evidence_due_at and not row.closed_at else ""
    words = f"{amount}, {row.reason}: {row.get_state_display()}.{due}"
    _tell_staff(row.charged, "disputed", "is disputed", words, now, dispute=row.public_id, state=row.state)
    if row.state in TAKEN | {DisputeState.WON}:
        record(
            organization=row.organization,
            kind="payment.disputed",
            subject=row.charged.public_id,
            actor=ACTOR,
            at=now,
            data={"dispute": row.public_id, "state": row.state, "amount_cents": row.amount_cents},
            notice=_notice(row, amount) if before not in TAKEN or row.closed_at else None,
        )


def _notice(row: Dispute, amount: str) -> Words:
    title, text = {
        DisputeState.WON: ("was returned to your wallet", "The bank gave back what it had taken over a dispute."),
        DisputeState.LOST: ("is lost to a dispute", "The bank has decided for the cardholder; the money stays away."),
    }.get(
        DisputeState(row.state),
        (
            "is disputed",
            "The card's owner has disputed it at the bank, which took the money back out of your wallet. If that was a "
            "mistake, ask the bank to withdraw the dispute.",
        ),
    )
    return {
        "title": f"A payment of {amount} {title}",
        "text": f"{text} {suspending.WAY_OUT}",
        "path": f"/top-ups/{row.payment.public_id}/" if row.payment else "/invoices/",
    }


def _tell_staff(charged: Charged, word: str, title: str, words: str, now: datetime, **data: str) -> None:
    record(
        organization=None,
        kind=f"dispute.{word}",
        subject=charged.public_id,
        actor=ACTOR,
        at=now,
        data={"organization": charged.organization.public_id, **data},
        notice={
            "title": f"A payment of {charged.organization} {title}",
            "text": words,
            "path": "/operations/disputes/",
        },
    )
