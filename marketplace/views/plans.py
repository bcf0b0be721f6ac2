"""The plans and their terms, open to everybody: what holds now, and what was announced."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import organization_of
from accounts.clock import now
from marketplace.models import Plan, Terms
from marketplace.queries import all_announced, all_terms, plans_open_to
from marketplace.views.rules import Rules, changes, rules


@dataclass(frozen=True)
class Change:
    """Announced terms, and what they change against those before them: name, words until then, words from then on."""

    terms: Terms
    rows: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Sheet:
    """One plan with its terms in words."""

    plan: Plan
    terms: Terms
    rules: Rules
    changes: list[Change]


@require_safe
def plans(request: HttpRequest) -> HttpResponse:
    """Every plan that is open to whoever looks."""
    instant = now()
    in_force, announced = all_terms(at=instant), all_announced(at=instant)
    shown = [plan for plan in plans_open_to(organization_of(request)) if plan.pk in in_force]
    sheets = [_sheet(plan, in_force[plan.pk], announced.get(plan.pk, [])) for plan in shown]
    return render(request, "marketplace/plans.html", {"sheets": sheets})


def _sheet(plan: Plan, terms: Terms, later: list[Terms]) -> Sheet:
    pairs = zip([terms, *later], later, strict=False)
    return Sheet(plan, terms, rules(terms), [Change(after, changes(before, after)) for before, after in pairs])
