"""Automatic top-up: its rules, and what follows from how its charges end. `billing.topping_up` makes the charges."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet, Sum

from accounts.models import Organization
from accounts.operations import record
from billing import operations
from billing.models import AutoTopUp, Payment, PaymentState
from billing.payments import charges
from billing.queries.months import month_of, next_month, start_of
from billing.settlement import LEAST_CENTS, MOST_CENTS
from marketplace.money import format_cents

ACTOR = "system:billing"
RETRIES = (timedelta(hours=1), timedelta(days=1), timedelta(days=3))  # after the first, second and third decline
MOST_CEILING_CENTS = 10 * MOST_CENTS
SPENT = (PaymentState.PENDING, PaymentState.ACTION, PaymentState.PAID)  # what counts towards a month's ceiling


class BadRule(Exception):
    """A rule does not fit. `field` names it, the message the limit and the way out."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Rules:
    """When to top up (less than this available), by how much, and in a UTC calendar month at most. Cents."""

    threshold_cents: int = 20_00
    amount_cents: int = 100_00
    ceiling_cents: int = 500_00


def rules_of(organization: Organization) -> AutoTopUp | None:
    """The organization's rules, on or off; None if it never had any."""
    return AutoTopUp.objects.select_related("organization").filter(organization=organization).first()


def charges_of_month(*, organization: Organization, now: datetime) -> QuerySet[Payment]:
    """What was charged automatically in the UTC month of `now`, or is being charged, newest first."""
    month = month_of(now)
    mine = Payment.objects.filter(
        organization=organization,
        automatic=True,
        state__in=SPENT,
        created_at__gte=start_of(month),
        created_at__lt=start_of(next_month(month)),
    )
    return mine.order_by("-id")


def used_cents(*, organization: Organization, now: datetime) -> int:
    """The sum of `charges_of_month`: what counts towards the ceiling."""
    found = charges_of_month(organization=organization, now=now)
    return found.order_by().aggregate(cents=Sum("amount_cents"))["cents"] or 0


@transaction.atomic
def switch_on(*, organization: Organization, rules: Rules, actor: str, now: datetime) -> AutoTopUp:
    """
    Top up by the default card from now on, by these rules; whatever failed before is forgotten.

    :raises BadRule: if there is no card, or an amount is out of its limits
    """
    operations.lock_wallet(organization=organization)
    _check(organization, rules)
    row, _ = AutoTopUp.objects.update_or_create(
        organization=organization,
        defaults={
            **vars(rules),
            "active": True,
            "failures": 0,
            "next_attempt_at": None,
            "ceiling_told_for": None,
            "off_reason": "",
            "changed_at": now,
            "changed_by": actor,
        },
    )
    _record(organization, "wallet.auto_top_up_on", actor, now, data=vars(rules))
    return row


@transaction.atomic
def switch_off(*, organization: Organization, actor: str, now: datetime) -> None:
    """Charge nothing by itself any more. A charge that is under way goes on."""
    operations.lock_wallet(organization=organization)
    if AutoTopUp.objects.filter(organization=organization, active=True).update(
        active=False, next_attempt_at=None, off_reason="", changed_at=now, changed_by=actor
    ):
        _record(organization, "wallet.auto_top_up_off", actor, now)


def _check(organization: Organization, rules: Rules) -> None:
    if not organization.cards.filter(removed_at=None).exists():
        raise BadRule("active", "Save a card first: there is none to charge.")
    if not LEAST_CENTS <= rules.amount_cents <= MOST_CENTS:
        raise BadRule("amount_cents", f"Top up by {format_cents(LEAST_CENTS)} to {format_cents(MOST_CENTS)}.")
    if not 0 <= rules.threshold_cents <= MOST_CENTS:
        raise BadRule(
            "threshold_cents", f"Top up when less than an amount of up to {format_cents(MOST_CENTS)} is left."
        )
    if not rules.amount_cents <= rules.ceiling_cents <= MOST_CEILING_CENTS:
        least, most = format_cents(rules.amount_cents), format_cents(MOST_CEILING_CENTS)
        raise BadRule("ceiling_cents", f"Allow at least one top-up ({least}), at most {most}.")


def succeeded(*, payment: Payment, now: datetime) -> None:
    """An automatic charge was paid: its failures are forgotten. In the transaction that credits it."""
    AutoTopUp.objects.filter(organization=payment.organization).update(failures=0, next_attempt_at=None)


def failed(*, payment: Payment, now: datetime) -> None:
    """
    An automatic charge failed: tried again after an hour, a day and three days, then switched off; at once where the
    card will never work. Its owner is told each time. In the transaction that marks it.
    """
    row = rules_of(payment.organization)
    if row is None or not row.active:
        return _tell(payment, "Automatic top-up is off, so it is not tried again.", now)
    row.failures += 1
    hopeless = payment.decline_code in charges.HARD or row.failures > len(RETRIES)
    if hopeless:
        row.active, row.next_attempt_at = False, None
        row.off_reason = f"{payment.card} was declined: {charges.words(payment.decline_code)}."
        row.changed_at, row.changed_by = now, ACTOR
        _record(payment.organization, "wallet.auto_top_up_off", ACTOR, now, data={"reason": row.off_reason})
        then = "Automatic top-up is switched off now. Check your card or save another, and switch it on again."
    else:
        row.next_attempt_at = now + RETRIES[row.failures - 1]
        then = f"It is tried again at {row.next_attempt_at:%Y-%m-%d %H:%M} UTC. You can also top up yourself."
    row.save()
    return _tell(payment, then, now)


def ask_owner(*, payment: Payment, until: datetime, now: datetime) -> None:
    """The bank wants the card's owner: tell where to confirm."""
    path, amount = f"/top-ups/{payment.public_id}/", format_cents(payment.amount_cents)
    text = (
        f"The bank of {payment.card} asks you to confirm {amount}. Open the page below and follow your bank's steps "
        f"before {until:%Y-%m-%d %H:%M} UTC; until then nothing is charged."
    )
    record(
        organization=payment.organization,
        kind="payment.confirm",
        subject=payment.public_id,
        actor=ACTOR,
        at=now,
        data={"amount_cents": payment.amount_cents},
        notice={"title": "Confirm a top-up with your bank", "text": text, "path": path},
    )


def _tell(payment: Payment, then: str, now: datetime) -> None:
    why = charges.words(payment.decline_code)
    record(
        organization=payment.organization,
        kind="payment.declined",
        subject=payment.public_id,
        actor=ACTOR,
        at=now,
        data={"amount_cents": payment.amount_cents, "code": payment.decline_code},
        notice={
            "title": f"An automatic top-up of {format_cents(payment.amount_cents)} failed",
            "text": f"{payment.card} could not be charged: {why}. {then}",
            "path": "/wallet/automatic/",
        },
    )


def _record(
    organization: Organization, kind: str, actor: str, now: datetime, *, data: dict[str, object] | None = None
) -> None:
    record(organization=organization, kind=kind, subject=organization.public_id, actor=actor, at=now, data=data)
