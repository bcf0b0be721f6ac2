"""May an agreed lease be moved to another window or offer, why not, and are nodes free for it there?"""

from datetime import datetime, timedelta

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Organization
from leasing.models import Claim, Lease
from leasing.queries.extension import LEASE
from leasing.states import LeaseState
from marketplace.models import NodeCalendar, Pool, Site
from marketplace.queries import Refusal, Window, free_nodes, is_held, most_together, tightest_fabric_group
from marketplace.states import IN_STOCK

FREE = 100  # per cent given back


def why_not_moved(lease: Lease, *, now: datetime) -> Refusal | None:
    """Why it cannot be moved now, wherever to; None if it can. It can for as long as cancelling it costs nothing."""
    if lease.ends_at is None or lease.state != LeaseState.SCHEDULED or lease.starts_at <= now:
        return Refusal(LEASE, "Only an agreed lease that has not begun can be moved. Extend it, or order another one.")
    ahead = (lease.starts_at - now) // timedelta(seconds=1)
    if lease.terms.cancel_refund_percent(ahead) < FREE:
        return Refusal(LEASE, "Its start is too near to move it: cancelling it would cost something by now.")
    return None


def could_move(*, organization: Organization, site: Site, nodes: int, window: Window, now: datetime) -> bool:
    """Whether the organization can move an agreed lease of as many nodes that is at the site within the window."""
    wanted = DateTimeTZRange(window.starts_at, window.ends_at)
    there = Claim.objects.filter(lease=OuterRef("pk"), released_at=None, period__overlap=wanted, node__pool__site=site)
    agreed = Lease.objects.filter(Exists(there), organization=organization, node_count=nodes).select_related("terms")
    return any(why_not_moved(lease, now=now) is None for lease in agreed.filter(state=LeaseState.SCHEDULED))


def nodes_for(lease: Lease, *, pool: Pool, period: Window, quote: str, now: datetime) -> int:
    """How many nodes of the pool the lease could have for the period; of one fabric group, if it was ordered so."""
    could = _could_have(lease, pool, period, quote, now)
    return most_together(could, same_fabric=lease.same_fabric)


def fabric_group_for(lease: Lease, *, pool: Pool, period: Window, quote: str, now: datetime) -> str | None:
    """
    The fabric group of the pool that has enough nodes for the lease: rather the one that it is in, then the one that
    is held for the quote, then the one with the fewest; None where none has.
    """
    could = _could_have(lease, pool, period, quote, now)
    own = could.filter(pk__in=Claim.objects.filter(lease=lease, released_at=None).values("node"))
    held = could.filter(held_for=quote).exclude(held_for="")
    for first in (own, held):
        groups = first.values("node__fabric_group")
        if kept := tightest_fabric_group(could.filter(node__fabric_group__in=groups), nodes=lease.node_count):
            return kept
    return tightest_fabric_group(could, nodes=lease.node_count)


def _could_have(lease: Lease, pool: Pool, period: Window, quote: str, now: datetime) -> QuerySet[NodeCalendar]:
    """
    Calendars of the pool's nodes that are free for the period, cleaning included, or held for the quote, and those of
    the lease's own that nobody else wants then.
    """
    wanted = DateTimeTZRange(period.starts_at, period.ends_at)
    live = Claim.objects.filter(node=OuterRef("pk"), released_at=None)
    others = live.filter(period__overlap=wanted).exclude(lease=lease)
    own = NodeCalendar.objects.filter(Exists(live.filter(lease=lease)), ~Exists(others))
    own = own.filter(node__cordoned_at=None, node__state__in=IN_STOCK)
    own = own.exclude(Q(is_held(now=now, quote=quote)) & Q(held__overlap=wanted))
    free = free_nodes(window=period, now=now, quote=quote)
    return free.filter(pool=pool) | own.filter(pool=pool)
