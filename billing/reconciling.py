"""
Compares our ledger with the card processor's own account of the money, every day and to the cent. A difference is a
row, told to staff, and open until both agree or a person has explained it. The processor's fees are posted on the way.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from operator import attrgetter

from django.db import transaction
from django.db.models import Exists, OuterRef, Value
from django.db.models.functions import Concat

from accounts.models import Organization, User
from accounts.operations import record
from billing import operations, sweeping
from billing.models import AccountKind, Discrepancy, GatewayCall, Movement, Posting, PostingKind, Reconciliation
from billing.payments import balance
from billing.payments.base import Gateway
from billing.queries import reconciled
from billing.queries.months import start_of
from billing.queries.reconciled import Compared
from marketplace.money import MICROS_PER_CENT, format_cents

DAY = timedelta(days=1)
AFTER_MIDNIGHT = timedelta(hours=1)  # until then a day's last movements may still be on their way
LATE = timedelta(days=40)  # behind a day that was compared: by then one knows whose its payments are, or has explained
OVERLAP = timedelta(days=1)  # so far back the processor's account is read again
ACTOR = "system:billing"


class NotOpen(Exception):
    """The difference was explained before, or has gone away by itself."""


def reconcile(*, gateway: Gateway, now: datetime) -> Mapping[str, Exception]:
    """
    Read what has moved, post its fees, and compare each day that is over. Returns what went wrong, by fee; none stops
    the rest. Calls the processor: never in a transaction.

    :raises GatewayUnavailable: if the processor does not answer; what was read is kept
    """
    read(gateway=gateway, now=now)
    failures = post_fees(now=now)
    recheck(now=now)
    for day in due(now=now):
        compare(day=day, now=now)
    return failures


def read(*, gateway: Gateway, now: datetime) -> None:
    """Keep the processor's movements, each once; but payouts to our bank, which are of no customer."""
    last = Movement.objects.order_by("-at").values_list("at", flat=True).first()
    first = GatewayCall.objects.order_by("created_at").values_list("created_at", flat=True).first()
    since = int(((last or first or now) - OVERLAP).timestamp())
    found = [balance.read(facts) for facts in gateway.each(balance.PATH, created={"gte": since})]
    rows = [Movement(**vars(moved)) for moved in reversed(found) if not moved.kind.startswith("payout")]
    Movement.objects.bulk_create(rows, ignore_conflicts=True, batch_size=1000)


def post_fees(*, now: datetime) -> Mapping[str, Exception]:
    """
    Post what the processor kept of each customer's money, once for each movement: it is ours to bear. Returns what went
    wrong, by movement; none stops the rest.
    """
    posted = Posting.objects.filter(key=Concat(Value("fee:"), OuterRef("reference")))
    last = Reconciliation.objects.order_by("-day").values_list("day", flat=True).first()
    new = Movement.objects.filter(at__gt=start_of(last) - LATE) if last else Movement.objects.all()
    rows = list(new.exclude(fee_cents=0).filter(~Exists(posted)).order_by("pk"))
    owners = reconciled.owners(sources=[row.source for row in rows])
    sweep = sweeping.Sweep(now=now, seconds=sweeping.LONG_SECONDS)
    owned = (row for row in rows if row.source in owners)
    sweep.each(owned, lambda row: _post_fee(row, owners[row.source].organization_id, now), name=attrgetter("reference"))
    return sweep.failures


def _post_fee(row: Movement, organization_id: int, now: datetime) -> None:
    micros = row.fee_cents * MICROS_PER_CENT
    operations.post(
        organization=Organization.objects.get(pk=organization_id),
        kind=PostingKind.PROCESSOR_FEE,
        key=f"fee:{row.reference}",
        at=now,
        amounts={AccountKind.CLEARING: micros, AccountKind.FEES: -micros},
        memo="Fee of the card processor",
    )


