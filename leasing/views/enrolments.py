"""Staff's pages of enrolments: all of them, a form for one host or a file of many, and one as it goes on."""

import hashlib
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import capfirst
from django.views.decorators.cache import never_cache

from accounts.access import operator_of
from accounts.clock import now
from accounts.models import IllegalMove
from accounts.queries import actor_names
from accounts.views import operator_allowed
from leasing.forms.enrolment import NewEnrolment
from leasing.forms.enrolment_file import COLUMNS, BadFile, EnrolmentFile, take_file
from leasing.inspection.inventory import Inventory
from leasing.models import Enrolment, EnrolmentTransition, Inspection
from leasing.operations.enrolment import withdraw
from leasing.queries.enrolments import enrolments, figures_compared, parts_compared, steps
from leasing.states import ENROLMENT_FAILED_TWIN, EnrolmentState
from leasing.tasks import nudge_sites
from marketplace.models import Provisioner

PERMISSION = "leasing.add_enrolment"
PER_PAGE = 50
POLL_SECONDS = 2
EXAMPLE = """site,name,address,node_type,dollars,password
macon,macon-h100x8-9001,10.4.0.17,h100x8,19.20,first-login
macon,macon-h100x8-9002,10.4.0.18,h100x8,,first-login"""


@operator_allowed(PERMISSION)
def enrolment_list(request: HttpRequest) -> HttpResponse:
    """Those that go on, then those that are over, newest first."""
    found = enrolments()
    page = Paginator(found.exclude(state__in=ENROLMENT_FAILED_TWIN), PER_PAGE).get_page(request.GET.get("page"))
    going = found.filter(state__in=ENROLMENT_FAILED_TWIN) if page.number == 1 else []
    return render(request, "leasing/enrolments.html", {"going": going, "page": page, "now": now()})


@operator_allowed(PERMISSION)
def enrolment_new(request: HttpRequest) -> HttpResponse:
    """Ask for one host."""
    form = NewEnrolment(request.POST or None)
    if request.method == "POST":
        enrolment = form.request(actor=operator_of(request), now=now())
        if enrolment is not None:
            transaction.on_commit(nudge_sites, robust=True)
            return redirect("enrolment", id=enrolment.public_id)
    return render(request, "leasing/enrolment_new.html", {"form": form})


@operator_allowed(PERMISSION)
def enrolment_file(request: HttpRequest) -> HttpResponse:
    """Ask for many hosts at once: all, or none."""
    form = EnrolmentFile(request.POST or None, request.FILES or None)
    errors: Sequence[str] = ()
    if request.method == "POST" and form.is_valid():
        try:
            taken = take_file(form.cleaned_data["file"], actor=operator_of(request), now=now())
        except BadFile as error:
            errors = error.errors
        else:
            transaction.on_commit(nudge_sites, robust=True)
            messages.success(request, f"{len(taken)} host{'s are' if len(taken) > 1 else ' is'} being enrolled.")
            return redirect("enrolments")
    context = {"form": form, "errors": errors, "columns": COLUMNS, "example": EXAMPLE}
    return render(request, "leasing/enrolment_file.html", context)


@operator_allowed(PERMISSION)
def enrolment(request: HttpRequest, id: str) -> HttpResponse:
    """All about one enrolment."""
    return render(request, "leasing/enrolment.html", _shown(_find(id)))


@never_cache
@operator_allowed(PERMISSION)
def enrolment_panel(request: HttpRequest, id: str) -> HttpResponse:
    """The live part of that page; 204 while nothing has changed since the one that was `seen`."""
    found = _find(id)
    if request.GET.get("seen") == _mark(found):
        return HttpResponse(status=204)
    return render(request, "leasing/enrolment_answer.html", _shown(found))


@operator_allowed(PERMISSION)
def enrolment_withdraw(request: HttpRequest, id: str) -> HttpResponse:
    """Ask, then call it off."""
    found = _find(id)
    if request.method != "POST":
        return render(request, "leasing/enrolment_withdraw.html", {"enrolment": found})
    try:
        withdraw(enrolment=found, actor=operator_of(request), now=now())
    except IllegalMove:
        messages.info(request, "It was over already.")
    else:
        messages.success(request, f"The enrolment of {found.name} was called off.")
    return redirect("enrolment", id=id)


def _find(id: str) -> Enrolment:
    return get_object_or_404(enrolments(), public_id=id)


def _shown(found: Enrolment) -> dict[str, Any]:
    seen: Inspection | None = getattr(found, "inspection", None)
    kind = found.node_type or found.wanted_type
    inventory, label = Inventory.of(seen.inventory) if seen else None, EnrolmentState(found.state).label
    return {
        "enrolment": found,
        "label": label,
        "words": capfirst(label),
        "doing": capfirst(found.step or label),
        "simulated": found.provisioner == Provisioner.SANDBOX,
        "now": now(),
        "going": found.state in ENROLMENT_FAILED_TWIN,
        "kind": kind,
        "steps": steps(found),
        "inventory": inventory,
        "parts": parts_compared(found, inventory, kind) if inventory and kind else _untyped(found),
        "figures": figures_compared(seen, kind) if seen and seen.measures and kind else [],
        "history": _history(found),
        "poll_seconds": POLL_SECONDS if found.state in ENROLMENT_FAILED_TWIN else 0,
        "mark": _mark(found),
    }


def _untyped(found: Enrolment) -> Sequence[dict[str, str]]:
    """What differs from the nearest type, where it is of none."""
    return list(found.differences)


def _history(found: Enrolment) -> list[tuple[EnrolmentTransition, str]]:
    """What happened, newest first, with who did it."""
    changes = sorted(found.transitions.all(), key=lambda change: -change.seq)
    names = actor_names(change.actor for change in changes)
    return [(change, names.get(change.actor, "Gridlease")) for change in changes]


def _mark(found: Enrolment) -> str:
    """Changes whenever something that the page shows of it does. Times count on by themselves."""
    shown = (found.version, found.step, found.detail, found.attempts)
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]
