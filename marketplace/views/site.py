"""A site: where it is, and what it may promise of its power."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from accounts.clock import now
from marketplace.models import Pool, PowerWindow, Site
from marketplace.queries import power_of, with_power
from marketplace.queries.power import power_ahead

WINDOWS_SHOWN = 49


def site(request: HttpRequest, slug: str) -> HttpResponse:
    """Its firm power, how that comes about, and how it changes in the next days."""
    moment = now()
    found = get_object_or_404(with_power(Site.objects.select_related("grid_zone"), at=moment), slug=slug)
    coming = PowerWindow.objects.filter(site=found, period__endswith__gt=moment) | PowerWindow.objects.filter(
        site=found, period__upper_inf=True
    )
    largest = (
        Pool.objects.filter(site=found).select_related("site", "node_type").order_by("-node_type__power_w").first()
    )
    context = {
        "site": found,
        "power": power_of(found),
        "largest": largest,
        "stretches": power_ahead(largest, nodes=1, now=moment) if largest else [],
        "windows": coming[:WINDOWS_SHOWN],
        "now": moment,
    }
    return render(request, "marketplace/site.html", context)
