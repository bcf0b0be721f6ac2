"""The interruptions of a surplus lease: what is announced, the tenant's two answers, and what was before."""

from collections.abc import Callable

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import may, principal_of
from accounts.clock import now
from accounts.views import allowed
from leasing.forms.interruptions import MoreTime
from leasing.models import Interruption, Lease
from leasing.operations import CannotInterrupt, ask_for_more, ready
from leasing.queries import leases_of
from leasing.queries.interruptions import budget, interruptions_of, more_left, open_interruption
from leasing.tasks import nudge_sites

# What a program on the node may do about an interruption; TOKEN is an API token that the tenant has put there.
PROGRAM = """\
while sleep 10; do
  [ -e "$GRIDLEASE_INTERRUPTION" ] || continue
  ./save-checkpoint.sh
  url=$(sed -n 's/.*"url": "\\(.*ready\\)".*/\\1/p' "$GRIDLEASE_INTERRUPTION")
  curl -fsS -X POST -H "Authorization: Bearer $TOKEN" "$url" && break
done
"""


@allowed("lease:read")
def lease_interruptions(request: HttpRequest, id: str) -> HttpResponse:
    """All of a lease, the announced one first, with what may be answered."""
    lease = _find(request, id)
    row = open_interruption(lease)
    return _page(request, lease, row, MoreTime(None, most=_minutes(row)))


@allowed("lease:write")
def lease_interruption_answer(request: HttpRequest, id: str) -> HttpResponse:
    """The answer to the one that is announced: `answer` is "ready"; or `minutes` more are asked for."""
    lease = _find(request, id)
    row = open_interruption(lease)
    if request.method != "POST" or row is None:
        return redirect("lease_interruptions", id=id)
    if request.POST.get("answer") == "ready":
        words = "Thank you. The lease is being paused; the rest of the notice is written down, to be credited."
        return _answer(request, lease, words, lambda **told: ready(interruption=row, **told))
    form = MoreTime(request.POST, most=_minutes(row))
    if not form.is_valid():
        return _page(request, lease, row, form)
    seconds = form.cleaned_data["minutes"] * 60
    words = f"The lease is paused {seconds // 60} minutes later than announced."
    return _answer(request, lease, words, lambda **told: ask_for_more(interruption=row, seconds=seconds, **told))


def _answer(request: HttpRequest, lease: Lease, words: str, act: Callable[..., Interruption]) -> HttpResponse:
    try:
        act(actor=principal_of(request).actor, now=now())
    except CannotInterrupt as error:
        messages.error(request, str(error))
    else:
        transaction.on_commit(nudge_sites, robust=True)
        messages.success(request, words)
    return redirect("lease", id=lease.public_id)


def _page(request: HttpRequest, lease: Lease, row: Interruption | None, form: MoreTime) -> HttpResponse:
    moment = now()
    context = {
        "lease": lease,
        "row": row,
        "rows": interruptions_of(lease),
        "budget": budget(lease, at=moment),
        "form": form,
        "most": _minutes(row),
        "now": moment,
        "program": PROGRAM,
        "may_write": may(principal_of(request), "lease:write"),
    }
    return render(request, "leasing/interruptions.html", context)


def _minutes(row: Interruption | None) -> int:
    """Whole minutes that may still be asked for."""
    return more_left(row) // 60 if row else 0


def _find(request: HttpRequest, id: str) -> Lease:
    mine = leases_of(principal_of(request).organization).select_related("terms")
    return get_object_or_404(mine, public_id=id)
