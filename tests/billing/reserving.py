"""Reserved leases for tests of what handing back costs and brings."""

from datetime import datetime

from accounts.clock import now
from accounts.models import Organization
from billing.models import HandBack
from leasing import schedule
from leasing.models import Lease
from marketplace.models import Offer, PlanKind
from tests import factories
from tests.billing.conftest import HOUR, NOON, a_quote, place
from tests.leasing.conftest import work_all

ACTOR = "user:us_tests"
START = NOON + HOUR
DOLLARS = 1_000_000
TERMS = {"return_refund_percent": 75, "resale_percent": 20, "cancel_refunds": [[0, 90], [86_400, 100]]}


def an_offer(nodes: int = 1, **terms: object) -> Offer:
    """$3.60 per node-hour by the hour; of time that is handed back 75 % come back, and 20 % more of what is resold."""
    plan = factories.a_plan(PlanKind.RESERVED, **{**TERMS, **terms})
    return factories.an_offer(factories.a_pool(nodes=nodes), plan)


def booked(
    organization: Organization,
    offer: Offer,
    *,
    begin: datetime = START,
    hours: int = 10,
    nodes: int = 1,
    at: datetime = NOON,
) -> Lease:
    """Ordered, as a rule at noon."""
    quote = a_quote(organization, offer, nodes=nodes, starts_at=begin, ends_at=begin + hours * HOUR, now=at)
    return place(quote, now=at)


def begun(
    organization: Organization, offer: Offer, *, begin: datetime = START, hours: int = 10, nodes: int = 1
) -> Lease:
    """In the customer's hands from its first second on."""
    lease = booked(organization, offer, begin=begin, hours=hours, nodes=nodes, at=begin - HOUR)
    start(lease, begin)
    return lease


def this_hour() -> datetime:
    """The full hour that the clock is in: pages and the API read it themselves."""
    return now().replace(minute=0, second=0, microsecond=0)


def start(lease: Lease, at: datetime) -> None:
    """Bring it to life, as the sweep and a worker do."""
    schedule.start_due(now=at)
    work_all(lease.offer, now=at)
    lease.refresh_from_db()


def settled(lease: Lease) -> HandBack:
    """What handing back cost."""
    return HandBack.objects.get(change__lease=lease)
