"""What staff reads of the fleet: how much there is of what, one node with all that is known of it, and planned work."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import cast

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery

from accounts.models import Event, selected
from leasing.inspection.inventory import Inventory
from leasing.models import Claim, Inspection, Lease, Machine, Maintenance, MaintenanceState, NodeHealth, Outage
from leasing.states import MACHINE_AT_REST, MachineState
from marketplace.models import Node, NodeTransition, NodeType, Provisioner, Site
from marketplace.queries import HORIZON, Window
from marketplace.states import IN_STOCK, NodeState

OPEN = (MaintenanceState.PLANNED, MaintenanceState.UNDER_WAY)
POOL = (
    "pool__site__name", "pool__site__slug", "pool__node_type__name", "pool__node_type__slug", "pool__provisioner",
)  # fmt: skip
UNSEEN = (NodeState.ENROLLED, NodeState.RETIRED)  # nobody looks at them
BLIND_AFTER = timedelta(minutes=2)  # eight turns of a watcher
NEWEST = 30  # rows of what happened to a node
WELL = Q(health=None) | Q(health__cause="")  # nothing was wrong at the last look, if there was one
BOOKED = Exists(Claim.objects.filter(node=OuterRef("pk"), lease__isnull=False, released_at=None))
# Each count of nodes in words, with what it counts. A node may be in several.
COUNTS: dict[str, tuple[str, Q]] = {
    "delivered": ("Delivered", Q()),
    "healthy": ("Healthy", Q(state__in=IN_STOCK) & WELL),
    "free": ("Free", Q(state=NodeState.AVAILABLE, cordoned_at=None, booked=False)),
    "reserved": ("Reserved", Q(state=NodeState.AVAILABLE, booked=True)),
    "in_use": ("In use", Q(state__in=[NodeState.DEPLOYING, NodeState.LEASED])),
    "wiping": ("Wiping", Q(state=NodeState.WIPING)),
    "cordoned": ("Cordoned", Q(cordoned_at__isnull=False)),
    "verifying": ("Verifying", Q(state__in=[NodeState.ENROLLED, NodeState.VERIFYING])),
    "maintenance": ("Maintenance", Q(state=NodeState.MAINTENANCE)),
    "quarantined": ("Quarantined", Q(state=NodeState.QUARANTINED)),
    "wipe_failed": ("Wipe failed", Q(state=NodeState.WIPE_FAILED)),
}


def last_looks() -> QuerySet[Site]:
    """Sites whose real nodes were ever looked at, each with `looked_at`, the newest time."""
    seen = NodeHealth.objects.filter(node__pool__site=OuterRef("pk")).exclude(node__state__in=UNSEEN)
    real = seen.exclude(node__pool__provisioner=Provisioner.SANDBOX)  # idle simulated nodes are not looked at
    newest = Subquery(real.order_by("-seen_at").values("seen_at")[:1])
    return Site.objects.annotate(looked_at=newest).filter(looked_at__isnull=False)


def blind_sites() -> QuerySet[Site]:
    """Sites at whose nodes nobody looks, the longest first: outages there are neither seen nor told."""
    return Site.objects.exclude(blind_since=None).order_by("blind_since")


def looked_at(site: Site) -> datetime:
    """The newest look at a site of `last_looks`."""
    return cast(datetime, selected(site, "looked_at"))


@dataclass(frozen=True)
class Capacity:
    """One pool of equal nodes, with how many of them are what (by the names of COUNTS)."""

    site: str
    site_slug: str
    node_type: str
    node_type_slug: str
    provisioner: str
    counts: dict[str, int]


@dataclass(frozen=True)
class NodeSheet:
    """All that is known of one node."""

    node: Node
    health: NodeHealth | None
    machine: Machine | None  # whose tenant is on it, or whose traces are
    claims: list[Claim]  # of the next 60 days
    free: list[Window]  # between them
    inspection: Inspection | None  # the newest
    parts: Inventory | None  # that it found
    maintenance: list[Maintenance]  # latest first
    outages: list[Outage]  # open ones
    events: list[Event]  # newest first
    transitions: list[NodeTransition]  # newest first


def capacity(*, site: Site | None = None) -> list[Capacity]:
    """Every pool (of the site), by site and node type. Retired nodes are not counted anywhere. One query."""
    nodes = Node.objects.exclude(state=NodeState.RETIRED).annotate(booked=BOOKED)
    if site:
        nodes = nodes.filter(pool__site=site)
    counted = {name: Count("pk", filter=which) for name, (_, which) in COUNTS.items()}
    pools = nodes.order_by().values(*POOL).annotate(**counted)
    return [
        Capacity(site, site_slug, kind, kind_slug, provisioner, dict(zip(COUNTS, counts, strict=True)))
        for site, site_slug, kind, kind_slug, provisioner, *counts in pools.order_by(*POOL).values_list(*POOL, *COUNTS)
    ]


def by_site(pools: Iterable[Capacity]) -> list[Capacity]:
    """The pools of each site together, as one row without a type. They come by site."""
    together = [(site, list(group)) for site, group in groupby(pools, key=lambda row: (row.site, row.site_slug))]
    return [Capacity(name, slug, f"{len(rows)} pools", "", "", totals(rows)) for (name, slug), rows in together]


def totals(rows: Iterable[Capacity]) -> dict[str, int]:
    """The counts of all the rows together."""
    shown = list(rows)
    return {name: sum(row.counts[name] for row in shown) for name in COUNTS}


def fleet(
    *,
    q: str = "",
    counted: str = "",
    state: str = "",
    site: Site | None = None,
    node_type: NodeType | None = None,
    provisioner: str = "",
    retired: bool = False,
) -> QuerySet[Node]:
    """
    Nodes by name, with what a list shows of them; retired ones if `retired`, or if their state is asked for.

    `q` is part of a name, an address or an id; `counted` a name of COUNTS: the nodes that it counts.
    """
    lookups = {"state": state, "pool__site": site, "pool__node_type": node_type, "pool__provisioner": provisioner}
    wanted = Q(**{name: value for name, value in lookups.items() if value})
    if counted:
        wanted &= COUNTS[counted][1]
    if q:
        wanted &= Q(name__icontains=q) | Q(address__icontains=q) | Q(public_id=q)
    if not retired and state != NodeState.RETIRED:
        wanted &= ~Q(state=NodeState.RETIRED)
    nodes = Node.objects.select_related("pool__site", "pool__node_type", "health").annotate(booked=BOOKED)
    return nodes.filter(wanted).order_by("name")


def node_sheet(node: Node, *, now: datetime) -> NodeSheet:
    """All that is known of one node. A fixed number of queries."""
    claims = _claims(node, Window(now, now + HORIZON))
    inspection = Inspection.objects.filter(node=node).select_related("enrolment").order_by("-at").first()
    return NodeSheet(
        node=node,
        health=NodeHealth.objects.filter(node=node).first(),
        machine=_machine_on(node),
        claims=claims,
        free=gaps(claims, Window(now, now + HORIZON)),
        inspection=inspection,
        parts=Inventory.of(inspection.inventory) if inspection else None,
        maintenance=list(Maintenance.objects.filter(node=node).order_by("-starts_at")[:NEWEST]),
        outages=list(Outage.objects.filter(machine__node=node, ended_at=None).select_related("machine__lease")),
        events=list(Event.objects.filter(subject=node.public_id).order_by("-at", "-pk")[:NEWEST]),
        transitions=list(NodeTransition.objects.filter(node=node).order_by("-seq")[:NEWEST]),
    )


def _claims(node: Node, window: Window) -> list[Claim]:
    reach = DateTimeTZRange(window.starts_at, window.ends_at)
    claims = Claim.objects.filter(node=node, released_at=None, period__overlap=reach).order_by("period")
    return list(claims.select_related("lease__organization", "maintenance"))


def _machine_on(node: Node) -> Machine | None:
    at_rest = MACHINE_AT_REST - {MachineState.WIPE_FAILED}
    on_it = Machine.objects.filter(node=node, touched_at__isnull=False).exclude(state__in=at_rest)
    return on_it.select_related("lease__organization", "lease__terms").order_by("-pk").first()


def gaps(claims: Iterable[Claim], window: Window) -> list[Window]:
    """The free time of a node within `window`. The claims come by time."""
    found, cursor = [], window.starts_at
    for claim in claims:
        found.append(Window(cursor, claim.period.lower))
        cursor = max(cursor, claim.period.upper)
    found.append(Window(cursor, window.ends_at))
    return [gap for gap in found if gap.starts_at < gap.ends_at]


def planned_work(*, now: datetime) -> QuerySet[Maintenance]:
    """Work that is planned or under way anywhere, by time."""
    return Maintenance.objects.filter(state__in=OPEN).select_related("node__pool__site").order_by("starts_at", "pk")


def maintenance_of(lease: Lease) -> QuerySet[Maintenance]:
    """Work that is planned right behind the lease: it cannot be made longer on that node. By time."""
    behind = Claim.objects.filter(
        node=OuterRef("node"), released_at=None, period__startswith__gte=OuterRef("period__endswith")
    )
    first = Subquery(behind.order_by("period").values("pk")[:1])
    claims = Claim.objects.filter(lease=lease, released_at=None).annotate(first=first).values("first")
    return Maintenance.objects.filter(claim__in=claims, state__in=OPEN).select_related("node").order_by("starts_at")
