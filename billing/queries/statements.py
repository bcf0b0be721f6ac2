"""What moved in a wallet in a span of time: from an opening balance to a closing one, and by what it was for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, TruncDate

from accounts.models import Organization
from billing.models import AccountKind, Entry, Invoice, LedgerAccount
from billing.queries.billed import ON_LINES, billed_by
from billing.queries.months import start_of
from billing.queries.wallet import ledger_entries


@dataclass(frozen=True)
class Sums:
    """Movements together. Micro-dollars."""

    movements: int
    in_micros: int
    out_micros: int  # less than nothing

    @property
    def net_micros(self) -> int:
        """What they changed."""
        return self.in_micros + self.out_micros


@dataclass(frozen=True)
class Group(Sums):
    """Those of a lease, a project tag or a UTC day."""

    key: str  # public id, tag or ISO date; "" for those without
    name: str


@dataclass(frozen=True)
class Statement:
    """All that moved from the beginning of the UTC day `since` to that of `until`. The groups sum to the difference."""

    organization: Organization
    since: date
    until: date
    by: str
    opening_micros: int
    closing_micros: int
    groups: tuple[Group, ...]


GROUPED_BY = {"lease": "lease", "project": "project tag", "day": "day (UTC)"}
KEYS: Mapping[str, tuple[Any, Any]] = {
    "lease": (F("posting__lease__public_id"), F("posting__lease__name")),
    "project": (Coalesce("posting__lease__project", Value("")), Coalesce("posting__lease__project", Value(""))),
    "day": (TruncDate("posting__at", tzinfo=UTC), TruncDate("posting__at", tzinfo=UTC)),
}
# What belongs to no lease, or to none with a tag: the groups without a key.
WITHOUT: Mapping[str, Q] = {
    "lease": Q(posting__lease=None),
    "project": Q(posting__lease=None) | Q(posting__lease__project=""),
}
SUMS: Mapping[str, Any] = {
    "movements": Count("pk"),
    "in_micros": Coalesce(Sum("amount_micros", filter=Q(amount_micros__gt=0)), 0),
    "out_micros": Coalesce(Sum("amount_micros", filter=Q(amount_micros__lt=0)), 0),
}


def statement(*, organization: Organization, since: date, until: date, by: str) -> Statement:
    """The statement of days from `since` to `until` (excluded), grouped by one of GROUPED_BY."""
    account = LedgerAccount.objects.filter(organization=organization, kind=AccountKind.WALLET)
    balance = account.values_list("balance_micros", flat=True).first() or 0
    later = movements(organization=organization, since=until)
    closing = balance - summed(later).net_micros
    groups = tuple(_groups(movements(organization=organization, since=since, until=until), by))
    opening = closing - sum(group.net_micros for group in groups)
    return Statement(organization, since, until, by, opening, closing, groups)


def movements(
    *,
    organization: Organization,
    since: date | None = None,
    until: date | None = None,
    day: date | None = None,
    lease: str | None = None,
    project: str | None = None,
    kind: str | None = None,
    without: str | None = None,
    invoice: str | None = None,
    line: str | None = None,
) -> QuerySet[Entry]:
    """
    The wallet's entries, newest first: of UTC days, a lease (ls_…), a project tag ("" for leases with none), a kind;
    `without` a lease, or a tag; what an `invoice` (iv_…) bills; what an invoice has on a `line` of a kind.
    """
    wanted: Mapping[str, Any] = {
        "posting__at__gte": _begin(day or since),
        "posting__at__lt": _begin(day + timedelta(days=1) if day else until),
        "posting__lease__public_id": lease,
        "posting__lease__project": project,
        "posting__kind": kind,
    }
    found = ledger_entries(organization=organization).filter(
        WITHOUT[without] if without else Q(),
        posting__organization=organization,
        **{name: value for name, value in wanted.items() if value is not None},
    )
    if line:
        found = found.filter(posting__kind__in=ON_LINES[line])
    if not invoice:
        return found
    paper = Invoice.objects.filter(organization=organization, public_id=invoice).first()
    return billed_by(paper, found) if paper else found.none()


def summed(entries: QuerySet[Entry]) -> Sums:
    """These movements together."""
    return Sums(**entries.order_by().aggregate(**SUMS))


def _begin(day: date | None) -> datetime | None:
    return start_of(day) if day else None


def _groups(entries: QuerySet[Entry], by: str) -> list[Group]:
    """One for each key, by name; what belongs to no lease or tag comes first."""
    key, name = KEYS[by]
    rows: Any = entries.order_by().values(key=key, name=name).annotate(**SUMS)
    columns = rows.values_list("key", "name", "movements", "in_micros", "out_micros")
    found = [Group(moved, came, went, str(key or ""), str(name or "")) for key, name, moved, came, went in columns]
    return sorted(found, key=lambda group: (group.name, group.key))
