"""The clocks on which the pages of a lease ask for times."""

from django.http import HttpRequest

from leasing.models import Lease
from marketplace.forms import zones_for


def zones_of(request: HttpRequest, lease: Lease) -> dict[str, str]:
    """The zones that a form about the lease lets choose: the reader's, its site's, UTC."""
    return zones_for(site=lease.offer.pool.site.time_zone, user=getattr(request.user, "time_zone", ""))
