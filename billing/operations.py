"""
The only ways that money moves: `post`, in our ledger, and `ask`, at the card processor.

Each posting balances, is keyed by its fact, and locks the wallet. Each call to the processor is a row first.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from django.db import connection, transaction
from django.db.models import BigIntegerField, CharField, F

from accounts.models import Given, Organization, Statement, insert
from accounts.operations import record, record_all
from billing.models import (
    AccountKind,
    BillingAccount,
    BillingMode,
    CallKind,
    CreditGrant,
    CreditUse,
    Entry,
    GatewayCall,
    LedgerAccount,
    Payment,
    Posting,
    PostingKind,
)
from billing.payments.base import Call
from billing.queries.credit import credits_left, lapsing
from billing.queries.metered import mode_of
from billing.queries.owed import OWED
from leasing.models import Lease


class Unbalanced(Exception):
    """The amounts of a posting do not sum to zero, or nothing would move."""


@transaction.atomic(savepoint=False)
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
    Move micro-dollars between the organization's accounts, once for each `key`; a known key returns its posting. What
    is spent from the wallet is taken from promotional credit first, the credit that ends first before all. What comes
    in for no lease, or goes, is set off against invoices by transfer; what `billing.receivables` records first pays.

    :raises Unbalanced: if `amounts` do not sum to zero or contain a zero
    """
    if sum(amounts.values()) or not all(amounts.values()) or not amounts:
        raise Unbalanced(f"{key}: {dict(amounts)}")
    lock_wallet(organization=organization)
    known = POSTED.first(key=key)
    if known:
        return known
    spent = 0 if kind == PostingKind.CREDIT_LAPSED else _spent(amounts)
    if spent > 0:
        lapse(organization=organization, now=at)
    posting = Posting(organization=organization, kind=kind, key=key, at=at, lease=lease, payment=payment, memo=memo)
    insert(posting)
    Entry.objects.bulk_create(
        _entered(posting, _lock(organization, account_kind), amount) for account_kind, amount in amounts.items()
    )
    _spend_credit(posting, spent)
    if lease is None and kind != PostingKind.TRANSFER and mode_of(organization) == BillingMode.INVOICED:
        set_off(organizations=[organization.pk], now=at)
    return posting


