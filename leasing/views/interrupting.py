"""Staff announces that a surplus lease will be paused for want of power, calls that off, or says that power is back."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import operator_of
from accounts.clock import now
from accounts.models import IllegalMove, Stale
from accounts.queries import actor_names
from accounts.views import operator_allowed
from leasing.access import MAY_CHANGE
from leasing.forms.interruptions import NewInterruption
from leasing.models import Interruption, InterruptionCause, Lease
from leasing.operations import CannotInterrupt, call_off, power_back, schedule_interruption
from leasing.queries.interruptions import budget, interruptions_of, open_interruption
from leasing.tasks import nudge_sites

USUAL = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
ENDINGS = {
    "call_off": (call_off, "Called off. The customer is told."),
    "power_back": (power_back, "The lease goes on."),
}


@operator_allowed(MAY_CHANGE)
def fleet_interruption(request: HttpRequest, id: str) -> HttpResponse:
    """A lease's interruptions: the form for a new one, or the one that is open with what may be done about it."""
    lease, moment = get_object_or_404(Lease.objects.select_related("terms__plan", "organization"), public_id=id), now()
    row = open_interruption(lease)
    if request.method == "POST" and "ending" in request.POST:
        return _end(request, lease, row, moment)
    asked = request.POST if request.method == "POST" else None
    form = NewInterruption(asked, initial=_proposed(lease, moment))
    if form.is_valid():
        try:
            schedule_interruption(lease=lease, requested_by=operator_of(request), now=moment, **form.cleaned_data)
        except CannotInterrupt as refused:
            form.add_error(refused.field or None, str(refused))
        else:
            transaction.on_commit(nudge_sites, robust=True)
            messages.success(request, "Announced: by event, by mail and on its nodes.")
            return redirect("fleet_interruption", id=id)
    context = {"lease": lease, "row": row, "rows": _with_names(lease), "form": form, "now": moment}
    return render(request, "leasing/fleet_interruption.html", context | {"budget": budget(lease, at=moment)})


def _with_names(lease: Lease) -> list[tuple[Interruption, str]]:
    """Its interruptions, each with who has asked for it."""
    rows = list(interruptions_of(lease))
    names = actor_names(row.requested_by for row in rows)
    return [(row, names.get(row.requested_by, row.requested_by)) for row in rows]


def _end(request: HttpRequest, lease: Lease, row: Interruption | None, moment: datetime) -> HttpResponse:
    act, words = ENDINGS.get(request.POST["ending"], ENDINGS["power_back"])
    try:
        if row is not None:
            act(interruption=row, actor=operator_of(request), now=moment)
            messages.success(request, words)
    except (IllegalMove, Stale):
        messages.error(request, "It has begun: say that power is back.")
    else:
        transaction.on_commit(nudge_sites, robust=True)
    return redirect("fleet_interruption", id=lease.public_id)


def _proposed(lease: Lease, moment: datetime) -> dict[str, Any]:
    """The earliest whole minute that leaves time to send the form, for an hour."""
    first = moment.replace(second=0, microsecond=0) + timedelta(seconds=lease.terms.notice_seconds) + 5 * MINUTE
    return {"begins_at": first, "ends_at": first + USUAL, "cause": InterruptionCause.SHORT}
