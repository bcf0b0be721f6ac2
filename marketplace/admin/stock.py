"""Nodes, and the pools of equal ones. A node's state is moved by those who do the work, never typed in here."""

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from marketplace.admin.rules import Fixed, Kept, Referenced, SetOnce
from marketplace.models import Node, NodeTransition, Pool
from marketplace.states import IN_STOCK, NodeState

TONES = {
    NodeState.AVAILABLE: "success",
    NodeState.DEPLOYING: "info",
    NodeState.LEASED: "info",
    NodeState.WIPING: "info",
    NodeState.MAINTENANCE: "warning",
    NodeState.WIPE_FAILED: "danger",
    NodeState.QUARANTINED: "danger",
}


@admin.register(Pool)
class PoolAdmin(Referenced, SetOnce, ModelAdmin):  # type: ignore[misc]
    """Equal nodes at one site."""

    list_display = ("site", "node_type", "provisioner", "nodes", "available")
    list_filter = ("provisioner", "site__region", "node_type__gpu_model", "site")
    list_select_related = ("site", "node_type")
    search_fields = ("site__slug", "site__name", "node_type__slug", "node_type__name")
    autocomplete_fields = ("site", "node_type")
    ordering = ("site__slug", "node_type__slug")
    set_once = ("site", "node_type", "provisioner")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pool]:
        """With the numbers of nodes in stock and ready."""
        found: QuerySet[Pool] = super().get_queryset(request)
        return found.annotate(
            in_stock=Count("nodes", filter=Q(nodes__state__in=IN_STOCK)),
            ready=Count("nodes", filter=Q(nodes__state=NodeState.AVAILABLE)),
        )

    @admin.display(description="nodes in stock", ordering="in_stock")
    def nodes(self, pool: Pool) -> int:
        """Nodes in stock."""
        return int(getattr(pool, "in_stock", 0))

    @admin.display(description="available now", ordering="ready")
    def available(self, pool: Pool) -> int:
        """Nodes that may be leased this second."""
        return int(getattr(pool, "ready", 0))


class NodeTransitions(Fixed, TabularInline):  # type: ignore[misc]
    """What happened to a node, latest first."""

    model = NodeTransition
    fields = readonly_fields = ("at", "old", "new", "reason", "actor")
    ordering = ("-seq",)
    extra = 0
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Node | None = None) -> bool:
        """Never: a move appends its row."""
        return False


@admin.register(Node)
class NodeAdmin(Kept, ModelAdmin):  # type: ignore[misc]
    """Machines. Real ones are enrolled (leasing), which proves what they are."""

    list_display = ("name", "site", "node_type", "status", "state_since", "deadline", "reason", "address")
    list_filter = ("state", "fabric_group", "pool__provisioner", "pool__site__region", "pool__node_type", "pool__site")
    list_select_related = ("pool__site", "pool__node_type")
    search_fields = ("name", "public_id", "address", "pool__site__name")
    fields = (
        "public_id", "name", "pool", "fabric_group", "address", "port", "user", "host_key",
        "state", "state_since", "deadline", "reason", "version",
    )  # fmt: skip
    readonly_fields = ("public_id", "name", "pool", "state", "state_since", "deadline", "reason", "version")
    inlines = (NodeTransitions,)
    ordering = ("name",)
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: a node is enrolled."""
        return False

    @admin.display(description="site", ordering="pool__site__slug")
    def site(self, node: Node) -> str:
        """Where it stands."""
        return node.pool.site.name

    @admin.display(description="node type", ordering="pool__node_type__slug")
    def node_type(self, node: Node) -> str:
        """What it is."""
        return node.pool.node_type.name

    @display(description="state", ordering="state", label=TONES)  # type: ignore[untyped-decorator]
    def status(self, node: Node) -> tuple[str, str]:
        """Its state, as a badge."""
        return node.state, NodeState(node.state).label
