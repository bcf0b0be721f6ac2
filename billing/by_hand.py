"""
What staff do by hand besides adjustments: promotional credit, credit notes, write-offs, bank transfers and raises of a
credit limit. They count to the same limit as adjustments, and above it wait for the same second person
(`billing.adjusting`), so that no mixture gets around it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import Organization, User
from billing import adjusting, credit_notes, granting, operations, paying, receivables
from billing.models import (
    Adjustment,
    AdjustmentKind,
    AdjustmentState,
    BankTransfer,
    BillingAccount,
    CreditGrant,
    CreditNote,
    Invoice,
    WriteOff,
)
from billing.paying import Decision
from billing.queries.adjustments import transfers_waiting
from marketplace.money import MICROS_PER_CENT, format_micros


@transaction.atomic
def give(
    *,
    organization: Organization,
    amount_micros: int,
    reason: str,
    expires_at: datetime | None,
    key: str,
    by: User,
    now: datetime,
) -> CreditGrant | Adjustment:
    """
    As `granting.give`; or what waits for a second person. The same key again changes nothing, whatever became of it.

    :raises granting.BadGrant: see there
    """
    operations.lock_wallet(organization=organization)
    if known := granting.given(organization=organization, key=key) or _asked(organization, key):
        return known
    granting.check(amount_micros=amount_micros, reason=reason, expires_at=expires_at, now=now)
    row = adjusting.submit(
        Adjustment(
            organization=organization,
            kind=AdjustmentKind.GIFT,
            amount_micros=amount_micros,
            words="Promotional credit",
            reason=reason.strip(),
            wanted={"key": key, "expires_at": expires_at.isoformat() if expires_at else None},
        ),
        by=by,
        now=now,
    )
    return granting.given(organization=organization, key=key) or row


@transaction.atomic
def credit(
    *, invoice: Invoice, cents_by_line: Mapping[int, int], reason: str, by: User, now: datetime
) -> CreditNote | Adjustment:
    """
    As `credit_notes.credit`; or what waits for a second person.

    :raises credit_notes.BadCredit: see there
    """
    operations.lock_wallet(organization=invoice.organization)
    cents = sum(credit_notes.amounts(invoice=invoice, cents_by_line=cents_by_line))
    lines = {str(line): net for line, net in cents_by_line.items()}
    row = _submit(AdjustmentKind.CREDIT_NOTE, invoice, cents, reason, {"lines": lines}, by, now)
    return row if row.posting is None else CreditNote.objects.filter(invoice=invoice).latest("pk")


@transaction.atomic
def write_off(*, invoice: Invoice, reason: str, by: User, now: datetime) -> WriteOff | Adjustment:
    """
    As `receivables.write_off`; or what waits for a second person.

    :raises receivables.NothingOwed: see there
    """
    operations.lock_wallet(organization=invoice.organization)
    cents = receivables.open_cents(invoice=invoice)
    row = _submit(AdjustmentKind.WRITE_OFF, invoice, cents, reason, {}, by, now)
    return row if row.posting is None else WriteOff.objects.get(invoice=invoice)


@transaction.atomic
def record_transfer(
    *,
    organization: Organization,
    reference: str,
    amount_cents: int,
    received_at: datetime,
    invoice: Invoice | None = None,
    by: User,
    now: datetime,
) -> BankTransfer | Adjustment:
    """
    As `receivables.record_transfer`; or what waits for a second person. The same one again changes nothing; one that
    was refused or ran out is asked for again.

    :raises receivables.BadTransfer: see there, and for one that waits with another amount
    """
    operations.lock_wallet(organization=organization)
    same: dict[str, Any] = {"organization": organization, "reference": reference, "amount_cents": amount_cents}
    if known := receivables.recorded(**same) or _waiting(**same, now=now):
        return known
    receivables.check_transfer(organization=organization, amount_cents=amount_cents, received_at=received_at, now=now)
    named = {"invoice": invoice.public_id} if invoice else {}
    row = adjusting.submit(
        Adjustment(
            organization=organization,
            kind=AdjustmentKind.TRANSFER,
            amount_micros=amount_cents * MICROS_PER_CENT,
            words=f"Bank transfer {reference}",
            reason=f"It came to our bank on {received_at:%Y-%m-%d %H:%M} UTC.",
            wanted={"reference": reference, "received_at": received_at.isoformat(), **named},
        ),
        by=by,
        now=now,
    )
    return receivables.recorded(**same) or row


@transaction.atomic
def decide(*, organization: Organization, decision: Decision, by: User, now: datetime) -> BillingAccount | Adjustment:
    """
    As `paying.decide`; or, where it raises the credit, what waits for a second person with all of it.

    :raises paying.ChangeRefused: see there
    """
    operations.lock_wallet(organization=organization)
    account = operations.account_of(organization)
    raised = paying.raised_micros(account=account, decision=decision)
    if raised <= 0:
        return paying.decide(organization=organization, decision=decision, actor=by.actor, now=now)
    paying.check(account=account, decision=decision, now=now)
    credit = account.credit_micros + raised
    row = adjusting.submit(
        Adjustment(
            organization=organization,
            kind=AdjustmentKind.CREDIT_RAISE,
            amount_micros=raised,
            words=f"Credit of {format_micros(credit)}, trust {decision.trust}, paid {decision.mode.label}",
            reason=decision.reason,
            wanted={
                "mode": decision.mode,
                "trust": decision.trust,
                "credit_micros": credit,
                "override": decision.override,
                "before": account.terms,
            },
        ),
        by=by,
        now=now,
    )
    return row if row.state == AdjustmentState.WAITING else operations.account_of(organization)


def _submit(
    kind: AdjustmentKind,
    invoice: Invoice,
    cents: int,
    reason: str,
    wanted: Mapping[str, object],
    by: User,
    now: datetime,
) -> Adjustment:
    row = Adjustment(
        organization=invoice.organization,
        kind=kind,
        amount_micros=cents * MICROS_PER_CENT,
        words=f"{kind.label.capitalize()} for {invoice.number}",
        reason=reason,
        wanted={"invoice": invoice.public_id, **wanted},
    )
    return adjusting.submit(row, by=by, now=now)


def _waiting(*, organization: Organization, reference: str, amount_cents: int, now: datetime) -> Adjustment | None:
    row = transfers_waiting(now=now).filter(wanted__reference=reference).first()
    if row and (row.organization_id, row.amount_micros) != (organization.pk, amount_cents * MICROS_PER_CENT):
        raise receivables.BadTransfer(
            "reference", f"{reference} waits for a second person with another amount or for another customer."
        )
    return row


def _asked(organization: Organization, key: str) -> Adjustment | None:
    asked = Adjustment.objects.filter(organization=organization, kind=AdjustmentKind.GIFT, wanted__key=key)
    return asked.order_by("pk").last()
