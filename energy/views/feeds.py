"""Staff's pages of the figures that come from outside: how old each is, and telling one by hand."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import may_operate, operator_of
from accounts.clock import now
from accounts.views import operator_allowed
from energy import operations
from energy.access import MAY_LOOK, MAY_TELL
from energy.forms import Telling
from energy.queries.feeds import all_feeds, told_at, value_at

READINGS_SHOWN = 48


@operator_allowed(MAY_LOOK)
def feed_list(request: HttpRequest) -> HttpResponse:
    """Every input with its value, its age, and what is wrong with it."""
    moment = now()
    rows = told_at(all_feeds(), now=moment)
    context = {"rows": rows, "stale": sum(row.stale for row in rows), "now": moment}
    return render(request, "energy/feeds.html", context)


@operator_allowed(MAY_LOOK)
def feed(request: HttpRequest, id: str) -> HttpResponse:
    """One input, its last readings, and a form to tell more."""
    found, moment = get_object_or_404(all_feeds(), public_id=id), now()
    may_tell = may_operate(request.user, MAY_TELL) and not found.is_read
    form = Telling(request.POST or None, request.FILES or None, feed=found)
    if request.method == "POST" and not may_tell:
        raise PermissionDenied(f"Telling a feed takes the permission {MAY_TELL}.")
    if request.method == "POST" and form.is_valid():
        count = operations.told_by_staff(feed=found, told=form.told, actor=operator_of(request), now=moment)
        messages.success(request, f"{count} reading{'s' if count > 1 else ''} taken.")
        return redirect("power_feed", id=id)
    readings = found.readings.order_by("-starts_at")[:READINGS_SHOWN]
    context = {"feed": found, "told": value_at(found, now=moment), "readings": readings, "now": moment}
    return render(request, "energy/feed.html", context | {"form": form if may_tell else None})
