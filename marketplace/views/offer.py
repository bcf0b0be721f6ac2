"""One offer: what it is, what it costs, and when it is free."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from accounts.clock import now
from marketplace.forms import Wish
from marketplace.models import Offer, PlanKind
from marketplace.money import price
from marketplace.queries import (
    HORIZON,
    Criteria,
    OfferRow,
    Window,
    aligned,
    free_windows,
    listed_offers,
    offer_rows,
    terms_of,
)
from marketplace.views.facts import facts

AHEAD = timedelta(days=14)
WINDOWS_SHOWN = 5
LENGTHS = (("1 hour", timedelta(hours=1)), ("1 day", timedelta(days=1)), ("30 days", timedelta(days=30)))
ORDER = "/order/"  # billing's pages: what is chosen here, ordered
WAIT = "/standing-orders/new/"  # and waited for


@dataclass(frozen=True)
class Cost:
    """What some nodes cost for a time."""

    words: str
    micros: int


@require_safe
def offer(request: HttpRequest, id: str) -> HttpResponse:
    """An offer, for as many nodes and the period that the address names."""
    instant = now()
    found = get_object_or_404(listed_offers(), public_id=id)
    form = Wish({"nodes": "1", **request.GET.dict()}, now=instant)
    form.is_valid()
    criteria = form.criteria()
    by_plan = {row.offer: row for row in offer_rows(pool=found.pool, criteria=criteria, now=instant)}
    row = by_plan.pop(found, None)
    if row is None:
        raise Http404("It has no price yet.")
    context = {
        "form": form,
        "row": row,
        "offer": found,
        "now": instant,
        "ahead": bool(criteria.starts_at and criteria.starts_at > instant),
        "facts": facts(found, terms_of(plan=found.plan, at=instant), instant),
        "costs": _costs(row, criteria),
        "others": list(by_plan.values()),
        "wish": wish_of(criteria),
        "order": order_address(found, criteria),
        "wait": _wait_for(found, criteria),
        **_availability(found, criteria, instant),
    }
    return render(request, "marketplace/offer.html", context)


def wish_of(criteria: Criteria) -> str:
    """Number of nodes and period as a query string, "" where nothing is said."""
    nodes = {"nodes": str(criteria.nodes)} if criteria.nodes > 1 else {}
    query = urlencode(nodes | _period(criteria.starts_at, criteria.ends_at))
    return f"?{query}" if query else ""


def order_address(offer: Offer, criteria: Criteria) -> str:
    """Where this is ordered: for the period asked for, where the plan has periods."""
    reserved = offer.plan.kind == PlanKind.RESERVED
    period = _period(criteria.starts_at, criteria.ends_at) if reserved else {}
    return f"{ORDER}?{urlencode({'offer': offer.public_id, 'nodes': str(criteria.nodes)} | period)}"


def wait_address(criteria: Criteria, **asked: object) -> str:
    """Where one stands in line for what is asked: the catalogue's filters, and the period as one that will do."""
    known = {name: value for name, value in asked.items() if value not in (None, "")}
    period = _period(criteria.starts_at, criteria.ends_at)
    renamed = {"starts_at": "earliest_at", "ends_at": "latest_at"}
    times = {renamed[name]: at for name, at in period.items()}
    if criteria.starts_at and criteria.ends_at:
        times["length_hours"] = str(max(1, (criteria.ends_at - criteria.starts_at) // timedelta(hours=1)))
    return f"{WAIT}?{urlencode(known | times | {'nodes': criteria.nodes})}"


def _wait_for(offer: Offer, criteria: Criteria) -> str:
    pool = offer.pool
    gpu = pool.node_type.gpu_model
    return wait_address(
        criteria,
        plan=offer.plan.slug,
        site=pool.site.slug,
        gpu_model=gpu.slug if gpu else None,
        gpus=pool.node_type.gpu_count or None,
        provisioner=pool.provisioner,
    )


def _period(starts_at: datetime | None, ends_at: datetime | None) -> dict[str, str]:
    """What is said of a period, as the fields of forms take it: UTC, to the minute."""
    said = {"starts_at": starts_at, "ends_at": ends_at}
    return {name: f"{at.astimezone(UTC):%Y-%m-%dT%H:%M}" for name, at in said.items() if at}


def _costs(row: OfferRow, criteria: Criteria) -> list[Cost]:
    lengths = [*LENGTHS]
    if criteria.starts_at and criteria.ends_at:
        lengths.append(("Your period", criteria.ends_at - criteria.starts_at))
    rate = row.rate.micros_per_node_hour
    return [
        Cost(words, price(micros_per_node_hour=rate, seconds=length // timedelta(seconds=1), nodes=criteria.nodes))
        for words, length in lengths
    ]


def _availability(offer: Offer, criteria: Criteria, now: datetime) -> dict[str, Any]:
    until = min(max(now + AHEAD, (criteria.ends_at or now) + timedelta(days=1)), now + HORIZON)
    windows = free_windows(offer=offer, nodes=criteria.nodes, starts_at=now, until=until, now=now)
    return {
        "windows": windows,
        "strip_from": now,
        "strip_until": until,
        "wanted_from": criteria.starts_at if criteria.ends_at else None,
        "wanted_until": criteria.ends_at,
        "bookable": [(window, _first_day(offer, criteria, window)) for window in _bookable(offer, windows, now)],
    }


def _bookable(offer: Offer, windows: list[Window], now: datetime) -> list[Window]:
    """The windows of a plan with periods, cut to the starts and ends that it allows."""
    if offer.plan.kind != PlanKind.RESERVED:
        return []
    terms = terms_of(plan=offer.plan, at=now)
    step = timedelta(seconds=terms.granularity_seconds)
    least, most = timedelta(seconds=terms.min_seconds), timedelta(seconds=terms.max_seconds)
    cut = []
    for window in windows:
        start = aligned(terms, max(window.starts_at, now + timedelta(seconds=1)))
        end = aligned(terms, window.ends_at - step + timedelta(microseconds=1))
        if end - start >= least:
            cut.append(Window(start, min(end, start + most)))
    return cut[:WINDOWS_SHOWN]


def _first_day(offer: Offer, criteria: Criteria, window: Window) -> str:
    """Where the window is ordered: a day of it, or all of a shorter one; the order's page asks how long."""
    ends_at = min(window.ends_at, window.starts_at + timedelta(days=1))
    return order_address(offer, replace(criteria, starts_at=window.starts_at, ends_at=ends_at))
