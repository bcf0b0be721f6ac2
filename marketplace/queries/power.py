"""The power of sites."""

from datetime import datetime

from django.db.models import Prefetch, QuerySet

from marketplace.models import PowerWindow, Site


def with_power(sites: QuerySet[Site], *, at: datetime) -> QuerySet[Site]:
    """Sites with their power at a moment in `Site.power`: one query more for all of them."""
    now = PowerWindow.objects.filter(period__contains=at)
    return sites.prefetch_related(Prefetch("power_windows", queryset=now, to_attr="powers"))


def power_of(site: Site) -> PowerWindow | None:
    """The power that `with_power` read; None: the site is not limited."""
    return next(iter(getattr(site, "powers", ())), None)
