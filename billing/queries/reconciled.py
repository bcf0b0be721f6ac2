"""What an object moved at the card processor, beside what it moved in our ledger; and up to when both agree."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet, Sum

from accounts.models import Organization
from billing.models import (
    AccountKind,
    CardInvoice,
    Discrepancy,
    Dispute,
    Entry,
    Movement,
    Payment,
    Posting,
    PostingKind,
    Reconciliation,
    Refund,
    RefundState,
)
from billing.queries.months import start_of
from marketplace.money import MICROS_PER_CENT


@dataclass(frozen=True)
class Kind:
    """Rows of ours that stand for objects of the processor's: under which column they have its name for them, whose
    they are, and by which keys they are posted (our public id follows)."""

    rows: QuerySet[Any]
    reference: str
    organization: str
    keys: tuple[str, ...]


def kinds() -> tuple[Kind, ...]:
    """All that moves money through the processor. A refund that waits to be sent is posted, and not there yet."""
    sent = Refund.objects.exclude(state=RefundState.PENDING)
    return (
        Kind(Payment.objects.all(), "charge_reference", "organization", ("top_up",)),
        Kind(sent, "reference", "payment__organization", ("refund", "refund_failed")),
        Kind(Dispute.objects.all(), "reference", "organization", ("dispute", "dispute_returned")),
        Kind(CardInvoice.objects.all(), "charge_reference", "organization", ("card_invoice",)),
    )


@dataclass(frozen=True)
class Compared:
    """An object, with all that it ever moved on both sides."""

    source: str
    organization_id: int | None
    processor_cents: int
    ledger_cents: int

    @property
    def differs(self) -> bool:
        """Whether one of the two is wrong."""
        return self.processor_cents != self.ledger_cents


@dataclass(frozen=True)
class Ours:
    """A row of ours: whose it is, and its postings' keys."""

    organization_id: int
    keys: tuple[str, ...]


def compared(*, sources: Iterable[str], keys: Iterable[str] = ()) -> list[Compared]:
    """These objects of the processor's, and those behind these keys of postings."""
    wanted, posted = set(sources) - {""}, set(keys)
    ours = owners(sources=wanted, keys=posted)
    known = {key for row in ours.values() for key in row.keys}
    ledger = _ledger({*known, *posted})
    names = wanted | ours.keys()
    there = _processor(names)
    found = [
        Compared(
            name,
            ours[name].organization_id if name in ours else None,
            there.get(name, 0),
            sum(ledger.get(key, 0) for key in ours[name].keys) if name in ours else 0,
        )
        for name in sorted(names)
    ]
    return found + [Compared(key, None, 0, ledger.get(key, 0)) for key in sorted(posted - known - _waiting(posted))]


def owners(*, sources: Iterable[str], keys: Iterable[str] = ()) -> Mapping[str, Ours]:
    """Our rows behind objects of the processor's, by its name for them; by our own key where it has none."""
    ids = {key.partition(":")[2] for key in keys}
    found: dict[str, Ours] = {}
    for kind in kinds():
        rows = kind.rows.filter(Q(**{f"{kind.reference}__in": list(sources)}) | Q(public_id__in=ids))
        for name, public_id, organization in rows.values_list(kind.reference, "public_id", kind.organization):
            own = tuple(f"{key}:{public_id}" for key in kind.keys)
            found[name or own[0]] = Ours(organization, own)
    return found


def touched(*, day: date) -> tuple[set[str], set[str]]:
    """What moved on a UTC day: objects at the processor, and keys of postings in our ledger."""
    since, until = start_of(day), start_of(day + timedelta(days=1))
    sources = matchable(since, until).values_list("source", flat=True)
    postings = Posting.objects.filter(at__gte=since, at__lt=until, entries__account__kind=AccountKind.CLEARING)
    return set(sources), set(postings.exclude(kind=PostingKind.PROCESSOR_FEE).values_list("key", flat=True))


def matchable(since: datetime, until: datetime) -> QuerySet[Movement]:
    """Movements that are of something: not the processor's own fees, which belong to no customer."""
    return Movement.objects.filter(at__gte=since, at__lt=until).exclude(kind="fee")


def fees_cents(*, day: date) -> int:
    """What the processor kept on a UTC day."""
    of_day = Movement.objects.filter(at__gte=start_of(day), at__lt=start_of(day + timedelta(days=1)))
    kept = of_day.aggregate(kept=Sum("fee_cents"))["kept"] or 0
    return int(kept - (of_day.filter(kind="fee").aggregate(sum=Sum("amount_cents"))["sum"] or 0))


def open_discrepancies() -> QuerySet[Discrepancy]:
    """Those that neither went away nor were explained, the newest first."""
    return Discrepancy.objects.filter(gone_at=None, explained_at=None).select_related("organization")


def matched_until(*, organization: Organization) -> date | None:
    """The last UTC day up to which our ledger and the processor's are known to agree on the organization's money."""
    days = Reconciliation.objects.order_by("-day")
    first = open_discrepancies().filter(organization=organization).order_by("day").first()
    return (days.filter(day__lt=first.day) if first else days).values_list("day", flat=True).first()


def _processor(names: Iterable[str]) -> Mapping[str, int]:
    rows = Movement.objects.filter(source__in=list(names)).values("source").annotate(cents=Sum("amount_cents"))
    return {row["source"]: row["cents"] for row in rows}


def _ledger(keys: Iterable[str]) -> Mapping[str, int]:
    """Cents by key. What comes in is negative in our clearing account, and positive at the processor."""
    entries = Entry.objects.filter(account__kind=AccountKind.CLEARING, posting__key__in=list(keys))
    sums = entries.values_list("posting__key").annotate(micros=Sum("amount_micros"))
    return {key: -micros // MICROS_PER_CENT for key, micros in sums}


def _waiting(keys: Iterable[str]) -> set[str]:
    ids = [key.partition(":")[2] for key in keys]
    waiting = Refund.objects.filter(public_id__in=ids, state=RefundState.PENDING)
    return {f"refund:{public_id}" for public_id in waiting.values_list("public_id", flat=True)}
