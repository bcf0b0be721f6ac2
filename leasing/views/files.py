"""Downloads of the files with which a lease's machines are used."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache

from accounts.access import principal_of
from accounts.views import allowed
from leasing.connecting import NAMES, NotInHands, files_of
from leasing.queries import leases_of


@never_cache
@allowed("lease:read")
def lease_file(request: HttpRequest, id: str, name: str) -> HttpResponse:
    """The file; or, while no machine can be logged in to, the lease's page."""
    lease = get_object_or_404(leases_of(principal_of(request).organization), public_id=id)
    if name not in NAMES:
        raise Http404
    try:
        text = next(file.text for file in files_of(lease) if file.name == name)
    except NotInHands:
        messages.info(request, "No machine of the lease is in your hands now, so there is nothing to connect to.")
        return redirect("lease", id=id)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=headers)
