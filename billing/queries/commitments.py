"""
What an organization has committed itself to, month by month: charged or used, agreed windows to come, and what
open-ended leases will have used before somebody looks again. Budgets are kept on these figures.

Each month's node-seconds become money once. For a lease that began in an earlier month a fraction of a micro-dollar
counts whole, since what `price` left off there may fall due here: so a commitment can shrink while a window runs, but
never grow.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import BigIntegerField, DateTimeField, prefetch_related_objects

from accounts.models import Given, Organization, Statement
from accounts.prepared import ask
from billing.models import HandBack, Meter
from billing.queries.meters import SECOND, Reading, open_meters, read
from billing.queries.months import month_of, months_between, next_month, start_of
from billing.queries.prices import Price, prices_of
from leasing.states import LeaseState
from marketplace.money import SECONDS_PER_HOUR, price, price_of

# A lease that runs open-ended is committed for so long ahead: a sweep that is late by less still stops it in time.
REACH = timedelta(minutes=5)
# One that is being started or resumed may begin its kept hour so much later, in the next month too.
STARTING = timedelta(hours=1)

# From here on a lease costs the same to look at however long it ran.
_SETTLED = """
        SELECT lease.project, used.month, used.micros, lease.id AS lease_id
          FROM billing_monthuse AS used
          JOIN billing_meter AS meter ON meter.lease_id = used.lease_id AND meter.closed_at IS NOT NULL
          JOIN leasing_lease AS lease ON lease.id = used.lease_id
         WHERE used.organization_id = %s AND used.month >= %s
         UNION ALL
        SELECT lease.project, date_trunc('month', posting.at, 'UTC')::date, -entry.amount_micros, lease.id
          FROM billing_posting AS posting
          JOIN leasing_lease AS lease ON lease.id = posting.lease_id
          JOIN billing_entry AS entry ON entry.posting_id = posting.id
          JOIN billing_ledgeraccount AS account ON account.id = entry.account_id AND account.kind = 'wallet'
         WHERE posting.organization_id = %s AND posting.kind = 'resale_credit' AND posting.at >= %s
"""
# By tag and month; and of one month by lease.
SETTLED = f"""
SELECT project, month, sum(micros)::bigint FROM ({_SETTLED}) AS settled
 GROUP BY project, month ORDER BY project, month
"""  # noqa: S608  our own words
SETTLED_BY_LEASE = f"""
SELECT lease_id, sum(micros)::bigint FROM ({_SETTLED}) AS settled WHERE month = %s GROUP BY lease_id
"""  # noqa: S608  our own words

NodeSeconds = dict[date, Counter[int]]
"""Node-seconds by month and by their price, micro-dollars per node-hour."""


@dataclass(frozen=True)
class Commitment:
    """One lease, or all that are over together: micro-dollars by month, of which `used` cannot be stopped any more."""

    project: str
    by_month: Counter[date]
    used: Counter[date]
    meter: Meter | None = None
    burn_micros_per_hour: int = 0  # of a lease that runs open-ended

    def ahead(self, month: date) -> int:
        """Of a month's, what is not used yet."""
        return self.by_month[month] - self.used[month]

    @property
    def stoppable(self) -> bool:
        """Whether it grows until somebody stops it."""
        return self.burn_micros_per_hour > 0

    @property
    def open_ended(self) -> bool:
        """Whether it is a lease without an end that is not settled yet, running or not."""
        return self.meter is not None and self.meter.lease.ends_at is None


@dataclass(frozen=True)
class Commitments:
    """All commitments of an organization."""

    all: tuple[Commitment, ...]

    def under(self, project: str) -> list[Commitment]:
        """Those with a tag; all of them for ""."""
        return [one for one in self.all if project in ("", one.project)]

    def total(self, project: str, month: date) -> int:
        """Micro-dollars committed in a month under a tag, or in all."""
        return sum(one.by_month[month] for one in self.under(project))

    def burn(self, project: str) -> int:
        """Micro-dollars an hour of what runs open-ended."""
        return sum(one.burn_micros_per_hour for one in self.under(project))


def commitments(*, organization: Organization, now: datetime, since: date | None = None) -> Commitments:
    """As of `now`, from the month `since` on (this one). Read them under the wallet's lock before promising any."""
    first = since or month_of(now)
    meters = open_meters(organization)
    settled, fees = _settled(organization, first), _fees(organization, first)
    return Commitments((*settled, *fees, *(of_meter(meter, now=now, since=first) for meter in meters)))


def committed_by_lease(*, organization: Organization, month: date, now: datetime) -> Counter[int]:
    """Micro-dollars committed in a month, by the keys of the leases: together what `commitments` say of it."""
    found = Counter[int]()
    for meter in open_meters(organization):
        found[meter.lease_id] += of_meter(meter, now=now, since=month).by_month[month]
    for row in FEES.rows(organization=organization.pk, since=start_of(month)):
        found[row.change.lease_id] += _shares(row)[month]
    for lease, micros in ask(SETTLED_BY_LEASE, [organization.pk, month, organization.pk, start_of(month), month]):
        found[lease] += micros
    return found


def split(
    *, micros_per_node_hour: int, nodes: int, starts_at: datetime, ends_at: datetime | None, now: datetime
) -> Counter[date]:
    """What an order commits to in each month: its part of the window, or the first hour of a lease without an end."""
    if ends_at is None:
        hour = price(micros_per_node_hour=micros_per_node_hour, seconds=SECONDS_PER_HOUR, nodes=nodes)
        return Counter({month_of(now): hour, month_of(now + STARTING): hour})
    prices = [Price(starts_at, micros_per_node_hour)]
    return _money(_agreed(prices, nodes, starts_at, ends_at), since=starts_at)


