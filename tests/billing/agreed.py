"""Leases that are agreed from 13:00 to 15:00, for tests of extending and moving them."""

from datetime import datetime
from typing import Any

from accounts.models import Organization
from billing import extending
from leasing import schedule
from leasing.models import Lease
from marketplace.models import Offer, Rate
from tests.billing.conftest import HOUR, NOON, SECOND, a_quote, funded, place
from tests.leasing.conftest import work_all

ACTOR = "user:us_tests"
START, END = NOON + HOUR, NOON + 3 * HOUR


def scheduled(organization: Organization, offer: Offer, *, nodes: int = 1, **window: datetime) -> Lease:
    """An agreed lease from 13:00 to 15:00."""
    return place(a_quote(organization, offer, nodes=nodes, **{"starts_at": START, "ends_at": END, **window}))


def active(organization: Organization, offer: Offer, *, nodes: int = 1) -> Lease:
    """In the customer's hands from 13:00 on, agreed until 15:00."""
    lease = scheduled(organization, offer, nodes=nodes)
    schedule.start_due(now=START)
    work_all(offer, now=START)
    lease.refresh_from_db()
    return lease


def extend(lease: Lease, ends_at: datetime, *, now: datetime = START, **ceiling: int) -> Lease:
    extending.extend(lease=lease, ends_at=ends_at, actor=ACTOR, now=now, **ceiling)
    lease.refresh_from_db()
    return lease


def costs_from_now_on(offer: Offer, micros: int, **whose: Any) -> None:
    Rate.objects.create(offer=offer, micros_per_node_hour=micros, starts_at=NOON + SECOND, **whose)


def behind(offer: Offer, starts_at: datetime, *, nodes: int = 1) -> Lease:
    """Somebody else books."""
    return scheduled(funded(1000, "Behind Ltd"), offer, nodes=nodes, starts_at=starts_at, ends_at=starts_at + HOUR)
