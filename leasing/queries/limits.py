"""How many nodes an organization has at one moment, and how many staff allow it."""

from dataclasses import dataclass
from datetime import datetime

from accounts.models import Organization
from accounts.prepared import ask
from leasing.models import Lease
from leasing.states import LEASE_UNCOUNTED
from marketplace.models import Plan

NOBODY = 0  # no lease has this key

# The states are part of the text, as in the index `lease_counted`, and all that is asked for is in that index.
_OVER = "', '".join(sorted(LEASE_UNCOUNTED))
COUNTED = f"state NOT IN ('{_OVER}')"
MOST = f"""
    WITH touching AS (
        SELECT greatest(lease.starts_at, %(starts_at)s) AS begins, lease.ends_at AS ends, lease.node_count AS nodes
          FROM leasing_lease AS lease
         WHERE lease.organization_id = %(organization)s AND lease.{COUNTED}
           AND %(plan)s = (SELECT plan_id FROM marketplace_offer WHERE id = lease.offer_id)
           AND lease.starts_at < coalesce(%(ends_at)s::timestamptz, 'infinity')
           AND coalesce(lease.ends_at, 'infinity') > %(starts_at)s AND lease.id <> %(beside)s)
    SELECT coalesce(max(moment.nodes), 0)::bigint,
           (SELECT nodes FROM leasing_nodelimit
             WHERE organization_id = %(organization)s AND (plan_id = %(plan)s OR plan_id IS NULL)
             ORDER BY plan_id NULLS LAST LIMIT 1)
      FROM (SELECT sum(sum(change.nodes)) OVER (ORDER BY change.at) AS nodes
              FROM (SELECT begins AS at, nodes FROM touching UNION ALL SELECT ends, -nodes FROM touching) AS change
             GROUP BY change.at) AS moment
"""  # noqa: S608  our own words


@dataclass(frozen=True)
class AtOnce:
    """The most nodes at any one moment, and what staff allow: None, where they say nothing."""

    nodes: int
    allowed: int | None


def nodes_at_once(
    *,
    organization: Organization,
    plan: Plan,
    starts_at: datetime,
    ends_at: datetime | None,
    beside: Lease | None = None,
) -> AtOnce:
    """
    The most nodes that the organization's leases on a plan have at any one moment of a window, open-ended or not; with
    `beside` its other leases.

    By what was agreed: a node that is cleaned after a lease counts for nobody.
    """
    given = {"organization": organization.pk, "plan": plan.pk, "beside": beside.pk if beside else NOBODY}
    [found] = ask(MOST, {**given, "starts_at": starts_at, "ends_at": ends_at})
    return AtOnce(*found)
