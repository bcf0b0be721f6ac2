"""Staff's pages of orders that wait for approval, with what they come to: the queue, and one with its two answers."""

from collections.abc import Callable, Mapping

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import operator_of
from accounts.clock import now
from accounts.queries import actor_names
from accounts.views import operator_allowed
from leasing.access import MAY_APPROVE
from leasing.forms.upkeep import Decision
from leasing.models import Approval
from leasing.operations.approving import NotWaiting, approve, decline
from leasing.queries.approvals import approvals, decided, waiting
from leasing.tasks import nudge_sites

DECIDED_SHOWN = 20
MONEY = "lease__meter"  # at which price it is agreed, and what is kept aside
ANSWERS: Mapping[str, tuple[Callable[..., None], str]] = {
    "approve": (approve, "is approved."),
    "decline": (decline, "was declined."),
}


@operator_allowed(MAY_APPROVE)
def approval_list(request: HttpRequest) -> HttpResponse:
    """Those that wait, the oldest first, and the last that were decided."""
    past = list(decided()[:DECIDED_SHOWN])
    names = actor_names(row.decided_by for row in past)
    rows = [(row, names.get(row.decided_by, row.decided_by)) for row in past]
    return render(
        request, "leasing/approvals.html", {"waiting": waiting().select_related(MONEY), "decided": rows, "now": now()}
    )


@operator_allowed(MAY_APPROVE)
def approval(request: HttpRequest, id: str) -> HttpResponse:
    """One order, and what staff says to it. `id` is its lease's."""
    found = get_object_or_404(approvals().select_related(MONEY), lease__public_id=id)
    form = Decision(request.POST or None)
    if form.is_valid():
        return _answered(request, found, **form.cleaned_data)
    return render(
        request, "leasing/approval.html", {"approval": found, "lease": found.lease, "form": form, "now": now()}
    )


def _answered(request: HttpRequest, found: Approval, *, answer: str, note: str) -> HttpResponse:
    act, words = ANSWERS[answer]
    try:
        act(lease=found.lease, actor=operator_of(request), note=note, now=now())
    except NotWaiting as refused:
        messages.error(request, str(refused))
    else:
        transaction.on_commit(nudge_sites, robust=True)
        messages.success(request, f"{found.lease.name} of {found.lease.organization} {words}")
    return redirect("approvals")
