"""One offer: what it is, what it costs, and when it is free."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from accounts.access import organization_of
from accounts.clock import now
from marketplace.forms import Wish, zones_for
from marketplace.models import Offer, PlanKind, Terms
from marketplace.money import price
from marketplace.queries import (
    HORIZON,
    Criteria,
    OfferRow,
    Window,
    all_announced,
    bookable_windows,
    first_end,
    free_windows,
    guaranteed_until,
    listed_offers,
    offer_rows,
    soonest,
    terms_of,
    with_groups,
)
from marketplace.queries.hours import Stretch
from marketplace.queries.power import power_ahead
from marketplace.views.addresses import order_address, wait_for, wish_of
from marketplace.views.calendar import calendar_of
from marketplace.views.facts import facts

AHEAD = timedelta(days=14)
WINDOWS_SHOWN = 5
LENGTHS = (
    ("1 hour", timedelta(hours=1)),
    ("1 day", timedelta(days=1)),
    ("1 week", timedelta(weeks=1)),
    ("30 days", timedelta(days=30)),
)


@dataclass(frozen=True)
class Cost:
    """What some nodes cost for a time."""

    words: str
    micros: int
    discount_percent: int


@require_safe
def offer(request: HttpRequest, id: str) -> HttpResponse:
    """An offer, for as many nodes and the period that the address names."""
    instant, organization = now(), organization_of(request)
    found = get_object_or_404(with_groups(listed_offers(organization)), public_id=id)
    zones = zones_for(site=found.pool.site.time_zone, user=getattr(request.user, "time_zone", ""))
    form = Wish({"nodes": "1", **request.GET.dict()}, now=instant, organization=organization, zones=zones)
    form.is_valid()
    criteria = form.criteria()
    by_plan = {row.offer: row for row in offer_rows(pool=found.pool, criteria=criteria, now=instant)}
    row = by_plan.pop(found, None)
    if row is None:
        raise Http404("It has no price yet.")
    terms = terms_of(plan=found.plan, at=instant)
    zone = form.chosen.key if request.GET.get("zone") else ""
    context = {
        "form": form,
        "row": row,
        "offer": found,
        "terms": terms,
        "now": instant,
        "ahead": bool(criteria.starts_at and criteria.starts_at > instant),
        "facts": facts(found, terms, instant),
        "announced": all_announced(at=instant).get(found.plan_id, []),
        "costs": _costs(row, terms, criteria),
        "others": list(by_plan.values()),
        "wish": wish_of(criteria, zone),
        "order": order_address(found, criteria, zone),
        "wait": wait_for(found, criteria),
        "stretches": _power(found, criteria, instant),
        "calendar": calendar_of(found, terms, criteria, form.chosen, request.GET, instant),
        **_availability(found, terms, criteria, instant, zone),
    }
    return render(request, "marketplace/offer.html", context)


def _power(offer: Offer, criteria: Criteria, now: datetime) -> list[Stretch]:
    """Of an offer that may be paused for want of it."""
    return power_ahead(offer.pool, nodes=criteria.nodes, now=now) if offer.plan.kind == PlanKind.SURPLUS else []


def _costs(row: OfferRow, terms: Terms, criteria: Criteria) -> list[Cost]:
    """Of lengths that the plan allows."""
    lengths = [*LENGTHS]
    if criteria.starts_at and criteria.ends_at:
        lengths.append(("Your period", criteria.ends_at - criteria.starts_at))
    whole = [(words, length // timedelta(seconds=1)) for words, length in lengths]
    return [_cost(words, seconds, row, terms, criteria.nodes) for words, seconds in whole if _lasts(terms, seconds)]


def _lasts(terms: Terms, seconds: int) -> bool:
    """Whether a lease may be so long."""
    return terms.min_seconds <= seconds <= terms.max_seconds and not seconds % terms.length_step(seconds)


def _cost(words: str, seconds: int, row: OfferRow, terms: Terms, nodes: int) -> Cost:
    """The price that a quote for as long a lease says."""
    agreed = seconds if terms.plan.kind == PlanKind.RESERVED else None
    rate = terms.agreed_rate(row.rate.micros_per_node_hour, agreed)
    micros = price(micros_per_node_hour=rate, seconds=seconds, nodes=nodes)
    return Cost(words, micros, terms.discount_percent(agreed))


def _availability(offer: Offer, terms: Terms, criteria: Criteria, now: datetime, zone: str) -> dict[str, Any]:
    until = min(max(now + AHEAD, (criteria.ends_at or now) + timedelta(days=1)), now + HORIZON)
    windows = free_windows(
        offer=offer,
        terms=terms,
        nodes=criteria.nodes,
        same_fabric=criteria.together,
        starts_at=now,
        until=until,
        now=now,
    )
    return {
        "windows": windows,
        "guaranteed_until": guaranteed_until(terms, windows, now),
        "strip_from": now,
        "strip_until": until,
        "wanted_from": criteria.starts_at if criteria.ends_at else None,
        "wanted_until": criteria.ends_at,
        "bookable": [
            (window, _first_day(offer, terms, criteria, window, zone, now)) for window in _to_book(terms, windows, now)
        ],
    }


def _to_book(terms: Terms, windows: list[Window], now: datetime) -> list[Window]:
    """The windows of a plan with periods, the first few."""
    reserved = terms.plan.kind == PlanKind.RESERVED
    return list(islice(bookable_windows(terms, windows, now), WINDOWS_SHOWN)) if reserved else []


def _first_day(offer: Offer, terms: Terms, criteria: Criteria, window: Window, zone: str, now: datetime) -> str:
    """Where the window is ordered: a day of it, or all of a shorter one; the order's page asks how long."""
    day = timedelta(seconds=max(terms.min_seconds, 86_400))
    ends_at = min(window.ends_at, first_end(terms, window.starts_at, window.starts_at + day))
    starts_at = window.starts_at if window.starts_at > soonest(terms, now) else None  # with the order
    return order_address(offer, replace(criteria, starts_at=starts_at, ends_at=ends_at), zone)
