"""Promotional credit: what is left of it, in the order in which it is spent, and what of it has ended."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q, QuerySet, Sum

from accounts.models import Organization
from billing.models import AccountKind, CreditGrant, CreditUse, LedgerAccount, Meter, Posting
from billing.queries.meters import NOT_BEGUN, open_readings


@dataclass(frozen=True)
class Lapse:
    """What is to be taken back of a grant that has ended. Micro-dollars; nothing where all is spoken for."""

    grant: CreditGrant
    micros: int


def credits_left(organization: Organization) -> QuerySet[CreditGrant]:
    """Grants with something left, in the order in which they are spent: what ends first, then the oldest."""
    left = CreditGrant.objects.filter(organization=organization, remaining_micros__gt=0)
    return left.order_by(F("expires_at").asc(nulls_last=True), "id")


@dataclass(frozen=True)
class Spent:
    """What was taken of a grant for a lease; `lease` is empty for what was of none. Micro-dollars."""

    lease: str  # public id
    name: str
    micros: int


@dataclass(frozen=True)
class Left:
    """What has become of a grant: what was given, less what was spent and what was taken back, is what is left."""

    grant: CreditGrant
    spent: tuple[Spent, ...]  # by lease, in the order in which they were ordered
    lapse: Posting | None

    @property
    def lapsed_micros(self) -> int:
        """Taken back once it had ended."""
        return self.grant.amount_micros - self.grant.remaining_micros - sum(row.micros for row in self.spent)


def left_of(grant: CreditGrant) -> Left:
    """What has become of it so far."""
    rows = CreditUse.objects.filter(grant=grant).values("posting__lease").annotate(micros=Sum("micros"))
    columns = ("posting__lease__public_id", "posting__lease__name", "micros")
    found = rows.order_by("posting__lease").values_list(*columns)
    spent = tuple(Spent(lease or "", name or "", micros) for lease, name, micros in found)
    return Left(grant, spent, Posting.objects.filter(key=f"lapse:{grant.public_id}").first())


def ended(*, now: datetime) -> Q:
    """Grants that have ended and of which nothing was taken back yet."""
    return Q(expires_at__lte=now, lapsed_at=None, remaining_micros__gt=0)


def lapsing(*, organization: Organization, grants: Iterable[CreditGrant], now: datetime) -> list[Lapse]:
    """
    What lapses of these grants, which are `credits_left`: all that was neither used before its end nor is needed for
    what was ordered. So it is the same however late the use is posted or this is asked.
    """
    grants = list(grants)
    due = [one for one in grants if one.expires_at and one.expires_at <= now and one.lapsed_at is None]
    if not due:
        return []
    kept = sum(one.remaining_micros for one in grants if one.lapsed_at)
    balance = LedgerAccount.objects.get(organization=organization, kind=AccountKind.WALLET).balance_micros
    promised, found, taken = _promised_micros(organization), list[Lapse](), 0
    for grant in due:
        assert grant.expires_at
        readings = open_readings(organization, at=grant.expires_at)
        used = max(0, sum(reading.accrued_micros for reading in readings))
        held = promised + sum(reading.held_micros for reading in readings)
        unused = grant.remaining_micros - max(0, used - kept)
        micros = max(0, min(unused, balance - taken - used - held))
        found.append(Lapse(grant, micros))
        taken, kept = taken + micros, kept + grant.remaining_micros - micros
    return found


def _promised_micros(organization: Organization) -> int:
    """What is kept aside for leases that have not begun."""
    meters = Meter.objects.filter(organization=organization, closed_at=None, lease__state__in=NOT_BEGUN)
    return meters.aggregate(micros=Sum("hold_micros"))["micros"] or 0
