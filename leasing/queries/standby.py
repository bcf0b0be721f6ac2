"""Which nodes of a site nobody needs, and what all that no lease runs on draw."""

from datetime import datetime

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from leasing.models import Claim, Machine, Standby
from leasing.states import SERVING, SWITCHED, LeaseState, StandbyState
from marketplace.models import Node, NodeCalendar, NodeType, Site
from marketplace.queries import is_held
from marketplace.states import NodeState

WITHOUT_A_HOST = (NodeState.ENROLLED, NodeState.RETIRED)


def idle_nodes(*, site: Site, until: datetime, now: datetime) -> QuerySet[Node]:
    """Nodes on sale that nobody has from now until then and that can be switched off; those that draw most first."""
    rows = Node.objects.filter(_on_sale(), _free(until, now), pool__site=site).exclude(bmc_address="")
    return rows.select_related("pool__node_type", "pool__site").order_by("-pool__node_type__power_w", "pk")


def why_not_idle(node: Node, *, until: datetime, now: datetime) -> str:
    """Why a node, whose calendar is locked, cannot be switched off until then; "" if it can."""
    if not node.bmc_address:
        return "it has no management controller that could switch it off and on."
    if not Node.objects.filter(_on_sale(), pk=node.pk).exists():
        return f"it is {node.state}, or not on sale."
    if not Node.objects.filter(_free(until, now), pk=node.pk).exists():
        return f"somebody has it, or may have it, before {until:%Y-%m-%d %H:%M} UTC."
    return ""


def sites_switching(*, now: datetime) -> list[Site]:
    """Sites where nodes wait to be switched."""
    free = Q(work_until=None) | Q(work_until__lte=now)
    rows = Standby.objects.filter(free, state__in=sorted(SWITCHED), next_attempt_at__lte=now)
    return list(Site.objects.filter(pk__in=rows.values("maintenance__node__pool__site")))


def idle_watts(*, site: Site) -> int:
    """What the nodes draw that no running lease has, watts at their plugs; those that were seen off draw nothing."""
    running = Machine.objects.filter(node=OuterRef("pk"), state__in=sorted(SERVING), lease__state=LeaseState.ACTIVE)
    off = Standby.objects.filter(maintenance__node=OuterRef("pk"), state=StandbyState.OFF)
    nodes = Node.objects.filter(~Exists(running), ~Exists(off), pool__site=site).exclude(state__in=WITHOUT_A_HOST)
    counts = nodes.order_by().values_list("pool__node_type").annotate(count=Count("pk"))
    kinds = NodeType.objects.in_bulk([kind for kind, _ in counts])
    return sum(kinds[kind].idle_w * count for kind, count in counts)


def _on_sale() -> Q:
    return Q(state=NodeState.AVAILABLE, cordoned_at=None, after_lease="")


def _free(until: datetime, now: datetime) -> Q:
    """Neither claimed nor held for a quote."""
    wanted = DateTimeTZRange(now, until)
    claimed = Claim.objects.filter(node=OuterRef("pk"), released_at=None, period__overlap=wanted)
    held = NodeCalendar.objects.filter(is_held(now=now), pk=OuterRef("pk"), held__overlap=wanted)
    return ~Exists(claimed) & ~Exists(held)
