"""
Credits for promises that were not kept: written from what happened, without anybody asking for them. As with usage,
each posting is what is owed by all that is known less what was credited before, so running it twice or late changes
nothing; what becomes known later is one more posting.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet

from accounts.operations import Words, record
from billing import operations
from billing.models import AccountKind, Meter, PostingKind, Promise, RuleCredit
from billing.queries.meters import LAG, NOT_BEGUN, read, readable
from billing.queries.promises import Owed, month_end, owed, rule_credits
from leasing.models import Lease, Outage, Transition
from leasing.states import POWER, LeaseState
from marketplace.money import format_micros

ACTOR = "system:billing"
LATEST = timedelta(days=35)  # how long after an outage was written down a sweep still finds it
HOUR = timedelta(hours=1)
WHAT = {
    Promise.OUTAGE: "an outage",
    Promise.LATE_START: "a late start",
    Promise.SHORT_NOTICE: "a pause that was announced too late",
}


def due(*, now: datetime) -> QuerySet[Lease]:
    """Leases that have begun and were never looked at, met a cap, or have news: an outage that ended, or a pause."""
    new = Meter.objects.filter(promises_seen_at=None).exclude(lease__state__in=NOT_BEGUN).values("lease")
    capped = Meter.objects.filter(promises_due_at__lte=now).values("lease")
    seen = F("machine__lease__meter__promises_seen_at")
    ended = Outage.objects.filter(recorded_at__gt=now - LATEST, ended_at__isnull=False, recorded_at__gte=seen)
    seen = F("lease__meter__promises_seen_at")
    pauses = Transition.objects.filter(
        lease__terms__notice_seconds__gt=0, new=LeaseState.PAUSED, reason=POWER, at__gte=seen
    )
    found = (
        Q(pk__in=new) | Q(pk__in=capped) | Q(pk__in=ended.values("machine__lease")) | Q(pk__in=pauses.values("lease"))
    )
    return Lease.objects.filter(found).select_related("organization").order_by("pk")


@transaction.atomic
def credit(*, lease: Lease, now: datetime) -> int:
    """Credit what a lease is owed by all that is known, less what was credited. Returns the micro-dollars moved."""
    operations.lock_wallet(organization=lease.organization)
    meter = readable().select_related("lease__terms").get(lease=lease)
    facts, before = owed(meter, at=now), _credited(meter.lease)
    moved = sum(_settle(fact, meter.lease, before.pop(fact.fact, []), now) for fact in facts)
    moved += sum(_take_back(rows, meter.lease, now) for rows in before.values())
    again = _again(facts, over=read(meter, at=now).over, now=now)
    Meter.objects.filter(pk=meter.pk).update(promises_seen_at=now - LAG, promises_due_at=again)
    return moved


def _credited(lease: Lease) -> dict[tuple[int | None, int | None], list[RuleCredit]]:
    found: dict[tuple[int | None, int | None], list[RuleCredit]] = {}
    for row in rule_credits(lease):
        found.setdefault(row.fact, []).append(row)
    return found


def _again(facts: list[Owed], *, over: bool, now: datetime) -> datetime | None:
    """A cap grows with what the lease costs in its month: look again each hour until month or lease is over."""
    growing = any(fact.capped and now < month_end(fact.at) + LAG for fact in facts)
    return now.replace(minute=0, second=0, microsecond=0) + HOUR + LAG if growing and not over else None


def _settle(fact: Owed, lease: Lease, before: list[RuleCredit], now: datetime) -> int:
    micros = fact.micros - sum(row.micros for row in before)
    if micros:
        row = RuleCredit(
            lease=lease,
            rule=fact.rule,
            outage=fact.outage,
            transition=fact.transition,
            fact_at=fact.at,
            node_seconds=fact.node_seconds,
            micros=micros,
        )
        _post(row, len(before), now)
        if not before or micros < 0:
            _tell(row, first=not before, now=now)
    return micros


def _take_back(before: list[RuleCredit], lease: Lease, now: datetime) -> int:
    """The fact is none any more, by what is known now."""
    last = before[-1]
    gone = Owed(last.rule, last.fact_at, 0, 0, 0, last.outage, last.transition)
    return _settle(gone, lease, before, now)


def _post(row: RuleCredit, number: int, now: datetime) -> None:
    fact = row.outage.public_id if row.outage else f"transition:{row.transition_id}"
    kind = Promise(row.rule.kind)
    correction = "correction, " if number else ""
    row.posting = operations.post(
        organization=row.lease.organization,
        kind=PostingKind.PROMISE_CREDIT,
        key=f"promise:{fact}:{number}",
        at=now,
        amounts={AccountKind.REVENUE: -row.micros, AccountKind.WALLET: row.micros},
        lease=row.lease,
        memo=f"{row.lease.name}: {correction}{WHAT[kind]} of {row.node_seconds:,} node-seconds, rule {row.rule_id}"[
            :200
        ],
    )
    row.save()


def _tell(row: RuleCredit, *, first: bool, now: datetime) -> None:
    record(
        organization=row.lease.organization,
        kind="lease.credited",
        subject=row.lease.public_id,
        actor=ACTOR,
        at=now,
        data={"name": row.lease.name, "micros": row.micros, "rule": row.rule_id, **_fact_data(row)},
        notice=_notice(row, first=first),
    )


def _fact_data(row: RuleCredit) -> Mapping[str, object]:
    return {"promise": row.rule.kind, "at": row.fact_at, "node_seconds": row.node_seconds}


def _notice(row: RuleCredit, *, first: bool) -> Words:
    amount, what = format_micros(abs(row.micros)), WHAT[Promise(row.rule.kind)]
    said = f"of {row.fact_at:%Y-%m-%d %H:%M:%S} UTC"
    by_rule = f"By the promise that held when you ordered, {row.rule.percent} % of the price of that time is credited"
    title, text = f"{row.lease.name}: {amount} credited for {what}", f"{by_rule} for {what} {said}: {amount}."
    if not first:
        title = f"{row.lease.name}: a credit was corrected by -{amount}"
        text = f"More is known by now of {what} {said}, which takes {amount} off what was credited for it."
    return {"title": title, "text": f"{text} The receipt shows it.", "path": f"/leases/{row.lease.public_id}/receipt/"}
