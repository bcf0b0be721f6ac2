"""Staff's pages of adjustments: what waits for a second person, what was decided, and a new one."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import may_operate, staff_of
from accounts.clock import now
from accounts.views import operator_allowed
from billing import adjusting
from billing.access import MAY_ADJUST, MAY_APPROVE, MAY_SEE_ADJUSTMENTS
from billing.forms.staff import AdjustmentAnswer, NewAdjustment
from billing.models import Adjustment, AdjustmentState
from billing.queries.adjustments import adjustments, waiting, wanted
from billing.queries.customers import named
from leasing.models import Lease

SHOWN = 50
ANSWERS = {"approve": adjusting.approve, "refuse": adjusting.refuse}
WAITS = "It waits for a second person now."
SAID = {AdjustmentState.POSTED: "It is posted.", AdjustmentState.WAITING: WAITS}


@operator_allowed(MAY_SEE_ADJUSTMENTS)
def adjustment_list(request: HttpRequest) -> HttpResponse:
    """Those that wait, the oldest first, and those that were decided last."""
    context = {
        "waiting": waiting(),
        "rows": adjustments().exclude(state=AdjustmentState.WAITING).order_by("-decided_at", "-pk")[:SHOWN],
        "may_adjust": may_operate(request.user, MAY_ADJUST),
        "now": now(),
    }
    return render(request, "billing/adjustments.html", context)


@operator_allowed(MAY_ADJUST)
def adjustment_new(request: HttpRequest) -> HttpResponse:
    """A credit or a debit."""
    form = NewAdjustment(request.POST or None, initial=_about(request.GET))
    if form.is_valid():
        try:
            row = adjusting.ask_by_ids(**form.asked(), by=staff_of(request), now=now())
        except adjusting.AdjustmentRefused as refused:
            form.add_error("amount" if refused.field == "amount_cents" else refused.field, refused.message)
        else:
            messages.success(request, SAID[AdjustmentState(row.state)])
            return redirect("adjustments")
    context = {"form": form, "limit_cents": settings.ADJUSTMENT_LIMIT_CENTS}
    return render(request, "billing/adjustment_new.html", context)


def _about(asked: QueryDict) -> dict[str, str]:
    """What the address proposes; a lease is of its organization."""
    lease = Lease.objects.select_related("organization").filter(public_id=asked.get("lease", "")).first()
    known = {"organization": named(lease.organization), "lease": named(lease)} if lease else {}
    return {name: str(value) for name, value in asked.items()} | known


@operator_allowed(MAY_SEE_ADJUSTMENTS)
def adjustment(request: HttpRequest, id: str) -> HttpResponse:
    """One of them, and the answer of whoever may decide."""
    found = get_object_or_404(adjustments(), public_id=id)
    may_decide = may_operate(request.user, MAY_APPROVE)
    form = AdjustmentAnswer(request.POST or None)
    if may_decide and form.is_valid():
        return _answered(request, found, form.cleaned_data["answer"])
    moment = now()
    context = {
        "adjustment": found,
        "wanted": wanted(found),
        "late": found.state == AdjustmentState.WAITING and found.expires_at <= moment,
        "may_decide": may_decide,
        "own": found.asked_by == request.user,
    }
    return render(request, "billing/adjustment.html", context)


def _answered(request: HttpRequest, found: Adjustment, answer: str) -> HttpResponse:
    try:
        row = ANSWERS[answer](adjustment=found, by=staff_of(request), now=now())
    except (adjusting.NotWaiting, adjusting.SamePerson, adjusting.Outdated) as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"The {row.get_kind_display()} of {row.organization} is {row.get_state_display()}.")
    return redirect("adjustments")
