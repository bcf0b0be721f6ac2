"""The pages on which a customer gives a lease back or lets it end earlier, knowing what that costs and brings."""

from contextlib import suppress
from datetime import datetime

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache

from accounts.access import principal_of
from accounts.clock import now
from accounts.views import allowed
from billing import handing_back
from billing.forms import EarlierEnd
from billing.queries.freed import Value
from billing.views.clocks import zones_of
from leasing.models import Lease
from leasing.operations import WindowRefused, next_end
from leasing.operations.handing_back import SHORTENED_IN
from leasing.queries import leases_of
from leasing.states import LEASE_OVER, LeaseState
from leasing.tasks import nudge_sites

GONE = LEASE_OVER | {LeaseState.RECLAIMING}
SAID = {
    LeaseState.CANCELLED: "Cancelled before it began: no use is charged.",
    LeaseState.RECLAIMING: "Given back. The meter has stopped, and the nodes are being wiped now.",
    LeaseState.ENDED: "Given back before anything was done on a node: nothing is to be wiped, and no use is charged.",
}


@never_cache
@allowed("lease:write")
def lease_return(request: HttpRequest, id: str) -> HttpResponse:
    """Say what it costs and brings, then give the lease back. Doing it twice changes nothing."""
    lease, moment = _find(request, id), now()
    if lease.state in GONE:
        messages.info(request, "This lease was given back already.")
        return redirect("lease", id=id)
    value = handing_back.value(lease=lease, now=moment)
    if request.method == "POST" and not _costs_more(request, value):
        ended = handing_back.hand_back(lease=lease, actor=principal_of(request).actor, now=moment)
        transaction.on_commit(nudge_sites, robust=True)
        messages.success(request, SAID[LeaseState(ended.state)])
        return redirect("lease", id=id)
    return render(request, "billing/return.html", {"lease": lease, "value": value})


@never_cache
@allowed("lease:write")
def lease_shorten(request: HttpRequest, id: str) -> HttpResponse:
    """Ask until when, say what that costs and brings, then let the lease end there."""
    lease, moment = _find(request, id), now()
    if lease.ends_at is None or lease.state not in SHORTENED_IN:
        messages.info(request, "This lease cannot be shortened: only one with an agreed end that waits or runs can.")
        return redirect("lease", id=id)
    asked = request.POST or request.GET
    wish = asked if "ends_at" in asked else None
    form = EarlierEnd(wish, first=next_end(lease, moment), zones=zones_of(request, lease))
    value = _value(form, lease, moment) if form.is_valid() else None
    if (
        request.method == "POST"
        and value
        and not _costs_more(request, value)
        and _shorten(request, form, lease, moment)
    ):
        return redirect("lease", id=id)
    return render(request, "billing/shorten.html", {"lease": lease, "form": form, "value": value})


def _value(form: EarlierEnd, lease: Lease, moment: datetime) -> Value | None:
    try:
        return handing_back.value(lease=lease, ends_at=form.cleaned_data["ends_at"], now=moment)
    except WindowRefused as refusal:
        form.add_error("ends_at", refusal.message)
        return None


def _shorten(request: HttpRequest, form: EarlierEnd, lease: Lease, moment: datetime) -> bool:
    ends_at = form.cleaned_data["ends_at"]
    try:
        handing_back.shorten(lease=lease, ends_at=ends_at, actor=principal_of(request).actor, now=moment)
    except WindowRefused as refusal:
        form.add_error("ends_at", refusal.message)
        return False
    transaction.on_commit(nudge_sites, robust=True)
    messages.success(request, f"It ends at {ends_at:%Y-%m-%d %H:%M} UTC now.")
    return True


def _costs_more(request: HttpRequest, value: Value) -> bool:
    """Whether the fee has risen above the one that the page has shown, so that the question is asked once more."""
    shown = value.fee_micros
    with suppress(ValueError):
        shown = int(request.POST.get("fee_micros", shown))
    if value.fee_micros > shown:
        words = "Meanwhile the fee has changed, to the one below. Nothing was done: confirm it once more."
        messages.warning(request, words)
    return value.fee_micros > shown


def _find(request: HttpRequest, id: str) -> Lease:
    return get_object_or_404(leases_of(principal_of(request).organization).select_related("terms"), public_id=id)
