"""
What a lease is owed for promises that were not kept, by the rules that held when it was ordered. Derived, like its
charge, from rows that say what happened; so asking twice, later or with more known changes only what the facts changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from django.db.models import QuerySet, Sum

from billing.models import CreditRule, Meter, Promise, RuleCredit
from billing.queries.meters import SECOND, Reading, read
from billing.queries.months import month_of, next_month, start_of
from billing.queries.outages import Loss
from billing.queries.prices import price_at
from leasing.models import Lease, Outage, Transition
from leasing.states import POWER, LeaseState
from marketplace.money import price_of

Rules = Mapping[str, CreditRule]


@dataclass(frozen=True)
class Owed:
    """
    One fact and what is owed for it, micro-dollars: `full_micros` by the rule, `micros` of it within the month's cap.
    The fact is the outage, or the transition with which the lease began or was paused.
    """

    rule: CreditRule
    at: datetime
    node_seconds: int
    full_micros: int
    micros: int
    outage: Outage | None = None
    transition: Transition | None = None

    @property
    def fact(self) -> tuple[int | None, int | None]:
        """As `RuleCredit.fact`."""
        return (self.outage.pk if self.outage else None), (self.transition.pk if self.transition else None)

    @property
    def capped(self) -> bool:
        """Whether the month's cap left something off."""
        return self.micros < self.full_micros


def rules_at(moment: datetime) -> Rules:
    """The rules in force at a moment, by kind: those of a lease that is ordered then."""
    begun = CreditRule.objects.filter(starts_at__lte=moment)
    return {rule.kind: rule for rule in begun.order_by("kind", "-starts_at").distinct("kind")}


def announced_rules(moment: datetime) -> QuerySet[CreditRule]:
    """The rules that will hold later, soonest first."""
    return CreditRule.objects.filter(starts_at__gt=moment, announced_at__lte=moment).order_by("starts_at")


def owed(meter: Meter, *, at: datetime) -> list[Owed]:
    """All that is owed to a lease by what is known, oldest fact first; `meter` as `meters.readable` reads it."""
    reading, rules = read(meter, at=at), rules_at(meter.lease.created_at)
    facts = [*_outages(reading, rules), *_late_start(reading, rules), *_short_notices(reading, rules)]
    return list(_within_caps(sorted(facts, key=lambda fact: (fact.at, fact.fact[0] or 0)), meter, at))


def rule_credits(lease: Lease) -> QuerySet[RuleCredit]:
    """What was credited so far, with all that is shown of it, oldest first."""
    related = ("rule", "posting", "outage__machine__node", "transition", "lease")
    return RuleCredit.objects.filter(lease=lease).select_related(*related).order_by("pk")


def promise_micros(lease: Lease) -> int:
    """What was credited so far, micro-dollars."""
    return RuleCredit.objects.filter(lease=lease).aggregate(micros=Sum("micros"))["micros"] or 0


def month_end(moment: datetime) -> datetime:
    """When the UTC month of a moment ends."""
    return start_of(next_month(month_of(moment)))


def _within_caps(facts: Sequence[Owed], meter: Meter, at: datetime) -> Iterator[Owed]:
    """Each fact with what the cap of its UTC month leaves for it after those before it."""
    bills, given = dict[date, int](), dict[date, int]()
    for fact in facts:
        month = month_of(fact.at)
        if month not in bills:
            bills[month] = _bill(meter, month, at)
        most = bills[month] * fact.rule.most_percent // 100 - given.get(month, 0)
        micros = min(fact.full_micros, max(0, most))
        given[month] = given.get(month, 0) + micros
        yield replace(fact, micros=micros)


def _bill(meter: Meter, month: date, at: datetime) -> int:
    """What the lease's use in a UTC month costs, up to `at`."""
    begin, end = start_of(month), start_of(next_month(month))
    return read(meter, at=min(end, at)).due_micros - read(meter, at=min(begin, at)).due_micros


def _outages(reading: Reading, rules: Rules) -> Iterator[Owed]:
    """Outages that are over. One that passed on from machine to machine is as long as all of its parts together."""
    rule = rules.get(Promise.OUTAGE)
    if rule is None:
        return
    for run in _runs(reading.losses):
        whole = sum((loss.length for loss in run), timedelta())
        for loss in run if whole >= timedelta(seconds=rule.from_seconds) else ():
            if loss.outage.ended_at and loss.outage.ended_at <= reading.at:
                yield _fact(reading, rule, loss.outage.began_at, loss.length // SECOND, outage=loss.outage)


def _runs(losses: Sequence[Loss]) -> list[list[Loss]]:
    """Losses of one place in the lease that follow one another without a gap."""
    runs = list[list[Loss]]()
    for loss in sorted(losses, key=lambda loss: (loss.machine.number, loss.outage.began_at, loss.outage.pk)):
        last = runs[-1][-1] if runs else None
        joined = last and last.machine.number == loss.machine.number and last.outage.ended_at
        if joined and loss.outage.began_at <= joined:
            runs[-1].append(loss)
        else:
            runs.append([loss])
    return runs


def _late_start(reading: Reading, rules: Rules) -> Iterator[Owed]:
    """From the agreed start, or the agreement if that came later, until the meter began."""
    rule, changes = rules.get(Promise.LATE_START), _transitions(reading)
    began = next((change for change in changes if change.new == LeaseState.ACTIVE), None)
    agreed = next((change.at for change in changes if change.new == LeaseState.SCHEDULED), None)
    if rule and began and agreed:
        late = (began.at - max(agreed, reading.meter.lease.starts_at)) // SECOND
        if late >= max(1, rule.from_seconds):
            yield _fact(reading, rule, began.at, late * reading.meter.nodes, transition=began)


def _short_notices(reading: Reading, rules: Rules) -> Iterator[Owed]:
    """Pauses for want of power before the announced time, by as much: the tenant was ready. Others are refused."""
    rule, lease = rules.get(Promise.SHORT_NOTICE), reading.meter.lease
    pauses = [c for c in _transitions(reading) if c.new == LeaseState.PAUSED and c.reason == POWER]
    if rule is None or not pauses:
        return
    announced = dict(lease.interruptions.exclude(paused_at=None).values_list("paused_at", "short_seconds"))
    for pause in pauses:
        short = announced.get(pause.at, 0)
        if short >= max(1, rule.from_seconds):
            yield _fact(reading, rule, pause.at, short * reading.meter.nodes, transition=pause)


def _fact(
    reading: Reading,
    rule: CreditRule,
    at: datetime,
    node_seconds: int,
    *,
    outage: Outage | None = None,
    transition: Transition | None = None,
) -> Owed:
    rate = price_at([part.price for part in reading.parts], at)
    full = price_of([(rate, node_seconds)]) * rule.percent // 100
    return Owed(rule, at, node_seconds, full, full, outage, transition)


def _transitions(reading: Reading) -> list[Transition]:
    return sorted(reading.meter.lease.transitions.all(), key=lambda change: change.seq)
