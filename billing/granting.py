"""
Promotional credit: given with a reason, and taken back once it has ended. Staff give it by `billing.by_hand`, where a
large gift needs a second person.
"""

from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import Organization
from accounts.operations import record
from billing import operations
from billing.models import CreditGrant
from billing.queries.credit import ended
from marketplace.money import MICROS, format_micros

MOST_MICROS = 10_000 * MICROS
LONGEST = timedelta(days=3 * 366)


class BadGrant(Exception):
    """Credit cannot be given like that. `field` names the input at fault, the message its limit."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@transaction.atomic
def give(
    *,
    organization: Organization,
    amount_micros: int,
    reason: str,
    expires_at: datetime | None,
    actor: str,
    key: str,
    now: datetime,
) -> CreditGrant:
    """
    Give an organization credit, for ever or until `expires_at`, once for each `key`. It reads the reason.

    :raises BadGrant: without a reason, over $10,000.00, or with an end that is past or years away
    """
    check(amount_micros=amount_micros, reason=reason, expires_at=expires_at, now=now)
    operations.lock_wallet(organization=organization)
    if known := given(organization=organization, key=key):
        return known
    posting = operations.grant(
        organization=organization,
        amount_micros=amount_micros,
        key=key,
        memo=reason.strip()[:200],
        now=now,
        expires_at=expires_at,
        given_by=actor,
    )
    made = CreditGrant.objects.select_related("organization").get(posting=posting)
    _tell(made, actor, now)
    return made


def given(*, organization: Organization, key: str) -> CreditGrant | None:
    """What was given by this key."""
    return CreditGrant.objects.filter(posting__key=f"credit:{key}", organization=organization).first()


def check(*, amount_micros: int, reason: str, expires_at: datetime | None, now: datetime) -> None:
    """
    Whether credit can be given like that.

    :raises BadGrant: as `give`
    """
    if not reason.strip():
        raise BadGrant("reason", "Say why: the customer reads it, and so does whoever checks the books.")
    if not 0 < amount_micros <= MOST_MICROS:
        raise BadGrant("amount_micros", f"Give more than nothing and at most {format_micros(MOST_MICROS)}.")
    if expires_at is not None and not now < expires_at <= now + LONGEST:
        raise BadGrant("expires_at", "It has to end later than now and within three years. Leave it out for ever.")


def due(*, now: datetime) -> list[Organization]:
    """Organizations with credit that has ended and was not taken back yet."""
    grants = CreditGrant.objects.filter(ended(now=now)).values("organization")
    return list(Organization.objects.filter(pk__in=grants).order_by("pk"))


def _tell(grant: CreditGrant, actor: str, now: datetime) -> None:
    amount = format_micros(grant.amount_micros)
    end = f" Use it before {grant.expires_at:%Y-%m-%d %H:%M} UTC." if grant.expires_at else ""
    record(
        organization=grant.organization,
        kind="credit.given",
        subject=grant.public_id,
        actor=actor,
        at=now,
        data={"amount_micros": grant.amount_micros, "reason": grant.reason, "expires_at": grant.expires_at},
        notice={
            "title": f"You have {amount} of promotional credit",
            "text": f"{grant.reason}: {amount} of promotional credit is in your wallet. It is spent before your own "
            f"money.{end}",
            "path": "/wallet/",
        },
    )
