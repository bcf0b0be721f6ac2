"""The list of leases, and the page of one: live while something happens, with its cost as it runs."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from accounts.access import may, principal_of
from accounts.clock import now
from accounts.models import Event, selected
from accounts.queries import actor_names
from accounts.views import allowed
from billing.models import BillingMode
from billing.queries import Reading, priced_leases, read
from billing.queries.freed import hand_backs, with_fees
from billing.queries.metered import mode_of
from billing.queries.promises import promise_micros
from billing.standing import OUT_OF_FUNDS
from leasing.models import Lease, Outage, Transition
from leasing.queries import wipe_records
from leasing.queries.fleet import maintenance_of
from leasing.queries.guarantee import ending_of
from leasing.queries.history import History, history_of
from leasing.queries.interruptions import more_left, open_interruption
from leasing.queries.machines import has_spare, keys_applied, troubles
from leasing.queries.moving import why_not_moved
from leasing.states import IN_HANDS, LEASE_OVER, MACHINE_FAILED_TWIN, LeaseState, MachineState
from marketplace.models import PlanKind
from marketplace.money import format_micros

WATCHED_CLOSELY = {LeaseState.PROVISIONING, LeaseState.RECLAIMING}
NEVER_BEGAN = "It never began, and you were charged {}."
SECONDS_CLOSELY, SECONDS_CALMLY = 2, 15


class PastLeases(CursorPagination):
    """Leases that are over, newest first."""

    page_size = 25
    ordering = "-id"

    def read(self, rows: QuerySet[Lease], request: HttpRequest) -> list[Lease]:
        """The page that the request's cursor names.

        :raises Http404: for a cursor that was never given out
        """
        try:
            return list(self.paginate_queryset(rows, Request(request)) or [])
        except NotFound as error:
            raise Http404(str(error)) from error


@dataclass(frozen=True)
class Row:
    """
    A lease in the list, with what its use has cost so far and what is kept for handing back, in micro-dollars, its
    price, and on how many nodes the cost grows.
    """

    lease: Lease
    cost_micros: int
    kept_micros: int
    micros_per_node_hour: int
    nodes: int
    degraded: bool


@dataclass(frozen=True)
class Trouble:
    """An outage that the tenant was told of and that goes on, and whether another node is taking its place."""

    outage: Outage
    replaced: bool


@allowed("lease:read")
def leases(request: HttpRequest) -> HttpResponse:
    """The organization's leases, or those of one project: those that run, then those that are over, page by page."""
    organization = principal_of(request).organization
    pages, first = PastLeases(), "cursor" not in request.GET
    mine = with_fees(priced_leases(organization=organization))
    project = request.GET.get("project")
    if project:
        mine = mine.filter(project=project)
    past = pages.read(mine.filter(state__in=LEASE_OVER), request)
    context = {
        "running": _rows(mine.exclude(state__in=LEASE_OVER)) if first else [],
        "past": _rows(past),
        "first": first,
        "project": project,
        "previous": pages.get_previous_link(),
        "next": pages.get_next_link(),
    }
    return render(request, "leasing/leases.html", context)


@allowed("lease:read")
def lease(request: HttpRequest, id: str) -> HttpResponse:
    """All about one lease."""
    found = _find(request, id)
    return render(request, "leasing/lease.html", _shown(request, found, history_of(found)))


@never_cache
@allowed("lease:read")
def lease_panel(request: HttpRequest, id: str) -> HttpResponse:
    """The live part of that page; 204 while nothing has changed since the one that was `seen`."""
    found = _find(request, id)
    happened = history_of(found)
    if request.GET.get("seen") == _mark(found, happened):
        return HttpResponse(status=204)
    return render(request, "leasing/panel_answer.html", _shown(request, found, happened))


def _find(request: HttpRequest, id: str) -> Lease:
    return get_object_or_404(priced_leases(organization=principal_of(request).organization), public_id=id)


def _rows(found: Iterable[Lease]) -> list[Row]:
    moment = now()
    return [_row(lease, _reading(lease, moment)) for lease in found]


def _row(lease: Lease, reading: Reading | None) -> Row:
    cost, nodes = (reading.due_micros, reading.nodes_serving) if reading else (0, 0)
    kept: int = selected(lease, "kept_micros")
    return Row(lease, cost, kept, _micros_per_node_hour(lease, reading), nodes, bool(troubles(lease)))


