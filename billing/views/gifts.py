"""Staff's page of promotional credit: what was given lately, and giving some."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import staff_of
from accounts.clock import now
from accounts.ids import random_base62
from accounts.queries import actor_names
from accounts.views import operator_allowed
from billing import by_hand, granting
from billing.access import MAY_GIVE
from billing.forms.money import NewCredit
from billing.models import Adjustment, CreditGrant
from billing.views.adjustments import WAITS

SHOWN = 50


@operator_allowed(MAY_GIVE)
def gifts(request: HttpRequest) -> HttpResponse:
    """The newest gifts, and the form for one."""
    form = NewCredit(request.POST or None, initial={"key": random_base62(22)})
    if form.is_valid() and _given(request, form):
        return redirect("gifts")
    grants = list(CreditGrant.objects.select_related("organization").order_by("-id")[:SHOWN])
    names = actor_names(grant.given_by for grant in grants)
    rows = [(grant, names.get(grant.given_by, grant.given_by)) for grant in grants]
    return render(
        request, "billing/gifts.html", {"form": form, "rows": rows, "limit_cents": settings.ADJUSTMENT_LIMIT_CENTS}
    )


def _given(request: HttpRequest, form: NewCredit) -> bool:
    try:
        made = by_hand.give(by=staff_of(request), now=now(), **form.wanted())
    except granting.BadGrant as bad:
        form.refuse(bad.field, str(bad))
        return False
    where = WAITS if isinstance(made, Adjustment) else f"The credit is in the wallet of {made.organization}."
    messages.success(request, where)
    return True
