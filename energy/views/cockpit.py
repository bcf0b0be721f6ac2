"""The dispatcher's pages: sites' power, what it is worth, what is proposed, and the grid event."""

from collections.abc import Callable, Mapping
from datetime import datetime

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import may_operate, operator_of
from accounts.clock import now
from accounts.queries import actor_names
from accounts.views import operator_allowed
from energy.access import MAY_COMMAND, MAY_LOOK
from energy.curtailing import BadEvent, call_off, confirm, preview
from energy.forms import GridEvent
from energy.models import Command
from energy.ordering import CannotCommand, approve, decline, undo
from energy.queries.cockpit import cockpit, commands_of, overview, totals, wants_a_look
from energy.states import CommandState
from marketplace.measures import counted
from marketplace.models import Site

COMMANDS_SHOWN = 20


def _call_off(*, command: Command, actor: str, now: datetime) -> Command:
    """The whole event that the command belongs to."""
    try:
        call_off(event=command.event, actor=actor, now=now)
    except BadEvent as error:
        raise CannotCommand(error.message) from error
    return command


ACTS: Mapping[str, tuple[Callable[..., Command], str]] = {
    "approve": (approve, "Approved. A worker of the site carries it out when it is due."),
    "decline": (decline, "Declined. Nothing was told."),
    "undo": (undo, "The opposite is being told."),
    "call_off": (_call_off, "The grid event is called off: all of it is told to go back."),
}


@operator_allowed(MAY_LOOK)
def power(request: HttpRequest) -> HttpResponse:
    """Every site in a line: what it draws, what decides, what waits; and all of them together."""
    rows, moment = overview(), now()
    wanting = [row for row in rows if wants_a_look(row, now=moment)]
    planned = [row for row in rows if not wants_a_look(row, now=moment)]
    context = {
        "rows": rows,
        "wanting": wanting,
        "planned": planned,
        "planned_shown": counted(len(planned), "site"),
        "total": totals(rows),
        "sites_shown": counted(len(rows), "site"),
        "waiting": commands_of().filter(state=CommandState.PROPOSED).count(),
        "now": moment,
    }
    return render(request, "energy/power.html", context)


@operator_allowed(MAY_LOOK)
def power_site(request: HttpRequest, slug: str) -> HttpResponse:
    """One site: power over four days, $/MWh of each use, miners, proposals, inputs."""
    site, moment = get_object_or_404(Site, slug=slug), now()
    context = {
        "site": site,
        "cockpit": cockpit(site, now=moment),
        "commands": commands_of(site)[:COMMANDS_SHOWN],
        "form": GridEvent(),
        "may_command": may_operate(request.user, MAY_COMMAND),
        "now": moment,
    }
    return render(request, "energy/power_site.html", context)


@operator_allowed(MAY_COMMAND)
def power_event(request: HttpRequest, slug: str) -> HttpResponse:
    """A grid event: first exactly what would be done, then, confirmed, the commands."""
    site = get_object_or_404(Site, slug=slug)
    if token := request.POST.get("plan"):
        return _confirm(request, site, token)
    form, found = GridEvent(request.POST or None), None
    if form.is_valid():
        asked = {**form.cleaned_data, "starts_at": form.cleaned_data["starts_at"] or now()}
        try:
            found = preview(site=site, now=now(), **asked)
        except BadEvent as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
    return render(request, "energy/power_event.html", {"site": site, "form": form, "found": found})


def _confirm(request: HttpRequest, site: Site, token: str) -> HttpResponse:
    try:
        made = confirm(token=token, actor=operator_of(request), now=now())
    except BadEvent as error:
        messages.error(request, error.message)
        return redirect("power_event", slug=site.slug)
    words = f"{counted(len(made), 'command')} made." if made else "It was confirmed before."
    messages.success(request, words)
    return redirect("power_site", slug=site.slug)


@operator_allowed(MAY_LOOK)
def power_command(request: HttpRequest, id: str) -> HttpResponse:
    """One command with its reason, inputs and outcome; and what may be decided about it."""
    row = get_object_or_404(commands_of(), public_id=id)
    may_command = may_operate(request.user, MAY_COMMAND)
    if request.method == "POST":
        if not may_command:
            raise PermissionDenied(f"Deciding takes the permission {MAY_COMMAND}.")
        return _decide(request, row)
    moves = list(row.transitions.all())
    names = actor_names({row.proposed_by, *(move.actor for move in moves)})
    context = {
        "row": row,
        "proposed_by": names.get(row.proposed_by, row.proposed_by),
        "history": [(move, names.get(move.actor, move.actor)) for move in moves],
        "may_command": may_command,
        "now": now(),
    }
    return render(request, "energy/power_command.html", context)


def _decide(request: HttpRequest, row: Command) -> HttpResponse:
    act, done = ACTS.get(request.POST.get("act", ""), (None, ""))
    if act is None:
        messages.error(request, "Choose to approve, to decline or to undo it, or to call its event off.")
        return redirect("power_command", id=row.public_id)
    try:
        row = act(command=row, actor=operator_of(request), now=now())  # to undo makes another
    except CannotCommand as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect("power_command", id=row.public_id)
