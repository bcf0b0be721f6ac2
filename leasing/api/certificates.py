"""The proof that nothing of a tenant is left: shown, signed, and as a PDF; and the keys of its signatures."""

from collections.abc import Callable, Iterable
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.http.problems import Problem
from leasing import certificates
from leasing.api.leases import LeaseView
from leasing.certificates import Document, File, KeyMissing, NoCertificate
from leasing.models import Lease
from leasing.queries import wipe_records
from leasing.serializers import CertificateShown, KeysOfCertificates, SignedCertificateShown
from leasing.states import MachineState


class WipeCertificate(LeaseView):
    """The proof that nothing of the tenant is left."""

    serializer_class = CertificateShown
    required = {"GET": "lease:read"}

    @extend_schema(operation_id="leases_wipe_certificate", summary="Show a lease's wipe certificate")
    def get(self, request: Request, id: str) -> Response:
        """Every wipe of the lease's machines with its checks. 404 `not_wiped_yet` until the last one is done."""
        lease = self.get_object()
        records = list(wipe_records(lease))
        if missing := certificates.why_missing(lease, records):
            raise _problem(missing)
        used = [machine for machine in lease.machines.all() if machine.touched_at]
        verified = all(machine.state == MachineState.WIPED for machine in used)
        return Response(CertificateShown({"lease": lease.public_id, "verified": verified, "wipes": records}).data)


class AsItIs(BaseContentNegotiation):
    """The address says what one gets; problems are JSON whatever is accepted."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        """The only one."""
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The only one."""
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class SignedCertificate(LeaseView):
    """The certificate as a file that can be checked without us."""

    serializer_class = SignedCertificateShown
    content_negotiation_class = AsItIs
    required = {"GET": "lease:read"}

    @extend_schema(operation_id="leases_wipe_certificate_json", summary="Download a signed wipe certificate")
    def get(self, request: Request, id: str) -> HttpResponse:
        """The certificate and its Ed25519 signature, byte for byte the same at each download. While a node is not
        proven clean it holds a `report` instead of a `certificate`. 404 `not_wiped_yet` until the last wipe is done."""
        return _download(self.get_object(), certificates.json_file)


class WipeCertificatePDF(LeaseView):
    """The certificate for people."""

    content_negotiation_class = AsItIs
    required = {"GET": "lease:read"}

    @extend_schema(
        operation_id="leases_wipe_certificate_pdf",
        summary="Download a wipe certificate as PDF",
        responses={(200, "application/pdf"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, id: str) -> HttpResponse:
        """The same for people, with the SHA-256 of the signed file. 404 `not_wiped_yet` until the last wipe is done."""
        return _download(self.get_object(), certificates.pdf_file)


class CertificateKeys(GenericAPIView[Any]):
    """The keys of certificates."""

    permission_classes = [AllowAny]
    serializer_class = KeysOfCertificates

    @extend_schema(operation_id="certificate_keys", summary="List the keys of wipe certificates")
    def get(self, request: Request) -> Response:
        """The public keys whose signatures are ours, the one that signs now first. For everybody, without a login."""
        try:
            return Response(KeysOfCertificates({"keys": certificates.public_keys()}).data)
        except KeyMissing as missing:
            raise _unavailable(missing) from missing


def _download(lease: Lease, make: Callable[[Document], File]) -> HttpResponse:
    try:
        file = make(certificates.document_of(lease))
    except NoCertificate as missing:
        raise _problem(missing) from missing
    except KeyMissing as missing:
        raise _unavailable(missing) from missing
    return HttpResponse(file.content, content_type=file.content_type, headers=file.headers)


def _problem(missing: NoCertificate) -> Problem:
    return Problem(404, missing.code, missing.title, missing.detail)


def _unavailable(missing: KeyMissing) -> Problem:
    return Problem(503, "certificates_unavailable", "Certificates cannot be signed", certificates.UNAVAILABLE)
