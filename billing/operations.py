"""
The only ways that money moves: `post`, in our ledger, and `ask`, at the card processor.

Each posting balances, is keyed by its fact, and locks the wallet. Each call to the processor is a row first.
"""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from accounts.models import Organization
from billing.models import (
    AccountKind,
    BillingAccount,
    CallKind,
    Entry,
    GatewayCall,
    LedgerAccount,
    Payment,
    Posting,
    PostingKind,
)
from billing.payments.base import Call
from leasing.models import Lease


class Unbalanced(Exception):
    """The amounts of a posting do not sum to zero, or nothing would move."""


@transaction.atomic
def lock_wallet(*, organization: Organization) -> LedgerAccount:
    """The organization's wallet, locked until the transaction ends.

    Taken first by everything that moves or promises the organization's money: before nodes, leases and meters.
    """
    return _lock(organization, AccountKind.WALLET)


@transaction.atomic
def post(
    *,
    organization: Organization,
    kind: PostingKind,
    key: str,
    at: datetime,
    amounts: Mapping[AccountKind, int],
    lease: Lease | None = None,
    payment: Payment | None = None,
    memo: str = "",
) -> Posting:
    """
    Move micro-dollars between the organization's accounts, once for each `key`; a known key returns its posting.

    :raises Unbalanced: if `amounts` do not sum to zero or contain a zero
    """
    if sum(amounts.values()) or not all(amounts.values()) or not amounts:
        raise Unbalanced(f"{key}: {dict(amounts)}")
    lock_wallet(organization=organization)
    known = Posting.objects.filter(key=key).first()
    if known:
        return known
    posting = Posting.objects.create(
        organization=organization, kind=kind, key=key, at=at, lease=lease, payment=payment, memo=memo
    )
    Entry.objects.bulk_create(
        _entered(posting, _lock(organization, account_kind), amount) for account_kind, amount in amounts.items()
    )
    return posting


def grant(*, organization: Organization, amount_micros: int, key: str, memo: str, now: datetime) -> Posting:
    """Give promotional credit, once for each `key`. It can be spent, not paid out."""
    amounts = {AccountKind.PROMOTIONS: -amount_micros, AccountKind.WALLET: amount_micros}
    return post(
        organization=organization, kind=PostingKind.CREDIT, key=f"credit:{key}", at=now, amounts=amounts, memo=memo
    )


def ask(*, organization: Organization, kind: CallKind, subject: str, call: Call, now: datetime) -> GatewayCall:
    """
    Write down a call to the card processor, in the transaction that wants it; `billing.sending` makes it. Once for each
    kind and `subject`: a known one is returned as it is.
    """
    row = GatewayCall(
        organization=organization, kind=kind, subject=subject, path=call.path, created_at=now, next_attempt_at=now
    )
    row.body = dict(call.body)
    if call.marked:
        row.body["metadata"] = {**call.body.get("metadata", {}), "call_id": row.public_id}
    GatewayCall.objects.bulk_create([row], ignore_conflicts=True)
    return GatewayCall.objects.get(kind=kind, subject=subject)


def account_of(organization: Organization) -> BillingAccount:
    """How the organization pays; made on first use."""
    BillingAccount.objects.bulk_create([BillingAccount(organization=organization)], ignore_conflicts=True)
    return BillingAccount.objects.get(organization=organization)


def _entered(posting: Posting, account: LedgerAccount, amount: int) -> Entry:
    account.balance_micros += amount
    account.save(update_fields=["balance_micros"])
    return Entry(posting=posting, account=account, amount_micros=amount, balance_micros=account.balance_micros)


def _lock(organization: Organization, kind: AccountKind) -> LedgerAccount:
    """The account, made on first use. Only the wallet's lock can be waited for; the others are taken behind it."""
    accounts = LedgerAccount.objects.select_for_update(no_key=True).filter(organization=organization, kind=kind)
    account = accounts.first()
    if account is None:
        LedgerAccount.objects.bulk_create([LedgerAccount(organization=organization, kind=kind)], ignore_conflicts=True)
        account = accounts.get()
    return account
