"""How many nodes an organization has at one moment."""

from collections import Counter
from datetime import UTC, datetime
from itertools import accumulate

from django.db.models import BigIntegerField, DateTimeField, Q

from accounts.models import Given, Organization, Statement
from leasing.models import Lease
from leasing.states import LEASE_UNCOUNTED
from marketplace.models import Plan

NEVER = datetime(9999, 1, 1, tzinfo=UTC)  # when what has no end ends
NOBODY = 0  # no lease has this key


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
    window = {"starts_at": starts_at, "ends_at": ends_at or NEVER}
    rows = TOUCHING.rows(organization=organization.pk, plan=plan.pk, beside=beside.pk if beside else NOBODY, **window)
    changes: Counter[datetime] = Counter()
    for row in rows:
        changes[max(row.starts_at, starts_at)] += row.node_count
        changes[row.ends_at or NEVER] -= row.node_count
    return max(accumulate(nodes for _, nodes in sorted(changes.items())), default=0)


TOUCHING = Statement(
    lambda: (
        Lease.objects.filter(
            Q(ends_at=None) | Q(ends_at__gt=Given("starts_at", DateTimeField())),
            organization=Given("organization", BigIntegerField()),
            offer__plan=Given("plan", BigIntegerField()),
            starts_at__lt=Given("ends_at", DateTimeField()),
        )
        .exclude(state__in=sorted(LEASE_UNCOUNTED))
        .exclude(pk=Given("beside", BigIntegerField()))
        .only("starts_at", "ends_at", "node_count")
    )
)