def _shown(request: HttpRequest, found: Lease, happened: History) -> dict[str, Any]:
    machines = list(found.machines.all())
    moment = now()
    reading = _reading(found, moment)
    handed_back = hand_backs(found) if found.ends_at else ()
    kept = sum(row.fee_micros - row.credited_micros for row in handed_back)
    interruption = open_interruption(found) if found.offer.plan.kind == PlanKind.SURPLUS else None
    return {
        "lease": found,
        "pays_later": found.reason == OUT_OF_FUNDS and mode_of(found.organization) != BillingMode.PREPAID,
        "handed_back_micros": kept,
        "promise_micros": promise_micros(found),
        "never_began": NEVER_BEGAN.format("nothing" if not kept else f"nothing but the fee of {format_micros(kept)}"),
        "now": moment,
        "machines": machines,
        "ready": [machine for machine in machines if machine.state in IN_HANDS],
        "troubles": _troubles(found),
        "interruption": interruption,
        "more_minutes": more_left(interruption) // 60 if interruption else 0,
        "maintenance": maintenance_of(found),
        "ending": ending_of(found, now=moment),
        "spare": bool(troubles(found)) and has_spare(found, now=moment),
        "outages": sorted((row for machine in machines for row in machine.outages.all()), key=lambda row: row.began_at),
        "keys_applied": keys_applied(found),
        "wipes": list(wipe_records(found)),
        "proven": all(machine.state == MachineState.WIPED for machine in machines if machine.touched_at),
        "history": _with_names(happened),
        "cost_micros": reading.due_micros if reading else 0,
        "held_micros": reading.held_micros if reading else 0,
        "micros_per_node_hour": _micros_per_node_hour(found, reading),
        "nodes_serving": reading.nodes_serving if reading else 0,
        "outage_seconds": reading.outage_seconds if reading else 0,
        "seconds": reading.seconds if reading else 0,
        "may_write": may(principal_of(request), "lease:write"),
        "may_move": why_not_moved(found, now=moment) is None,
        "poll_seconds": _poll_seconds(found),
        "mark": _mark(found, happened),
    }


def _micros_per_node_hour(found: Lease, reading: Reading | None) -> int:
    """As agreed for now, any discount taken off."""
    return reading.micros_per_node_hour if reading else found.rate.micros_per_node_hour


def _reading(found: Lease, moment: datetime) -> Reading | None:
    meter = getattr(found, "meter", None)
    return read(meter, at=moment) if meter else None


def _troubles(found: Lease) -> list[Trouble]:
    replaced = {machine.replaces_id for machine in found.machines.all()}
    return [Trouble(outage, outage.machine_id in replaced) for outage in troubles(found)]


def _with_names(rows: History) -> list[tuple[Event | Transition, str]]:
    """Each with who did it."""
    names = actor_names(row.actor for row in rows)
    return [(row, names.get(row.actor, "Gridlease")) for row in rows]


def _poll_seconds(found: Lease) -> int:
    """How often the page asks for news: 0 once there will be none."""
    working = any(machine.state in MACHINE_FAILED_TWIN for machine in found.machines.all())
    if working or found.state in WATCHED_CLOSELY:
        return SECONDS_CLOSELY
    return 0 if found.over else SECONDS_CALMLY


def _mark(found: Lease, happened: History) -> str:
    """Changes whenever something that the page shows of the lease does. Times and cost count on by themselves."""
    machines = [(machine.version, machine.step, machine.setup_applied) for machine in found.machines.all()]
    outages = [
        (row.pk, row.ended_at, row.called_at, len(row.evidence))
        for machine in found.machines.all()
        for row in machine.outages.all()
    ]
    lease = (
        found.version,
        found.name,
        found.project,
        found.deadline,
        found.guaranteed_until,
        found.guarantee_notice_at,
    )
    window = (found.starts_at, found.ends_at, found.auto_extend_seconds, found.auto_extend_max_micros)
    setup = (found.setup_version, found.on_failure, [key.pk for key in found.keys.all()])
    planned: list[object] = [(work.pk, work.starts_at, work.ends_at) for work in maintenance_of(found)]
    if found.offer.plan.kind == PlanKind.SURPLUS and (row := open_interruption(found)):
        planned.append((row.pk, row.version, row.begins_at))
    told = max((row.pk for row in happened if isinstance(row, Event)), default=0)
    return hashlib.sha256(repr((lease, window, setup, machines, outages, planned, told)).encode()).hexdigest()[:16]