def due(*, now: datetime) -> list[date]:
    """The UTC days that are over and were not compared yet, the oldest first."""
    last = Reconciliation.objects.order_by("-day").values_list("day", flat=True).first()
    first = Movement.objects.order_by("at").values_list("at", flat=True).first()
    if last is None and first is None:
        return []
    day, days = last + DAY if last else first.date(), list[date]()  # type: ignore[union-attr]
    while start_of(day + DAY) + AFTER_MIDNIGHT <= now:
        days.append(day)
        day += DAY
    return days


@transaction.atomic
def compare(*, day: date, now: datetime) -> list[Discrepancy]:
    """Compare all that moved on a UTC day, once. Returns what differs."""
    sources, keys = reconciled.touched(day=day)
    found = reconciled.compared(sources=sources, keys=keys)
    done = Reconciliation(
        day=day,
        objects_compared=len(found),
        processor_cents=sum(one.processor_cents for one in found),
        ledger_cents=sum(one.ledger_cents for one in found),
        fees_cents=reconciled.fees_cents(day=day),
        at=now,
    )
    if Reconciliation.objects.filter(day=day).exists():
        return []
    done.save()
    return [_found(one, day, now) for one in _news(one for one in found if one.differs)]


@transaction.atomic
def recheck(*, now: datetime) -> None:
    """Close differences that have gone away, such as one whose message came late."""
    for row in reconciled.open_discrepancies().select_for_update(of=("self",)):
        posting = Posting.objects.filter(key=row.source).exists()
        again = reconciled.compared(sources=() if posting else (row.source,), keys=(row.source,) if posting else ())
        if not any(one.differs for one in again):
            Discrepancy.objects.filter(pk=row.pk).update(gone_at=now)


@transaction.atomic
def explain(*, discrepancy: Discrepancy, user: User, reason: str, now: datetime) -> Discrepancy:
    """
    Close a difference with the reason of a person who found out.

    :raises NotOpen: if there is nothing to explain any more
    """
    row = Discrepancy.objects.select_for_update().get(pk=discrepancy.pk)
    if row.gone_at or row.explained_at:
        raise NotOpen("This difference is closed already.")
    row.explained_at, row.explained_by, row.reason = now, user, reason
    row.save(update_fields=["explained_at", "explained_by", "reason"])
    record(
        organization=None,
        kind="ledger.discrepancy_explained",
        subject=row.public_id,
        actor=user.actor,
        at=now,
        data={"source": row.source, "reason": reason},
    )
    return row


def _news(differing: Iterable[Compared]) -> list[Compared]:
    """Without those that are open, and those that a person has explained as they are."""
    known = set(reconciled.open_discrepancies().values_list("source", flat=True))
    explained = set(
        Discrepancy.objects.exclude(explained_at=None).values_list("source", "processor_cents", "ledger_cents")
    )
    rows = [one for one in differing if one.source not in known]
    return [one for one in rows if (one.source, one.processor_cents, one.ledger_cents) not in explained]


def _found(one: Compared, day: date, now: datetime) -> Discrepancy:
    made = Discrepancy.objects.create(
        day=day,
        source=one.source,
        organization_id=one.organization_id,
        processor_cents=one.processor_cents,
        ledger_cents=one.ledger_cents,
        found_at=now,
    )
    there, here = (format_cents(cents) for cents in (one.processor_cents, one.ledger_cents))
    record(
        organization=None,
        kind="ledger.discrepancy",
        subject=made.public_id,
        actor=ACTOR,
        at=now,
        data={"source": one.source, "processor_cents": one.processor_cents, "ledger_cents": one.ledger_cents},
        notice={
            "title": f"Our ledger and the card processor differ on {day:%d %B %Y}",
            "text": f"{one.source} moved {there} at the processor and {here} in our ledger. Find out which is right. "
            "This is told once; it closes by itself when both agree, or when you explain it.",
            "path": "/operations/reconciliation/",
        },
    )
    return made