def set_off(*, organizations: Collection[int], now: datetime) -> None:
    """
    Have the wallets of organizations (keys) pay what they can of invoices by transfer, and take back what they cannot
    pay any more; and keep which are open. Under their locks. Doing it again changes nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute(SET_OFF, {"organizations": list(organizations), "now": now})
        paid = cursor.fetchall()
    if paid:
        given = dict(zip(("invoices", "cents", "open"), map(list, zip(*paid, strict=True)), strict=True))
        record_all(rows=SETTLED, given=given, kind="invoice.set_off", actor="system:billing", at=now)


@transaction.atomic
def grant(
    *,
    organization: Organization,
    amount_micros: int,
    key: str,
    memo: str,
    now: datetime,
    expires_at: datetime | None = None,
    given_by: str = "system:billing",
) -> Posting:
    """
    Give promotional credit, once for each `key`, for ever or until `expires_at`. It can be spent, not paid out. Less
    than nothing takes a gift back, of what is left of credit first.
    """
    amounts = {AccountKind.PROMOTIONS: -amount_micros, AccountKind.WALLET: amount_micros}
    posting = post(
        organization=organization, kind=PostingKind.CREDIT, key=f"credit:{key}", at=now, amounts=amounts, memo=memo
    )
    lot = {"amount_micros": amount_micros, "remaining_micros": amount_micros, "expires_at": expires_at}
    who = {"organization": organization, "reason": memo, "given_by": given_by, "created_at": now}
    if amount_micros > 0:
        CreditGrant.objects.get_or_create(posting=posting, defaults=lot | who)
    return posting


@transaction.atomic
def lapse(*, organization: Organization, now: datetime) -> int:
    """Take back what is left of credit that has ended, once. Returns the micro-dollars."""
    lock_wallet(organization=organization)
    lapses = lapsing(organization=organization, grants=credits_left(organization), now=now)
    for one in lapses:
        CreditGrant.objects.filter(pk=one.grant.pk).update(
            lapsed_at=now, remaining_micros=F("remaining_micros") - one.micros
        )
        if one.micros:
            post(
                organization=organization,
                kind=PostingKind.CREDIT_LAPSED,
                key=f"lapse:{one.grant.public_id}",
                at=now,
                amounts={AccountKind.WALLET: -one.micros, AccountKind.PROMOTIONS: one.micros},
                memo=f"Credit that could be spent before {one.grant.expires_at:%Y-%m-%d %H:%M} UTC",
            )
    return sum(one.micros for one in lapses)


def ask(*, organization: Organization, kind: CallKind, subject: str, call: Call, now: datetime) -> GatewayCall:
    """
    Write down a call to the card processor, in the transaction that wants it; `billing.sending` makes it. Once for each
    kind and `subject`: a known one is returned as it is.
    """
    ask_all([outgoing(organization_id=organization.pk, kind=kind, subject=subject, call=call, now=now)])
    return GatewayCall.objects.get(kind=kind, subject=subject)


def ask_all(rows: Iterable[GatewayCall]) -> None:
    """The same for many at once, each from `outgoing`."""
    GatewayCall.objects.bulk_create(rows, ignore_conflicts=True)


def outgoing(*, organization_id: int, kind: CallKind, subject: str, call: Call, now: datetime) -> GatewayCall:
    """A call as it will be written down, with its mark."""
    row = GatewayCall(organization_id=organization_id, kind=kind, subject=subject, created_at=now, next_attempt_at=now)
    row.method, row.path, row.body = call.method, call.path, dict(call.body)
    if call.marked:
        row.body["metadata"] = {**call.body.get("metadata", {}), "call_id": row.public_id}
    return row


def account_of(organization: Organization) -> BillingAccount:
    """How the organization pays; made on first use."""
    BillingAccount.objects.bulk_create([BillingAccount(organization_id=organization.pk)], ignore_conflicts=True)
    return BillingAccount.objects.get(organization=organization)


def _spent(amounts: Mapping[AccountKind, int]) -> int:
    """What leaves the wallet for good: to revenue, or back to who gave it."""
    gone = amounts.get(AccountKind.REVENUE, 0) + amounts.get(AccountKind.PROMOTIONS, 0)
    return min(gone, -amounts.get(AccountKind.WALLET, 0))


def _spend_credit(posting: Posting, micros: int) -> None:
    """Take as much as there is of an amount that was spent out of the grants, in their order."""
    if micros <= 0:
        return
    for lot in credits_left(posting.organization):
        if not micros:
            break
        part = min(micros, lot.remaining_micros)
        CreditUse.objects.create(grant=lot, posting=posting, micros=part)
        CreditGrant.objects.filter(pk=lot.pk).update(remaining_micros=F("remaining_micros") - part)
        micros -= part


@transaction.atomic
def set_details(*, organization: Organization, purchase_order: str, buyer: str, actor: str, now: datetime) -> None:
    """What invoices from now on carry; those that were issued stay as they are."""
    account_of(organization)
    said = {"purchase_order": purchase_order, "buyer": buyer}
    if BillingAccount.objects.filter(organization=organization).exclude(**said).update(**said):
        record(
            organization=organization,
            kind="invoice.details_changed",
            subject=organization.public_id,
            actor=actor,
            at=now,
            data=said,
        )


def _entered(posting: Posting, account: LedgerAccount, amount: int) -> Entry:
    account.balance_micros += amount
    account.save(update_fields=["balance_micros"])
    return Entry(posting=posting, account=account, amount_micros=amount, balance_micros=account.balance_micros)


def _lock(organization: Organization, kind: AccountKind) -> LedgerAccount:
    """The account, made on first use. Only the wallet's lock can be waited for; the others are taken behind it."""
    account = ACCOUNT.first(organization=organization.pk, kind=kind)
    if account is None:
        LedgerAccount.objects.bulk_create([LedgerAccount(organization=organization, kind=kind)], ignore_conflicts=True)
        account = ACCOUNT.first(organization=organization.pk, kind=kind)
        assert account, "made, or found to be there"
    return account


SET_OFF = f"""
    WITH owed AS MATERIALIZED ({OWED}),
    paid AS (
        INSERT INTO billing_setoff (invoice_id, cents, at)
        SELECT invoice_id, cents, %(now)s FROM owed WHERE cents <> 0 ORDER BY invoice_id
    ),
    settled AS (
        DELETE FROM billing_outstanding WHERE invoice_id IN (SELECT invoice_id FROM owed WHERE open_cents = 0)
    ),
    opened AS (
        INSERT INTO billing_outstanding (invoice_id)
        SELECT invoice_id FROM owed WHERE open_cents > 0 ORDER BY invoice_id
            ON CONFLICT DO NOTHING
    )
    SELECT invoice_id, cents, open_cents FROM owed WHERE cents <> 0 ORDER BY invoice_id
"""  # noqa: S608  our own words
# What their customers' programs and the audit are told: less than nothing was taken back. People see it on the invoice.
SETTLED = """
    SELECT invoice.organization_id, invoice.public_id AS subject, NULL::jsonb AS notice,
           jsonb_build_object('number', number, 'cents', paid.cents, 'open_cents', paid.open_cents) AS data
      FROM unnest(%(invoices)s::bigint[], %(cents)s::bigint[], %(open)s::bigint[]) AS paid (id, cents, open_cents)
      JOIN billing_invoice AS invoice USING (id)
     ORDER BY id
"""
ACCOUNT = Statement(
    lambda: LedgerAccount.objects.select_for_update(no_key=True).filter(
        organization=Given("organization", BigIntegerField()), kind=Given("kind", CharField())
    )
)
POSTED = Statement(lambda: Posting.objects.filter(key=Given("key", CharField())))
