"""
Adjustments by staff, and what else they do by hand (`billing.by_hand`). A small one is done at once. One
that is larger than the limit, or that makes what one person gave or took within a day so large, waits for a second
person, seven days at most; only then money moves.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Abs

from accounts.models import Organization, User
from accounts.operations import Words, record
from billing import credit_notes, granting, operations, paying, receivables
from billing.models import (
    AccountKind,
    Adjustment,
    AdjustmentKind,
    AdjustmentState,
    BillingMode,
    Entry,
    Invoice,
    InvoiceLine,
    Posting,
    PostingKind,
    TrustLevel,
)
from leasing.models import Lease
from marketplace.money import MICROS, MICROS_PER_CENT, format_micros

WAITS = timedelta(days=7)
DAY = timedelta(days=1)
MOST_MICROS = 1_000_000 * MICROS
LONGEST_WORDS, LONGEST_REASON = 120, 400
REFUSALS = (
    granting.BadGrant,
    credit_notes.BadCredit,
    receivables.NothingOwed,
    receivables.BadTransfer,
    paying.ChangeRefused,
)


class AdjustmentRefused(Exception):
    """It cannot be asked for so. `field` names the input at fault, `message` the way out."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field, self.message = field, message


class NotWaiting(Exception):
    """There is nothing to decide any more: somebody was faster, or it ran out."""

    def __init__(self, adjustment: Adjustment) -> None:
        late = adjustment.state == AdjustmentState.WAITING  # a sweep will say so
        how = AdjustmentState.EXPIRED.label if late else adjustment.get_state_display()
        super().__init__(f"{adjustment} does not wait any more. It is {how}.")


class SamePerson(Exception):
    """Whoever asked for an adjustment cannot be its second person."""

    def __init__(self) -> None:
        super().__init__("You asked for it yourself. Somebody else of the staff has to decide.")


class Outdated(Exception):
    """It cannot be done any more as it was asked for."""

    def __init__(self, why: str) -> None:
        super().__init__(f"It cannot be done any more as it was asked for. {why} Refuse it and ask again.")


@transaction.atomic
def ask(
    *,
    organization: Organization,
    amount_micros: int,
    words: str,
    reason: str,
    by: User,
    now: datetime,
    lease: Lease | None = None,
) -> Adjustment:
    """
    Credit an organization, or with a negative amount debit it: at once, or after a second person's word.

    :raises AdjustmentRefused: for an amount of nothing or beyond $1,000,000.00 or of fractions of a cent, without words
        or a reason, or for another's lease
    """
    operations.lock_wallet(organization=organization)
    _check(organization, amount_micros, words, reason, lease)
    row = Adjustment(organization=organization, lease=lease, amount_micros=amount_micros, words=words, reason=reason)
    return submit(row, by=by, now=now)


def submit(row: Adjustment, *, by: User, now: datetime) -> Adjustment:
    """Do what was checked, or let it wait for a second person: by what it moves and moved. Under the wallet's lock."""
    moved = abs(row.amount_micros) + _moved_today(row.organization, by, now)
    row.needs_second = moved > settings.ADJUSTMENT_LIMIT_CENTS * MICROS_PER_CENT
    row.state, row.asked_by, row.asked_at, row.expires_at = AdjustmentState.WAITING, by, now, now + WAITS
    if not row.needs_second:
        row.state, row.decided_at, row.posting = AdjustmentState.POSTED, now, _do(row, now)
    row.save()
    _record(row, "asked" if row.needs_second else "posted", by, now)
    return row


def ask_by_ids(
    *,
    organization: str,
    amount_cents: int,
    words: str,
    reason: str,
    by: User,
    now: datetime,
    lease: str = "",
    invoice_line: int | None = None,
) -> Adjustment:
    """
    As `ask`, with everything named as staff write it.

    :raises AdjustmentRefused: as `ask`, for what does not exist, and for a line of an invoice: a credit note is its way
    """
    if invoice_line:
        raise _invoiced(invoice_line)
    found = {
        "organization": Organization.objects.filter(public_id=organization).first(),
        "lease": Lease.objects.filter(public_id=lease).first() if lease else None,
    }
    for field, wanted in {"organization": organization, "lease": lease}.items():
        if wanted and found[field] is None:
            raise AdjustmentRefused(field, f"There is no {field} {wanted}.")
    micros = amount_cents * MICROS_PER_CENT
    return ask(amount_micros=micros, words=words, reason=reason, by=by, now=now, **found)  # type: ignore[arg-type]


