"""Files with which a lease's machines are used at once."""

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from accounts.http.problems import Problem
from leasing.api.certificates import AsItIs
from leasing.api.leases import LeaseView
from leasing.connecting import NAMES, NotInHands, files_of

WHICH = OpenApiParameter("name", str, OpenApiParameter.PATH, enum=NAMES)


class LeaseFile(LeaseView):
    """One file, made from the machines as they are now."""

    content_negotiation_class = AsItIs
    required = {"GET": "lease:read"}

    @extend_schema(
        operation_id="leases_file",
        summary="Download a file to connect with",
        parameters=[WHICH],
        responses={(200, "text/plain"): OpenApiTypes.STR},
    )
    def get(self, request: Request, id: str, name: str) -> HttpResponse:
        """Addresses and host keys of the machines that are in your hands, in the format of a tool. Nothing in it is
        secret. 409 `not_in_hands` while there is no machine to log in to."""
        lease = self.get_object()
        if name not in NAMES:
            raise NotFound
        try:
            text = next(file.text for file in files_of(lease) if file.name == name)
        except NotInHands as error:
            words = "No machine of the lease is in your hands now. Wait until it is active."
            raise Problem(409, "not_in_hands", "Nothing to connect to", words) from error
        return HttpResponse(text, content_type="text/plain; charset=utf-8")
