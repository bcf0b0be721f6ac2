"""
Disputed payments. A message or a look says only that there is something to read; what the processor's object says then
is merged: states only move on, and each movement of money is posted once. So messages may come in any order, twice, or
never.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import Organization
from accounts.operations import Words, hold_ordering, record
from billing import operations, suspending
from billing.models import AccountKind, Dispute, DisputeState, FraudWarning, Payment, PostingKind
from billing.payments import disputes as told
from billing.payments.base import Facts, Gateway
from billing.payments.disputes import DisputeFacts, Movement, WarningFacts
from billing.settlement import UnknownPayment
from marketplace.money import MICROS_PER_CENT, format_micros

ACTOR = "system:billing"
BY_DISPUTE = "disputed payment"  # how the reason of a suspension begins that a dispute has brought
ORDER = list(DisputeState)
TAKEN = frozenset({DisputeState.OPEN, DisputeState.ANSWERED, DisputeState.LOST})  # the bank has the money: suspends
CLOSED = frozenset({DisputeState.PREVENTED, DisputeState.ASKED_CLOSED, DisputeState.WON, DisputeState.LOST})
LOOKS_BACK = timedelta(days=120)  # so long a cardholder may dispute a payment; the processor is asked for no older ones


def settle_dispute(*, reference: str, gateway: Gateway, now: datetime) -> None:
    """
    Read a dispute at the processor and bring ours to where it is.

    :raises UnknownPayment: if it is about a payment that is not ours, or that we do not know to be paid yet
    """
    apply(facts=told.dispute(gateway.fetch(f"{told.PATH}/{reference}")), now=now)


def settle_warning(*, reference: str, gateway: Gateway, now: datetime) -> None:
    """
    Read an early fraud warning at the processor and act on it.

    :raises UnknownPayment: as for a dispute
    """
    warn(facts=told.warning(gateway.fetch(f"{told.WARNINGS}/{reference}")), now=now)


def poll(*, gateway: Gateway, now: datetime) -> Mapping[str, Exception]:
    """Look for what no message has told. Returns what went wrong, by object; none stops the rest."""
    since = {"gte": int((now - LOOKS_BACK).timestamp())}
    failures: dict[str, Exception] = {}
    for facts, settle in _found(gateway, since, now):
        try:
            settle(facts)
        except Exception as error:  # noqa: BLE001 - reported to the caller, row by row
            failures[str(facts["id"])] = error
    return failures


def _found(
    gateway: Gateway, since: Mapping[str, int], now: datetime
) -> Iterator[tuple[Facts, Callable[[Facts], object]]]:
    for facts in gateway.each(told.PATH, created=since):
        yield facts, lambda facts: apply(facts=told.dispute(facts), now=now)
    for facts in gateway.each(told.WARNINGS, created=since):
        yield facts, lambda facts: warn(facts=told.warning(facts), now=now)


@transaction.atomic
def apply(*, facts: DisputeFacts, now: datetime) -> Dispute:
    """
    Merge a dispute as it was at some moment: ours is then at least so far. Nothing that is known already is done again.

    :raises UnknownPayment: see `settle_dispute`
    """
    payment = _payment(facts.charge_reference)
    operations.lock_wallet(organization=payment.organization)
    row = Dispute.objects.filter(reference=facts.reference).first()
    before = DisputeState(row.state) if row else None
    state = max(filter(None, (before, DisputeState(facts.state))), key=ORDER.index)
    row = row or Dispute(payment=payment, reference=facts.reference, opened_at=now)
    row.payment, row.state, row.reason, row.amount_cents = payment, state, facts.reason[:80], facts.cents
    row.evidence_due_at = facts.evidence_due_at
    row.closed_at = (row.closed_at or now) if state in CLOSED else None
    row.save()
    for movement in facts.movements:
        _move(row, movement, now)
    if state != before:
        _follow(row, before, now)
    return row


@transaction.atomic
def warn(*, facts: WarningFacts, now: datetime) -> None:
    """
    Hold an organization's orders over an early fraud warning, once for each.

    :raises UnknownPayment: see `settle_dispute`
    """
    payment = _payment(facts.charge_reference)
    organization = payment.organization
    operations.lock_wallet(organization=organization)
    _, new = FraudWarning.objects.get_or_create(
        reference=facts.reference, defaults={"payment": payment, "kind": facts.kind[:80], "at": now}
    )
    if not new:
        return
    if not Organization.objects.get(pk=organization.pk).ordering_hold:
        hold_ordering(organization=organization, reason=f"fraud warning, {payment}", actor=ACTOR, now=now)
    words = f"The bank warns of fraud ({facts.kind}). New orders are on hold; what is leased goes on."
    _tell_staff(payment, "fraud_warning", "may be fraud", words, now)


def _payment(charge_reference: str) -> Payment:
    payments = Payment.objects.select_related("organization").filter(charge_reference=charge_reference)
    payment = payments.first() if charge_reference else None
    if payment is None:
        raise UnknownPayment(f"charge {charge_reference} is of no payment that we know to be paid")
    return payment


def _move(row: Dispute, movement: Movement, now: datetime) -> None:
    """Taken from the wallet, or given back; the processor's fee is ours to bear."""
    taken, fee = movement.cents * MICROS_PER_CENT, movement.fee_cents * MICROS_PER_CENT
    amounts = {AccountKind.WALLET: taken, AccountKind.CLEARING: fee - taken, AccountKind.FEES: -fee}
    back = movement.cents > 0
    operations.post(
        organization=row.payment.organization,
        kind=PostingKind.DISPUTE_RETURNED if back else PostingKind.DISPUTE,
        key=f"dispute:{movement.reference}",
        at=now,
        amounts={account: micros for account, micros in amounts.items() if micros},
        payment=row.payment,
        memo="Disputed payment: the bank gave it back" if back else "Disputed payment: the bank took it back",
    )