@transaction.atomic
def approve(*, adjustment: Adjustment, by: User, now: datetime) -> Adjustment:
    """
    Post an adjustment of somebody else.

    :raises SamePerson: for one's own
    :raises NotWaiting: if it was decided or has run out
    :raises Outdated: if what it is about has changed so that it cannot be done, or would move another amount
    """
    row = _waiting(adjustment, now)
    if row.asked_by_id == by.pk:
        raise SamePerson
    try:
        row.posting = _do(row, now)
    except REFUSALS as bad:
        raise Outdated(str(bad)) from bad
    if row.posting and not _moves(row.posting, row.amount_micros):
        raise Outdated("It would move another amount by now.")
    return _decide(row, AdjustmentState.POSTED, by, now)


@transaction.atomic
def refuse(*, adjustment: Adjustment, by: User, now: datetime) -> Adjustment:
    """
    Call an adjustment off; whoever asked for it may do so too.

    :raises NotWaiting: if it was decided or has run out
    """
    return _decide(_waiting(adjustment, now), AdjustmentState.REFUSED, by, now)


@transaction.atomic
def expire(*, adjustment: Adjustment, now: datetime) -> None:
    """Call off what nobody decided on in time. Nothing happens to one that was decided."""
    operations.lock_wallet(organization=adjustment.organization)
    row = Adjustment.objects.select_for_update(of=("self",)).get(pk=adjustment.pk)
    if row.state == AdjustmentState.WAITING and row.expires_at <= now:
        _decide(row, AdjustmentState.EXPIRED, None, now)


def overdue(*, now: datetime) -> list[Adjustment]:
    """Those that nobody decided on in time."""
    late = Adjustment.objects.filter(state=AdjustmentState.WAITING, expires_at__lte=now)
    return list(late.select_related("organization"))


def _invoiced(line: int) -> AdjustmentRefused:
    """What was invoiced is corrected on a paper of its own; an adjustment would be a second way to the same cents."""
    found = InvoiceLine.objects.select_related("invoice").filter(pk=line).first()
    if found is None:
        return AdjustmentRefused("invoice_line", f"There is no invoice line {line}.")
    address = f"/operations/receivables/{found.invoice.public_id}/credit/"
    return AdjustmentRefused(
        "invoice_line",
        f"Its month is closed: take it back with a credit note for {found.invoice.number} at {address}. To charge "
        "more, name the lease instead: that is a line of the open month.",
    )


def _check(organization: Organization, amount: int, words: str, reason: str, lease: Lease | None) -> None:
    for field, said, most in (("words", words, LONGEST_WORDS), ("reason", reason, LONGEST_REASON)):
        if not said.strip() or len(said) > most:
            raise AdjustmentRefused(field, f"Write 1 to {most} characters.")
    if not amount or abs(amount) > MOST_MICROS or amount % MICROS_PER_CENT:
        raise AdjustmentRefused("amount_cents", "Give whole cents, not nothing, up to $1,000,000.00 either way.")
    if lease and lease.organization_id != organization.pk:
        raise AdjustmentRefused("lease", f"{organization} has no such lease.")


def _moved_today(organization: Organization, by: User, now: datetime) -> int:
    """What one person has moved for an organization within a day: splitting an adjustment does not help."""
    mine = Adjustment.objects.filter(organization=organization, asked_by=by, asked_at__gt=now - DAY)
    alone = mine.filter(state=AdjustmentState.POSTED, needs_second=False)
    return alone.aggregate(micros=Sum(Abs("amount_micros")))["micros"] or 0


def _waiting(adjustment: Adjustment, now: datetime) -> Adjustment:
    """The row under lock. Raises NotWaiting."""
    operations.lock_wallet(organization=adjustment.organization)
    locked = Adjustment.objects.select_for_update(of=("self",)).select_related("organization", "lease", "asked_by")
    row = locked.get(pk=adjustment.pk)
    if row.state != AdjustmentState.WAITING or row.expires_at <= now:
        raise NotWaiting(row)
    return row


def _decide(row: Adjustment, state: AdjustmentState, by: User | None, now: datetime) -> Adjustment:
    row.state, row.decided_by, row.decided_at = state, by, now
    row.save(update_fields=["state", "decided_by", "decided_at", "posting"])
    _record(row, state, by, now)
    return row


def _do(row: Adjustment, now: datetime) -> Posting | None:
    """In the name of whoever asked. A credit limit has no posting: no money moves."""
    if row.kind == AdjustmentKind.ADJUSTMENT:
        return _post(row, now)
    if row.kind == AdjustmentKind.TRANSFER:
        return _transfer(row, now)
    if row.kind == AdjustmentKind.CREDIT_RAISE:
        _raise(row, now)
        return None
    who: dict[str, Any] = {"reason": row.reason, "actor": row.asked_by.actor, "now": now}
    if row.kind == AdjustmentKind.GIFT:
        ends = row.wanted["expires_at"]
        return granting.give(
            organization=row.organization,
            amount_micros=row.amount_micros,
            expires_at=datetime.fromisoformat(ends) if ends else None,
            key=row.wanted["key"],
            **who,
        ).posting
    invoice = Invoice.objects.select_related("organization").get(public_id=row.wanted["invoice"])
    if row.kind == AdjustmentKind.CREDIT_NOTE:
        lines = {int(line): cents for line, cents in row.wanted["lines"].items()}
        note = credit_notes.credit(invoice=invoice, cents_by_line=lines, **who)
        return Posting.objects.get(key=f"credit_note:{note.public_id}")
    receivables.write_off(invoice=invoice, **who)
    return Posting.objects.get(key=f"write_off:{invoice.public_id}")


