"""What is credited when a promise is not kept, open to everybody."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.clock import now
from billing.queries.promises import announced_rules, rules_at


@require_safe
def promises(request: HttpRequest) -> HttpResponse:
    """The rules in force, and those that were announced."""
    moment = now()
    context = {"rules": rules_at(moment).values(), "announced": announced_rules(moment)}
    return render(request, "billing/promises.html", context)
