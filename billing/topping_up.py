"""
Automatic top-up: charges the default card of whoever has too little left, one charge at a time, up to a ceiling. Who
pays our invoices by transfer has less than nothing in its wallet by design: no card of it is charged meanwhile.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from accounts.models import Organization
from accounts.operations import record
from billing import automatic, limits, operations
from billing.cards import cards_of
from billing.charging import OPEN, request_charge
from billing.models import AutoTopUp, BillingMode, Level, Payment
from billing.queries import wallet
from billing.queries.metered import mode_of
from billing.queries.months import month_of
from marketplace.money import MICROS_PER_CENT, format_cents

ACTOR = "system:billing"
DRY = (Level.LOW_24H, Level.LOW_1H, Level.EMPTY)  # rungs on which it tops up whatever the threshold


def due(*, now: datetime) -> list[Organization]:
    """Organizations that top up by themselves and have no charge under way, nor one that waits for its next try."""
    may_try = Q(next_attempt_at=None) | Q(next_attempt_at__lte=now)
    rows = AutoTopUp.objects.filter(may_try, active=True).select_related("organization")
    rows = rows.exclude(organization__billing_account__mode=BillingMode.INVOICED)
    busy = Payment.objects.filter(automatic=True, state__in=OPEN).values("organization")
    return [row.organization for row in rows.exclude(organization__in=busy).order_by("organization")]


@transaction.atomic
def top_up(*, organization: Organization, now: datetime) -> Payment | None:
    """Ask for one charge if the rules want it: under the wallet's lock, so that two sweeps at once ask for one."""
    operations.lock_wallet(organization=organization)
    rules = automatic.rules_of(organization)
    card = cards_of(organization).first()
    if rules is None or not _wanted(rules, now) or card is None:
        return None
    if automatic.used_cents(organization=organization, now=now) + rules.amount_cents > rules.ceiling_cents:
        _tell_ceiling(rules, now)
        return None
    return request_charge(
        organization=organization,
        actor=ACTOR,
        created_by=None,
        card=card,
        amount_cents=rules.amount_cents,
        by_itself=True,
        now=now,
    )


def _wanted(rules: AutoTopUp, now: datetime) -> bool:
    if mode_of(rules.organization) == BillingMode.INVOICED:
        return False
    if not rules.active or (rules.next_attempt_at and rules.next_attempt_at > now):
        return False
    if limits.blocked(rules.organization):  # perhaps his card was stolen: he can still pay by himself
        return False
    if Payment.objects.filter(organization=rules.organization, automatic=True, state__in=OPEN).exists():
        return False
    low = wallet(organization=rules.organization, now=now).available_micros < rules.threshold_cents * MICROS_PER_CENT
    standing = getattr(rules.organization, "standing", None)
    return low or (standing is not None and standing.level in DRY)


def _tell_ceiling(rules: AutoTopUp, now: datetime) -> None:
    """Once a month."""
    month = month_of(now)
    if rules.ceiling_told_for == month:
        return
    AutoTopUp.objects.filter(pk=rules.pk).update(ceiling_told_for=month)
    most = format_cents(rules.ceiling_cents)
    record(
        organization=rules.organization,
        kind="wallet.auto_top_up_ceiling",
        subject=rules.organization.public_id,
        actor=ACTOR,
        at=now,
        data={"ceiling_cents": rules.ceiling_cents},
        notice={
            "title": "Automatic top-up has reached its limit for this month",
            "text": f"Another {format_cents(rules.amount_cents)} would pass the {most} that you allow in a month. "
            "Top up yourself, or raise the limit. It goes on by itself next month (UTC).",
            "path": "/wallet/automatic/",
        },
    )
