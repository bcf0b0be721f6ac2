"""What the nodes of a lease did, stretch by stretch: what was charged, and what was free and why."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from accounts.access import principal_of
from accounts.clock import now
from accounts.views import allowed
from billing.queries.intervals import Stream, intervals
from leasing.queries import leases_of

ABOUT = {
    Stream.CONSUMPTION: "Time in your hands. Use is charged by the second; outages are not.",
    Stream.ALLOCATION: "Time in which nodes were kept for this lease, until they are free again. It costs nothing.",
}


@allowed("lease:read")
def lease_usage(request: HttpRequest, id: str) -> HttpResponse:
    """Both streams of one lease, and the corrections of what was charged."""
    own = principal_of(request).organization
    lease = get_object_or_404(leases_of(own).filter(meter__isnull=False), public_id=id)
    found = intervals(lease=lease, at=now())
    streams = [(stream.label, about, found.of(stream)) for stream, about in ABOUT.items()]
    return render(request, "billing/usage.html", {"lease": lease, "intervals": found, "streams": streams})
