"""The earliest start, across all sites: one form, and what can be booked for it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import organization_of
from accounts.clock import now
from marketplace.forms import MINUTE, Finder, zones_for
from marketplace.models import PlanKind, Site
from marketplace.queries import (
    BadPeriod,
    Criteria,
    Opening,
    OpeningRow,
    check_length,
    opening_rows,
    openings,
    plans_open_to,
)
from marketplace.views.addresses import order_address, wait_address
from marketplace.views.catalogue import WAITED_FOR

PAGE_SIZE = 24


@dataclass(frozen=True)
class Result:
    """An opening on the clocks of the form's zone, and where it is ordered."""

    row: OpeningRow
    starts_at: datetime
    ends_at: datetime
    address: str


@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """The first opening of each offer that matches the address; a node for a day, where it says nothing."""
    instant, organization = now(), organization_of(request)
    form = Finder(
        {"nodes": "1", "hours": "24", **request.GET.dict()},
        now=instant,
        organization=organization,
        plans=plans_open_to(organization).filter(kind=PlanKind.RESERVED),
        zones=zones_for(site=_zone_of(request.GET.get("site", "")), user=getattr(request.user, "time_zone", "")),
    )
    context = {"form": form, "now": instant, **_results(form, request.GET)}
    return render(request, "marketplace/find.html", context)


def _results(form: Finder, asked: QueryDict) -> dict[str, Any]:
    if not form.is_valid():
        return {}
    criteria = form.criteria()
    sort = form.cleaned_data["sort"] or "price"
    found = openings(criteria=criteria, length=form.length, until=form.over_by, sort=sort, now=form.now)
    try:
        if not found:
            check_length(criteria=criteria, length=form.length, now=form.now)
    except BadPeriod as error:
        form.add_error(error.field, error.message)
        return {}
    page: Page[Opening] = Paginator(found, PAGE_SIZE).get_page(asked.get("page", "1"))
    shown = opening_rows(openings=list(page.object_list), criteria=criteria)
    return {
        "page": page,
        "criteria": criteria,
        "hours": form.length // timedelta(hours=1),
        "results": [_result(row, criteria, form) for row in shown],
        "wait": _wait(form, criteria),
        "simulated": any(row.offer.pool.simulated for row in shown),
        "previous": _page(asked, page.number - 1) if page.has_previous() else "",
        "next": _page(asked, page.number + 1) if page.has_next() else "",
    }


def _result(row: OpeningRow, criteria: Criteria, form: Finder) -> Result:
    opening = row.opening
    booked = replace(criteria, starts_at=None if opening.at_once else opening.starts_at, ends_at=opening.ends_at)
    return Result(
        row=row,
        starts_at=opening.starts_at.astimezone(form.chosen),
        ends_at=opening.ends_at.astimezone(form.chosen),
        address=order_address(row.offer, booked, form.chosen.key),
    )


def _wait(form: Finder, criteria: Criteria) -> str:
    """Where one stands in line for it."""
    asked = {name: form.cleaned_data[name] for name in WAITED_FOR}
    times = {"length_hours": form.length // timedelta(hours=1), "latest_at": f"{form.over_by:{MINUTE}}"}
    return wait_address(criteria, **asked, **times)


def _zone_of(site: str) -> str:
    return Site.objects.filter(slug=site).values_list("time_zone", flat=True).first() or "" if site else ""


def _page(asked: QueryDict, number: int) -> str:
    return f"?{urlencode(asked.dict() | {'page': str(number)})}"
