"""What is behind an amount that is summed over leases: the part of each, as of now."""

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.access import principal_of
from accounts.clock import now
from accounts.views import allowed
from billing.queries.shares import AMOUNTS
from billing.queries.shares import shares as shares_of

LEASES_PER_PAGE = 50
WORDS = {
    "used": ("Used since the last posting", "What leases have used, to the second, and was not posted yet."),
    "kept": ("Kept aside", "What of the balance is spoken for by leases that are ordered or running."),
    "running": ("Running on demand", "What leases without an agreed end cost in an hour, until you return them."),
    "committed": (
        "Committed this month",
        "What was used this month (UTC), what agreed windows will still cost in it, and the next minutes of what runs.",
    ),
}


@allowed("money:read")
def shares(request: HttpRequest) -> HttpResponse:
    """The leases that an amount is summed from, of one project or of all, and their sum."""
    of, project, moment = request.GET.get("of", ""), request.GET.get("project", ""), now()
    if of not in AMOUNTS:
        raise Http404
    found = shares_of(organization=principal_of(request).organization, of=of, project=project, now=moment)
    title, lead = WORDS[of]
    context = {
        "title": title,
        "lead": lead,
        "of": of,
        "project": project,
        "moment": moment,
        "page": Paginator(found, LEASES_PER_PAGE).get_page(request.GET.get("page")),
        "total_micros": sum(share.micros for share in found),
    }
    return render(request, "billing/shares.html", context)
