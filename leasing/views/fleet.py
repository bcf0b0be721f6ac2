"""The operator's pages of the fleet: how much there is of what, the nodes, one node, and planned work."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from accounts.clock import now
from accounts.queries import actor_names
from accounts.views import operator_allowed
from leasing.access import MAY_CHANGE, MAY_LOOK
from leasing.forms.upkeep import FleetFilter
from leasing.operations.maintaining import NEVER
from leasing.queries.fleet import (
    COUNTS,
    NodeSheet,
    blind_sites,
    by_site,
    capacity,
    fleet,
    node_sheet,
    planned_work,
    totals,
)
from leasing.views.upkeep import changes_of
from marketplace.models import Node, Site
from marketplace.queries import HORIZON

PER_PAGE = 50


@operator_allowed(MAY_LOOK)
def fleet_capacity(request: HttpRequest) -> HttpResponse:
    """How many nodes are what, at each site; of each type, where the address names one site."""
    site = get_object_or_404(Site, slug=request.GET["site"]) if "site" in request.GET else None
    pools = capacity(site=site)
    context = {
        "site": site,
        "rows": pools if site else by_site(pools),
        "columns": [(name, words) for name, (words, _) in COUNTS.items()],
        "totals": totals(pools),
        "blind": blind_sites(),
        "now": now(),
    }
    return render(request, "leasing/fleet.html", context)


@operator_allowed(MAY_LOOK)
def fleet_nodes(request: HttpRequest) -> HttpResponse:
    """The nodes that the filters in the address ask for; all that are not retired, where they ask for nothing."""
    form = FleetFilter(request.GET)
    page = Paginator(fleet(**form.wanted()), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "leasing/fleet_nodes.html", {"form": form, "page": page})


@operator_allowed(MAY_LOOK)
def fleet_maintenance(request: HttpRequest) -> HttpResponse:
    """Work that is planned or under way, anywhere."""
    work = list(planned_work(now=now()))
    names = actor_names(row.created_by for row in work)
    rows = [(row, names.get(row.created_by, row.created_by)) for row in work]
    context = {"rows": rows, "now": now(), "may_change": request.user.has_perm(MAY_CHANGE)}
    return render(request, "leasing/fleet_maintenance.html", context)


@operator_allowed(MAY_LOOK)
def fleet_node(request: HttpRequest, id: str) -> HttpResponse:
    """One node, with all that is known of it and what can be done to it."""
    found = Node.objects.select_related("pool__site", "pool__node_type__gpu_model")
    node, moment = get_object_or_404(found, public_id=id), now()
    sheet = node_sheet(node, now=moment)
    may_change = request.user.has_perm(MAY_CHANGE)
    context = {
        "sheet": sheet,
        "node": node,
        "now": moment,
        "until": moment + HORIZON,
        "may_change": may_change,
        "changes": changes_of(node) if may_change else [],
        "may_plan": may_change and node.state not in NEVER,
        "history": _history(sheet),
    }
    return render(request, "leasing/fleet_node.html", context)


def _history(sheet: NodeSheet) -> list[dict[str, Any]]:
    """Events and transitions together, newest first, with who did it."""
    names = actor_names({*(row.actor for row in sheet.events), *(row.actor for row in sheet.transitions)})
    events = [{"at": row.at, "event": row, "who": names.get(row.actor, row.actor)} for row in sheet.events]
    moves = [{"at": row.at, "move": row, "who": names.get(row.actor, "Gridlease")} for row in sheet.transitions]
    return sorted([*events, *moves], key=lambda row: row["at"], reverse=True)