def of_meter(meter: Meter, *, now: datetime, since: date | None = None) -> Commitment:
    """One lease that still has a claim on the wallet."""
    lease, reading, first = meter.lease, read(meter, at=now), since or month_of(now)
    used, begun = _used(meter, first, now), _begun(reading)
    spent = _money(used, since=begun)
    if reading.over:
        return Commitment(lease.project, spent, spent, meter)
    if lease.ends_at is not None:
        to_come = _agreed(prices_of(meter), meter.nodes, max(now, lease.starts_at), lease.ends_at)
        whole = {month: used.get(month, Counter()) + to_come.get(month, Counter()) for month in used | to_come}
        return Commitment(lease.project, _money(whole, since=lease.starts_at), spent, meter)
    runs = lease.state == LeaseState.ACTIVE
    ahead = _money(_used(meter, first, now + REACH), since=begun) if runs else spent
    held = read(meter, at=now + REACH).held_micros if runs else reading.held_micros
    for month in {month_of(now), month_of(now + (REACH if runs else STARTING))}:
        ahead = ahead + Counter({month: held})
    return Commitment(lease.project, ahead, spent, meter, reading.micros_per_hour if runs else 0)


def of_lease(meter: Meter, *, now: datetime) -> Counter[date]:
    """Micro-dollars of one lease from this month on, over or not, with the fees for time of it that was handed back."""
    first = month_of(now)
    found = Counter(of_meter(meter, now=now).by_month)
    for row in FEES.rows(organization=meter.lease.organization_id, since=start_of(first)):
        if row.change.lease_id == meter.lease_id:
            found.update({month: micros for month, micros in _shares(row).items() if month >= first})
    return found


def _settled(organization: Organization, first: date) -> Iterator[Commitment]:
    """
    What leases that are over and settled were charged, less the credits for what others used of time that was handed
    back: tag by tag and month by month.
    """
    for project, month, micros in ask(SETTLED, [organization.pk, first, organization.pk, start_of(first)]):
        yield _spent(project, Counter({month: micros}))


def _fees(organization: Organization, first: date) -> Iterator[Commitment]:
    """
    Fees for agreed time that was handed back, each counted in the months of that time, not in the one of the day: there
    its price was committed, which is never less. So handing back never raises what any month is committed to.
    """
    rows = FEES.rows(organization=organization.pk, since=start_of(first))
    prefetch_related_objects(rows, "change__lease__meter__prices")
    for row in rows:
        yield _spent(row.change.lease.project, _shares(row))


FEES = Statement(
    lambda: HandBack.objects.select_related("change__lease__meter", "change__lease__organization").filter(
        change__lease__organization=Given("organization", BigIntegerField()),
        change__old_ends_at__gt=Given("since", DateTimeField()),
        fee_micros__gt=0,
    )
)


def _shares(row: HandBack) -> Counter[date]:
    """A fee by month, as the price of the time that was handed back lies in them. They sum to the fee."""
    change = row.change
    meter = change.lease.meter
    prices = prices_of(meter, agreed_by=change.at)
    agreed = _agreed(prices, meter.nodes, change.new_ends_at, change.old_ends_at)
    weights = {month: sum(rate * seconds for rate, seconds in agreed[month].items()) for month in sorted(agreed)}
    found, passed = Counter[date](), 0
    for month, weight in weights.items():
        passed += weight
        found[month] = row.fee_micros * passed // sum(weights.values()) - found.total()
    return found


def _spent(project: str, by_month: Counter[date]) -> Commitment:
    """What cannot be stopped any more."""
    return Commitment(project, by_month, by_month)


def _used(meter: Meter, first: date, upto: datetime) -> NodeSeconds:
    """What is charged, from the month `first` on and before `upto`."""
    found = {}
    for month in months_between(start_of(first), upto):
        found[month] = _billed(meter, min(start_of(next_month(month)), upto)) - _billed(meter, start_of(month))
    return found


def _billed(meter: Meter, upto: datetime) -> Counter[int]:
    found = Counter[int]()
    for part in read(meter, at=upto).parts:
        micros_per_node_hour, node_seconds = part.billed(part.losses)
        found[micros_per_node_hour] += node_seconds
    return found


def _begun(reading: Reading) -> datetime | None:
    return reading.spans[0].since if reading.spans else None


def _agreed(prices: Sequence[Price], nodes: int, begin: datetime, end: datetime) -> NodeSeconds:
    """An agreed time, whole."""
    found: NodeSeconds = {month: Counter() for month in months_between(begin, end)}
    borders = [later.since for later in prices[1:]]
    for agreed, since, until in zip(prices, [begin, *borders], [*borders, end], strict=True):
        for month in months_between(max(begin, since), min(end, until)):
            seconds = _seconds_in(month, max(begin, since), min(end, until))
            found[month][agreed.micros_per_node_hour] += nodes * seconds
    return found


def _seconds_in(month: date, begin: datetime, end: datetime) -> int:
    """Seconds of the time from `begin` to `end` that lie in the month, a begun one counted whole."""
    length = min(end, start_of(next_month(month))) - max(begin, start_of(month))
    return -(-length // SECOND)


def _money(node_seconds: NodeSeconds, *, since: datetime | None) -> Counter[date]:
    found = Counter[date]()
    for month, by_price in node_seconds.items():
        earlier = since is not None and since < start_of(month)
        fraction = sum(rate * seconds for rate, seconds in by_price.items()) % SECONDS_PER_HOUR > 0
        found[month] = price_of(by_price.items()) + (earlier and fraction)
    return found
