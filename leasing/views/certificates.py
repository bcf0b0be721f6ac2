"""Downloads of a lease's wipe certificate, by whoever may read the lease; long after its end, too."""

import logging
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from accounts.access import principal_of
from accounts.views import allowed
from leasing import certificates
from leasing.certificates import Document, File, KeyMissing, NoCertificate
from leasing.queries import leases_of

log = logging.getLogger(__name__)


@allowed("lease:read")
def as_json(request: HttpRequest, id: str) -> HttpResponse:
    """The signed file."""
    return _download(request, id, certificates.json_file)


@allowed("lease:read")
def as_pdf(request: HttpRequest, id: str) -> HttpResponse:
    """The pages."""
    return _download(request, id, certificates.pdf_file)


def _download(request: HttpRequest, id: str, make: Callable[[Document], File]) -> HttpResponse:
    """The file; or, while there is none, the lease's page, which says why."""
    lease = get_object_or_404(leases_of(principal_of(request).organization), public_id=id)
    try:
        file = make(certificates.document_of(lease))
    except NoCertificate as missing:
        messages.info(request, missing.detail)
        return redirect("lease", id=id)
    except KeyMissing:
        log.exception("certificates cannot be signed")
        messages.error(request, certificates.UNAVAILABLE)
        return redirect("lease", id=id)
    return HttpResponse(file.content, content_type=file.content_type, headers=file.headers)
