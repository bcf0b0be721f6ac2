"""Where to go on from nodes that are not free: other times, a place in line, the calendar, other offers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from leasing.operations import next_windows
from marketplace.models import Offer, PlanKind, Terms
from marketplace.queries import Criteria, Window, fitting, why_not
from marketplace.views.addresses import nodes, period, wait_for, wish_of

WINDOWS_SHOWN = 3


@dataclass(frozen=True)
class WaysOut:
    """Of as many nodes: the next times in which they are free for as long, and addresses."""

    windows: list[Window]
    wait: str
    calendar: str
    others: str


def ways_out(offer: Offer, terms: Terms, wanted: Mapping[str, Any], zone: str, now: datetime) -> WaysOut:
    """From what was `wanted` in vain, as the order's form says it. Times that lie behind are another wish."""
    criteria = Criteria(**wanted)
    return WaysOut(
        windows=_windows(offer, terms, criteria, now),
        wait=wait_for(offer, criteria),
        calendar=f"{reverse('offer', args=[offer.public_id])}{wish_of(criteria, zone)}#calendar",
        others=_others(offer, criteria, zone),
    )


def _windows(offer: Offer, terms: Terms, criteria: Criteria, now: datetime) -> list[Window]:
    if offer.plan.kind != PlanKind.RESERVED or criteria.ends_at is None:
        return []
    first = criteria.starts_at or now
    free = next_windows(offer, terms, nodes=criteria.nodes, same_fabric=criteria.together, starts_at=first, now=now)
    found = fitting(terms, free, first, criteria.ends_at - first, now)
    return [one for one in found if not why_not(terms, window=one, nodes=criteria.nodes, now=now)][:WINDOWS_SHOWN]


def _others(offer: Offer, criteria: Criteria, zone: str) -> str:
    """The search for the same on any site."""
    gpu = offer.pool.node_type.gpu_model
    what = {"plan": offer.plan.slug} | ({"gpu_model": gpu.slug} if gpu else {})
    times = period(criteria.starts_at, criteria.ends_at, zone)
    return f"{reverse('home')}?{urlencode(what | nodes(criteria) | times)}"
