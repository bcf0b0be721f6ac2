"""How many nodes an organization has at one moment."""

from datetime import datetime

from django.db.models import Q

from accounts.models import Organization
from leasing.models import Lease
from leasing.states import LEASE_OVER, LeaseState
from marketplace.models import Plan


def most_nodes_at_once(
    *,
    organization: Organization,
    plan: Plan,
    starts_at: datetime,
    ends_at: datetime | None,
    beside: Lease | None = None,
) -> int:
    """
    The most nodes that the organization's leases on a plan have at any one moment of a window, open-ended or not; with
    `beside` its other leases.

    By what was agreed: a node that is cleaned after a lease counts for nobody.
    """
    live = Lease.objects.filter(organization=organization, offer__plan=plan)
    live = live.exclude(state__in=(*LEASE_OVER, LeaseState.RECLAIMING))
    live = live.exclude(pk=beside.pk) if beside else live
    overlapping = live.filter(Q(ends_at=None) | Q(ends_at__gt=starts_at))
    if ends_at is not None:
        overlapping = overlapping.filter(starts_at__lt=ends_at)
    rows = list(overlapping.values_list("starts_at", "ends_at", "node_count"))
    # The number only grows where a lease begins, so the most is reached at one of the beginnings.
    moments = {max(begin, starts_at) for begin, _, _ in rows}
    return max((sum(nodes for begin, end, nodes in rows if _at(m, begin, end)) for m in moments), default=0)


def _at(moment: datetime, begin: datetime, end: datetime | None) -> bool:
    return begin <= moment and (end is None or moment < end)
