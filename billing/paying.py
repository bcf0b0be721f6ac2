"""How an organization pays, and how far it is trusted: staff decide, with a reason that is kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts.models import Organization
from accounts.operations import Words, record
from billing import customers, metered, operations
from billing.card_invoices import LOOK_EVERY
from billing.cards import cards_of
from billing.models import (
    TRUST,
    BillingAccount,
    BillingMode,
    CallKind,
    CallState,
    CardInvoice,
    CardInvoiceStatus,
    Export,
    ExportState,
    GatewayCall,
    Invoice,
    MeteredSubscription,
    TrustLevel,
)
from billing.queries import wallet
from billing.queries.receivables import still_open
from marketplace.money import MICROS, MICROS_PER_CENT, format_micros

MOST_CREDIT_MICROS = 10_000_000 * MICROS
CLOSES = timedelta(hours=2)  # within them the processor makes a month's last invoice final: it takes about one


class ChangeRefused(Exception):
    """The organization cannot pay in this way now. `field` names the input at fault, the message the way out."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Decision:
    """
    What staff decide for an organization. Without `credit_micros` its credit is what its trust gives; `override` lets
    one without a working card pay later all the same.
    """

    mode: BillingMode
    trust: TrustLevel
    credit_micros: int | None
    reason: str
    override: bool = False


def card_works(*, organization: Organization, now: datetime) -> bool:
    """Whether it has saved a default card that has not expired."""
    card = cards_of(organization).first()
    return card is not None and card.expires_at > now


def raised_micros(*, account: BillingAccount, decision: Decision) -> int:
    """By how much the decision raises its credit; less than nothing where it lowers it."""
    return _credit(decision) - account.credit_micros


def check(*, account: BillingAccount, decision: Decision, now: datetime) -> None:
    """
    Whether it can be decided so.

    :raises ChangeRefused: see `decide`
    """
    card = card_works(organization=account.organization, now=now)
    _check(account, decision, _credit(decision), card=card, now=now)


@transaction.atomic
def decide(*, organization: Organization, decision: Decision, actor: str, now: datetime) -> BillingAccount:
    """
    Change how an organization pays, and how far it is trusted. Staff do so by `billing.by_hand`, where much more credit
    needs a second person.

    :raises ChangeRefused: without a reason, a card or an override; with more credit than there is; while it owes; or
        while the last month of a subscription before is not closed
    """
    operations.lock_wallet(organization=organization)
    operations.account_of(organization)
    account = BillingAccount.objects.select_for_update().get(organization=organization)
    credit, card = _credit(decision), card_works(organization=organization, now=now)
    _check(account, decision, credit, card=card, now=now)
    before = account.terms
    if decision.mode == BillingMode.METERED != account.mode:
        customers.make_known(organization=organization, now=now)
        metered.begin(organization=organization, now=now)
    if account.mode == BillingMode.METERED != decision.mode:
        metered.end(organization=organization, now=now)
    account.mode, account.trust, account.credit_micros = decision.mode, decision.trust, credit
    account.save(update_fields=["mode", "trust", "credit_micros"])
    after = account.terms
    if before != after:
        why = {"reason": decision.reason, "without_card": not card}
        _record(account, {"before": before, "after": after}, why, actor=actor, now=now)
    return account


def _record(
    account: BillingAccount, changed: dict[str, object], why: dict[str, object], *, actor: str, now: datetime
) -> None:
    """Twice: the organization's own event, which it can read, says only what changed, the operator's says why too."""
    kind, organization = "payment.terms_changed", account.organization
    said: dict[str, Any] = {"kind": kind, "subject": organization.public_id, "actor": actor, "at": now}
    record(organization=organization, data=changed, notice=_words(organization, account), **said)
    record(organization=None, data={**changed, **why}, **said)


def _credit(decision: Decision) -> int:
    if decision.mode == BillingMode.PREPAID:
        return 0
    given = TRUST[decision.trust].credit_micros
    return given if decision.credit_micros is None else decision.credit_micros


def _check(account: BillingAccount, decision: Decision, credit: int, *, card: bool, now: datetime) -> None:
    if not decision.reason.strip():
        raise ChangeRefused("reason", "Say why: it is kept with the change.")
    if not 0 <= credit <= MOST_CREDIT_MICROS:
        raise ChangeRefused("credit", f"Credit is $0.00 to {format_micros(MOST_CREDIT_MICROS)}.")
    if decision.mode == account.mode:
        return
    if decision.mode == BillingMode.METERED and not card and not decision.override:
        raise ChangeRefused(
            "mode", "It has no default card that works. Let it save one first, or tick that it may go without."
        )
    if decision.mode == BillingMode.METERED:
        _check_closed(account.organization, now)
    if account.mode != BillingMode.PREPAID:
        _check_settled(account, now)


def _check_closed(organization: Organization, now: datetime) -> None:
    """
    Who paid by card before begins anew once all of that is over and paid. The processor's word counts, not ours: a call
    to end it may have failed. What is open would be taken for its own money.
    """
    before = MeteredSubscription.objects.filter(organization=organization, reference__isnull=False).first()
    if before is None or before.ends_at is None or before.ends_at > now:
        return
    ending = GatewayCall.objects.filter(organization=organization, kind=CallKind.SUBSCRIPTION_END)
    if ending.filter(state__in=(CallState.PENDING, CallState.UNCERTAIN)).exists():
        raise ChangeRefused("mode", "The card processor still has to end what it paid by before. Try again soon.")
    closed = before.ends_at + CLOSES
    if before.closed_at is None or before.closed_at < closed:
        until = f"{closed + LOOK_EVERY:%Y-%m-%d %H:%M}"
        raise ChangeRefused(
            "mode",
            f"Its last month by card was not yet seen closed. Try again after {until} UTC. If it stays so, look at the "
            f"card processor: {before.reference} has to be over there, and no invoice of the customer a draft.",
        )
    if CardInvoice.objects.filter(organization=organization, status=CardInvoiceStatus.OPEN).exists():
        raise ChangeRefused("mode", "An invoice to its card is open. Change it once that was paid or given up.")


def _check_settled(account: BillingAccount, now: datetime) -> None:
    organization = account.organization
    purse = wallet(organization=organization, now=now)
    owed = purse.accrued_micros - purse.balance_micros
    if still_open(Invoice.objects.filter(organization=organization)):
        raise ChangeRefused("mode", "An invoice by transfer is open. Change it once that was paid.")
    if owed > (MICROS_PER_CENT // 2 if account.mode == BillingMode.INVOICED else 0):  # half a cent is on no invoice
        raise ChangeRefused("mode", f"It owes {format_micros(owed)}. Change it once that was invoiced and paid.")
    if Export.objects.filter(organization=organization, state=ExportState.PENDING).exists():
        raise ChangeRefused("mode", "Charges are still on their way to its invoice. Try again in some minutes.")


def _words(organization: Organization, account: BillingAccount) -> Words:
    credit = f", up to {format_micros(account.credit_micros)} at a time" if account.credit_micros else ""
    return {
        "title": f"{organization.name} pays {account.get_mode_display()}",
        "text": f"From now on what you lease is paid {account.get_mode_display()}{credit}. "
        "Your wallet shows what is used and what is left.",
        "path": "/wallet/",
    }
