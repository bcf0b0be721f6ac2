"""Planned work on a node, as staff plans it, moves its end, calls it off and finishes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import operator_of
from accounts.clock import now
from accounts.views import operator_allowed
from leasing.access import MAY_CHANGE
from leasing.forms.upkeep import NewEnd, PlanWork, Sure
from leasing.models import Maintenance, MaintenanceState
from leasing.operations.maintaining import (
    NEVER,
    WindowTaken,
    cancel_maintenance,
    extend_maintenance,
    finish_maintenance,
    plan_maintenance,
)
from leasing.operations.upkeep import REFUSALS
from leasing.tasks import nudge_sites
from marketplace.models import Node
from marketplace.queries import BadPeriod


@dataclass(frozen=True)
class Step:
    """One thing that can be done with planned work: the words of its button, what follows, and what does it."""

    words: str
    text: str
    done: str
    act: Callable[..., Any]
    states: frozenset[str]
    form: type[forms.Form] = Sure


STEPS: Mapping[str, Step] = {
    "finish": Step(
        "Finish the work",
        "What is left of the window is free at once, and the node is verified before it is offered again.",
        "Done. The node is being verified.",
        finish_maintenance,
        frozenset({MaintenanceState.UNDER_WAY}),
    ),
    "extend": Step(
        "Change its end",
        "It can end later as far as nobody has the node, or earlier.",
        "Changed.",
        extend_maintenance,
        frozenset({MaintenanceState.PLANNED, MaintenanceState.UNDER_WAY}),
        NewEnd,
    ),
    "cancel": Step(
        "Call the work off",
        "The window is free at once. The customer who was told of it is told of this too.",
        "Called off.",
        cancel_maintenance,
        frozenset({MaintenanceState.PLANNED}),
    ),
}


@operator_allowed(MAY_CHANGE)
def fleet_plan(request: HttpRequest, id: str) -> HttpResponse:
    """Plan work on a node. Who has it in the window is shown, with the next time at which it is free as long."""
    node = get_object_or_404(Node.objects.select_related("pool").exclude(state__in=NEVER), public_id=id)
    form = PlanWork(request.POST if request.method == "POST" else None, initial=request.GET.dict())
    taken: WindowTaken | None = None
    if form.is_valid():
        try:
            plan_maintenance(node=node, actor=operator_of(request), now=now(), **form.cleaned_data)
        except WindowTaken as refused:
            taken = refused
        except BadPeriod as refused:
            form.add_error(refused.field, refused.message)
        except REFUSALS as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, f"Work on {node.name} is planned. It begins by itself.")
            return redirect("fleet_node", id=id)
    return render(request, "leasing/fleet_plan.html", {"node": node, "form": form, **_conflict(form, taken)})


def _conflict(form: PlanWork, taken: WindowTaken | None) -> dict[str, Any]:
    """What a page shows of a window that is taken: by whom, and the form's values with the next free time in them."""
    if taken is None:
        return {}
    asked = form.cleaned_data
    length = asked["ends_at"] - asked["starts_at"]
    other = {"starts_at": taken.free_from, "ends_at": taken.free_from + length}
    again = {**asked, **{name: f"{moment:%Y-%m-%dT%H:%M}" for name, moment in other.items()}}
    return {"taken": taken.claims, "free_from": taken.free_from, "free_until": other["ends_at"], "again": again}


def _taken_by(refused: WindowTaken) -> str:
    if not refused.claims:
        return "A customer's quote holds the node for some minutes. Try again then."
    who = ", ".join(str(claim.lease or "other work") for claim in refused.claims)
    return f"Taken by {who} from {refused.claims[0].period.lower:%Y-%m-%d %H:%M} UTC on."


@operator_allowed(MAY_CHANGE)
def fleet_work(request: HttpRequest, id: str, what: str) -> HttpResponse:
    """Ask, then finish, call off or extend planned work."""
    if what not in STEPS:
        raise Http404
    step = STEPS[what]
    work = get_object_or_404(Maintenance.objects.select_related("node__pool"), public_id=id)
    if work.state not in step.states:
        messages.info(request, f"This work is {work.get_state_display()}.")
        return redirect("fleet_node", id=work.node.public_id)
    form = step.form(request.POST if request.method == "POST" else None, initial={"ends_at": work.ends_at})
    if form.is_valid():
        try:
            step.act(maintenance=work, actor=operator_of(request), now=now(), **form.cleaned_data)
        except WindowTaken as refused:
            form.add_error("ends_at", _taken_by(refused))
        except BadPeriod as refused:
            form.add_error("ends_at", refused.message)
        except REFUSALS as refused:
            form.add_error(None, str(refused))
        else:
            transaction.on_commit(nudge_sites, robust=True)
            messages.success(request, step.done)
            return redirect("fleet_node", id=work.node.public_id)
    return render(request, "leasing/fleet_work.html", {"work": work, "step": step, "form": form})
