"""The catalogue: search, and the first page that a visitor sees."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe
from django_htmx.http import push_url

from accounts.access import organization_of
from accounts.clock import now
from marketplace.forms import CatalogueFilter, zones_for
from marketplace.models import Plan, PlanKind
from marketplace.queries import Criteria, Hit, catalogue_size, find, plans_open_to, rows
from marketplace.views.addresses import wait_address, wish_of

PAGE_SIZE = 24
OFFSETS = [f"{name}_offset" for name in CatalogueFilter.MOMENTS]
NOT_WAITED_FOR = {"nodes", "same_fabric", "sort", "zone", "starts_at", "ends_at"}  # said in another way, or not at all
WAITED_FOR = [name for name in (*CatalogueFilter.FIRST, *CatalogueFilter.MORE) if name not in NOT_WAITED_FOR]


@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    """Offers that match the filters in the address; the first plan's, where it names none."""
    instant, organization = now(), organization_of(request)
    plans = list(plans_open_to(organization))
    asked = _asked(request.GET, plans)
    zones = zones_for(user=getattr(request.user, "time_zone", ""))
    form = CatalogueFilter(asked, now=instant, plans=plans, organization=organization, zones=zones)
    context = {
        "form": form,
        "now": instant,
        "clear": reverse("home"),
        "earliest": _earliest(asked, plans),
        **_results(form, asked, plans),
    }
    if not request.user.is_authenticated:
        context["size"] = catalogue_size()
    response = render(request, "marketplace/catalogue.html", context)
    return push_url(response, _address(asked, plans)) if request.headers.get("HX-Request") else response


def _results(form: CatalogueFilter, asked: dict[str, str], plans: list[Plan]) -> dict[str, Any]:
    if not form.is_valid():
        return {}
    criteria = form.criteria()
    hits = find(criteria=criteria, now=form.now, sort=form.cleaned_data["sort"] or "price")
    page: Page[Hit] = Paginator(hits, PAGE_SIZE).get_page(asked.get("page", "1"))
    links = {
        "previous": _address({**asked, "page": str(page.number - 1)}, plans) if page.has_previous() else "",
        "next": _address({**asked, "page": str(page.number + 1)}, plans) if page.has_next() else "",
    }
    shown = rows(hits=list(page.object_list), criteria=criteria, now=form.now)
    return {
        "page": page,
        "rows": shown,
        "criteria": criteria,
        "wish": wish_of(criteria, asked.get("zone", "")),
        "wait": wait_address(criteria, **{name: asked.get(name) for name in WAITED_FOR}),
        "ahead": bool(criteria.starts_at and criteria.starts_at > form.now),
        "simulated": any(row.offer.pool.simulated for row in shown),
        "ways_out": [] if hits else _ways_out(form, criteria, asked, plans),
        **links,
    }


def _ways_out(
    form: CatalogueFilter, criteria: Criteria, asked: dict[str, str], plans: list[Plan]
) -> list[tuple[str, int, str]]:
    """For each filter without which something is found: its label, how many offers then, and their address."""
    nothing = Criteria()
    found = []
    for name in (*CatalogueFilter.FIRST, *CatalogueFilter.MORE):
        own = "max_micros_per_node_hour" if name == "max_price" else name
        if name in ("sort", "zone") or getattr(criteria, own) == getattr(nothing, own):
            continue
        wider = replace(criteria, **{own: getattr(nothing, own)})
        if count := len(find(criteria=wider, now=form.now)):
            found.append((str(form[name].label), count, _address({**asked, name: "", "page": ""}, plans)))
    return found


def _asked(query: QueryDict, plans: list[Plan]) -> dict[str, str]:
    """The address's parameters that mean something here, with the plan that a plain visit shows."""
    known = {*CatalogueFilter.base_fields, *OFFSETS, "page"}
    if not any(query.get(name) for name in CatalogueFilter.MOMENTS):
        known.remove("zone")  # no time is told in it
    first = {"plan": plans[0].slug} if plans else {}
    return first | {name: value.strip() for name, value in query.items() if name in known and isinstance(value, str)}


def _address(asked: dict[str, str], plans: list[Plan]) -> str:
    """The shortest address that asks the same."""
    usual = {"plan": plans[0].slug if plans else "", "nodes": "1", "sort": "price", "page": "1"}
    said = {name: value for name, value in asked.items() if value != usual.get(name, "") and (value or name == "plan")}
    return reverse("home") + (f"?{urlencode(said)}" if said else "")


def _earliest(asked: dict[str, str], plans: list[Plan]) -> str:
    """Where the same is looked for at whichever time it is free."""
    reserved = {plan.slug for plan in plans if plan.kind == PlanKind.RESERVED}
    unknown = {"ends_at", "sort", "page"} | (set() if asked.get("plan") in reserved else {"plan"})
    said = {name: value for name, value in asked.items() if value and name not in unknown}
    return reverse("find") + (f"?{urlencode(said)}" if said else "")
