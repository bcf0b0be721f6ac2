"""Waiting for nodes: the list of standing orders, a new one, one of them, and leaving the line."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts.access import may, principal_of
from accounts.clock import now
from accounts.views import allowed
from billing import limits, waiting
from billing.filling import order_path
from billing.forms import Details, NewStandingOrder
from billing.models import Mode, StandingOrder, StandingOrderState
from billing.queries import described
from leasing.operations import Setup
from marketplace.forms import zones_for
from marketplace.models import Plan, PlanKind
from marketplace.queries import all_terms
from marketplace.views.rules import pauses

ENDED_PER_PAGE = 25


@allowed("lease:read")
def standing_orders(request: HttpRequest) -> HttpResponse:
    """Those that wait, then those that have ended, page by page."""
    mine = _mine(request)
    page = Paginator(mine.exclude(state=StandingOrderState.WAITING), ENDED_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "waiting": described(mine.filter(state=StandingOrderState.WAITING)),
        "ended": described(page),
        "page": page,
        "most": waiting.MOST_WAITING,
        "may_write": may(principal_of(request), "lease:write"),
    }
    return render(request, "billing/standing_orders.html", context)


@sensitive_post_parameters("environment")
@allowed("lease:write")
def standing_order_new(request: HttpRequest) -> HttpResponse:
    """Say what to wait for. The catalogue's filters in the address fill it in."""
    principal, moment = principal_of(request), now()
    posted = request.POST or None
    open_to = Plan.objects.filter(Q(private=False) | Q(access__organization=principal.organization)).distinct()
    zones = zones_for(user=getattr(request.user, "time_zone", ""))
    form = NewStandingOrder(posted, initial=request.GET.dict(), now=moment, plans=open_to, zones=zones)
    booking = posted is None or posted.get("mode") != Mode.TELL
    details = Details(posted if booking else None, organization=principal.organization, now=moment)
    if posted and form.is_valid() and (not booking or details.is_valid()):
        setup = Setup(**details.cleaned_data) if booking else None
        try:
            order = waiting.join(
                organization=principal.organization,
                actor=principal.actor,
                created_by=principal.user,
                wish=waiting.Wish(**form.wanted(), project=setup.project if setup else ""),
                name=setup.name if setup else posted.get("name", "").strip()[:80] or "my nodes",
                setup=setup,
                now=moment,
            )
        except waiting.CannotWait as refusal:
            form.refuse(refusal.field, refusal.message)
        except (waiting.TooManyWait, limits.OrderingBlocked) as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "In line. You get a mail as soon as something happens.")
            return redirect("standing_order", id=order.public_id)
    mine = {plan.pk for plan in open_to}
    surplus = [
        (terms, pauses(terms))
        for terms in all_terms(at=moment).values()
        if terms.plan.kind == PlanKind.SURPLUS and terms.plan.pk in mine
    ]
    return render(request, "billing/standing_order_new.html", {"form": form, "details": details, "surplus": surplus})


@never_cache
@allowed("lease:read")
def standing_order(request: HttpRequest, id: str) -> HttpResponse:
    """One of them: what it waits for, and what came of it."""
    order = _find(request, id)
    context = {
        "order": order,
        "what": described([order])[0][1],
        "now": now(),
        "order_path": order_path(order.quote) if order.quote else "",
        "may_write": may(principal_of(request), "lease:write"),
    }
    return render(request, "billing/standing_order.html", context)


@allowed("lease:write")
def standing_order_cancel(request: HttpRequest, id: str) -> HttpResponse:
    """Ask, then leave the line. Doing it twice changes nothing."""
    order = _find(request, id)
    if request.method != "POST" and order.waiting:
        return render(request, "billing/standing_order_cancel.html", {"order": order, "what": described([order])[0][1]})
    try:
        waiting.cancel(order=order, actor=principal_of(request).actor, now=now())
        messages.success(request, "Cancelled. Nothing was ordered or charged.")
    except waiting.NotWaiting as ended:
        messages.info(request, str(ended))
    return redirect("standing_order", id=id)


def _mine(request: HttpRequest) -> QuerySet[StandingOrder]:
    own = StandingOrder.objects.filter(organization=principal_of(request).organization)
    related = ("lease", "quote__lease", "quote__offer__pool__site", "quote__offer__pool__node_type", "image")
    return own.select_related(*related).order_by("-id")


def _find(request: HttpRequest, id: str) -> Any:
    return get_object_or_404(_mine(request), public_id=id)
