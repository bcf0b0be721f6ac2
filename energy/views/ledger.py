"""What a lease used, on a page and as a file."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from accounts.access import principal_of
from accounts.views import allowed
from energy.queries.ledger import hours_of, total
from energy.serializers.ledger import RULE, as_csv
from leasing.models import Lease
from leasing.queries import leases_of

HOURS_SHOWN = 24 * 7


def _find(request: HttpRequest, id: str) -> Lease:
    return get_object_or_404(leases_of(principal_of(request).organization), public_id=id)


@allowed("lease:read")
def lease_energy(request: HttpRequest, id: str) -> HttpResponse:
    """In all, and the last hours one by one."""
    lease = _find(request, id)
    hours = hours_of(lease)
    context = {"lease": lease, "total": total(hours), "hours": hours[: -HOURS_SHOWN - 1 : -1], "rule": RULE}
    return render(request, "energy/lease.html", context)


@allowed("lease:read")
def lease_energy_csv(request: HttpRequest, id: str) -> HttpResponse:
    """Every hour as CSV."""
    lease = _find(request, id)
    answer = HttpResponse(as_csv(hours_of(lease)), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="energy-{lease.public_id}.csv"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer
