"""The power of sites."""

from datetime import datetime

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Prefetch, QuerySet, Sum

from marketplace.models import Node, Pool, PowerWindow, Site
from marketplace.queries.hours import AHEAD, HOUR, Stretch, stretches
from marketplace.states import NodeState


def with_power(sites: QuerySet[Site], *, at: datetime) -> QuerySet[Site]:
    """Sites with their power at a moment in `Site.power`: one query more for all of them."""
    now = PowerWindow.objects.filter(period__contains=at)
    return sites.prefetch_related(Prefetch("power_windows", queryset=now, to_attr="powers"))


def power_of(site: Site) -> PowerWindow | None:
    """The power that `with_power` read; None: the site is not limited."""
    return next(iter(getattr(site, "powers", ())), None)


def power_ahead(pool: Pool, *, nodes: int, now: datetime) -> list[Stretch]:
    """What so many nodes more of the pool would run on in the next 48 hours, beside what runs at the site now; nothing
    where the site's power is not written down."""
    ahead = DateTimeTZRange(now - HOUR, now + AHEAD * HOUR)
    windows = list(PowerWindow.objects.filter(site=pool.site, period__overlap=ahead).order_by("period"))
    if not windows:
        return []
    on = Node.objects.filter(pool__site=pool.site, state__in=(NodeState.DEPLOYING, NodeState.LEASED))
    drawn: int = on.aggregate(watts=Sum("pool__node_type__power_w"))["watts"] or 0
    return stretches(windows, watts=drawn + nodes * pool.node_type.power_w, now=now)