def _follow(row: Dispute, before: DisputeState | None, now: datetime) -> None:
    """What a new state brings: suspension while the bank has the money, its end when it gives it back, and words."""
    organization, state = row.payment.organization, DisputeState(row.state)
    if state in TAKEN and before not in TAKEN:
        suspending.suspend(organization=organization, reason=f"{BY_DISPUTE} {row.payment}", actor=ACTOR, now=now)
    elif state == DisputeState.WON and not _others_hold(row):
        account = suspending.suspension(organization)
        if account and account.suspended_reason.startswith(BY_DISPUTE):
            suspending.lift(organization=organization, actor=ACTOR, note=f"won: {row.payment}", now=now)
    _tell(row, before, now)


def _others_hold(row: Dispute) -> bool:
    mine = Dispute.objects.filter(payment__organization=row.payment.organization, state__in=TAKEN)
    return mine.exclude(pk=row.pk).exists()


def _tell(row: Dispute, before: DisputeState | None, now: datetime) -> None:
    amount = format_micros(row.amount_cents * MICROS_PER_CENT)
    due = f" Answer by {row.evidence_due_at:%Y-%m-%d %H:%M} UTC." if row.evidence_due_at and not row.closed_at else ""
    words = f"{amount}, {row.reason}: {row.get_state_display()}.{due}"
    _tell_staff(row.payment, "disputed", "is disputed", words, now, dispute=row.public_id, state=row.state)
    if row.state in TAKEN | {DisputeState.WON}:
        record(
            organization=row.payment.organization,
            kind="payment.disputed",
            subject=row.payment.public_id,
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
        "path": f"/top-ups/{row.payment.public_id}/",
    }


def _tell_staff(payment: Payment, word: str, title: str, words: str, now: datetime, **data: str) -> None:
    record(
        organization=None,
        kind=f"dispute.{word}",
        subject=payment.public_id,
        actor=ACTOR,
        at=now,
        data={"organization": payment.organization.public_id, **data},
        notice={
            "title": f"A payment of {payment.organization} {title}",
            "text": words,
            "path": "/operations/disputes/",
        },
    )