def _transfer(row: Adjustment, now: datetime) -> Posting:
    transfer = receivables.record_transfer(
        organization=row.organization,
        reference=row.wanted["reference"],
        amount_cents=row.amount_micros // MICROS_PER_CENT,
        received_at=datetime.fromisoformat(row.wanted["received_at"]),
        invoice=Invoice.objects.filter(public_id=row.wanted.get("invoice")).first(),
        actor=row.asked_by.actor,
        now=now,
    )
    return Posting.objects.get(key=f"transfer:{transfer.reference}")


def _raise(row: Adjustment, now: datetime) -> None:
    wanted = row.wanted
    decision = paying.Decision(
        mode=BillingMode(wanted["mode"]),
        trust=TrustLevel(wanted["trust"]),
        credit_micros=wanted["credit_micros"],
        reason=row.reason,
        override=wanted["override"],
    )
    account = operations.account_of(row.organization)
    raised = paying.raised_micros(account=account, decision=decision)
    before = wanted.get("before", account.terms)  # older rows do not say
    if (raised, before) != (row.amount_micros, account.terms):
        raise Outdated("How it pays, its trust or its credit has changed meanwhile.")
    paying.decide(organization=row.organization, decision=decision, actor=row.asked_by.actor, now=now)


def _moves(posting: Posting, micros: int) -> bool:
    """Whether the wallet got exactly that."""
    return Entry.objects.filter(posting=posting, account__kind=AccountKind.WALLET, amount_micros=micros).exists()


def _post(row: Adjustment, now: datetime) -> Posting:
    """Of a lease it is less or more revenue, and a line of the month's invoice; any other is given away, or taken."""
    other = AccountKind.REVENUE if row.lease else AccountKind.ADJUSTMENTS
    return operations.post(
        organization=row.organization,
        kind=PostingKind.ADJUSTMENT,
        key=f"adjustment:{row.public_id}",
        at=now,
        amounts={AccountKind.WALLET: row.amount_micros, other: -row.amount_micros},
        lease=row.lease,
        memo=row.words,
    )


def _record(row: Adjustment, word: str, by: User | None, now: datetime) -> None:
    """The operator's event says who and why; the customer hears of what moved, of other kinds elsewhere."""
    actor = by.actor if by else "system:billing"
    data = {
        "organization": row.organization.public_id,
        "kind": row.kind,
        "amount_micros": row.amount_micros,
        "reason": row.reason,
    }
    record(
        organization=None,
        kind=f"adjustment.{word}",
        subject=row.public_id,
        actor=actor,
        at=now,
        data=data,
        notice=_words(row, word),
    )
    if row.posting and row.kind == AdjustmentKind.ADJUSTMENT:
        what = "credited to" if row.amount_micros > 0 else "taken from"
        record(
            organization=row.organization,
            kind="wallet.adjusted",
            subject=row.posting.public_id,
            actor="system:billing",
            at=now,
            data={"amount_micros": row.amount_micros, "words": row.words},
            notice={
                "title": f"{format_micros(abs(row.amount_micros))} {what} your wallet",
                "text": f"The movement is in your ledger: {row.words}",
                "path": f"/wallet/ledger/{row.posting.public_id}/",
            },
        )


def _words(row: Adjustment, word: str) -> Words | None:
    """Staff hear of what waits for them, and of what nobody decided in time: it is lost unless somebody asks again."""
    lost = "The money is at our bank: record it again" if row.kind == AdjustmentKind.TRANSFER else "Ask for it again"
    said = {
        "asked": ("waits for a second person", f"Decide by {row.expires_at:%Y-%m-%d %H:%M} UTC."),
        AdjustmentState.EXPIRED: ("was not decided in time", f"Nothing was done. {lost} if it still holds."),
    }
    if word not in said:
        return None
    title, text = said[word]
    return {
        "title": f"{row.get_kind_display().capitalize()} of {format_micros(row.amount_micros)} for {row.organization} "
        f"{title}",
        "text": f"{text} Reason: {row.reason}",
        "path": f"/operations/adjustments/{row.public_id}/",
    }
