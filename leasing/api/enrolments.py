"""The operator's part of the API: hosts on their way to becoming nodes."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import operator_of
from accounts.clock import now
from accounts.http.permissions import OperatorAllowed
from accounts.http.problems import Problem, bad_field
from accounts.models import IllegalMove
from leasing.models import Enrolment
from leasing.operations import enrolment as operations
from leasing.operations.enrolment import BadEnrolment
from leasing.queries.enrolments import enrolments
from leasing.serializers.enrolments import EnrolmentAsked, EnrolmentShown
from leasing.tasks import nudge_sites

PERMISSION = "leasing.add_enrolment"


class EnrolmentView(GenericAPIView[Any]):
    """For staff who may enrol hosts."""

    queryset = Enrolment.objects.all()
    serializer_class = EnrolmentShown
    permission_classes = [OperatorAllowed]
    required: ClassVar[dict[str, str]] = {"GET": PERMISSION, "POST": PERMISSION}
    lookup_field = "public_id"
    lookup_url_kwarg = "id"

    def get_queryset(self) -> QuerySet[Any]:
        """All of them, with all that is shown."""
        return enrolments()


class Enrolments(EnrolmentView):
    """All enrolments."""

    @extend_schema(
        operation_id="operations_enrolments_list", summary="List enrolments", responses=EnrolmentShown(many=True)
    )
    def get(self, request: Request) -> Response:
        """Newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(EnrolmentShown(page, many=True).data)

    @extend_schema(
        operation_id="operations_enrolments_create",
        summary="Enrol a host",
        request=EnrolmentAsked,
        responses={201: EnrolmentShown},
    )
    def post(self, request: Request) -> Response:
        """Ask for a host. The site's worker reaches, inspects and measures it; show the enrolment to see how far it is.

        A name or an address that is taken is refused, so a retry does no harm.
        """
        wanted = EnrolmentAsked(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            made = operations.request(asked=wanted.asked, actor=operator_of(request), now=now())
        except BadEnrolment as error:
            raise bad_field(error.field, error.message) from error
        transaction.on_commit(nudge_sites, robust=True)
        return Response(EnrolmentShown(self.get_queryset().get(pk=made.pk)).data, status=201)


class OneEnrolment(EnrolmentView):
    """One enrolment."""

    required: ClassVar[dict[str, str]] = {"GET": PERMISSION}

    @extend_schema(operation_id="operations_enrolments_show", summary="Show an enrolment")
    def get(self, request: Request, id: str) -> Response:
        """Its step, its deadline, and what was found."""
        return Response(EnrolmentShown(self.get_object()).data)


class Withdraw(EnrolmentView):
    """Calling an enrolment off."""

    required: ClassVar[dict[str, str]] = {"POST": PERMISSION}

    @extend_schema(
        operation_id="operations_enrolments_withdraw",
        summary="Withdraw an enrolment",
        request=None,
        responses=EnrolmentShown,
    )
    def post(self, request: Request, id: str) -> Response:
        """A new host leaves nothing; a known node is quarantined. 409 `enrolment_over` if it was over already."""
        try:
            operations.withdraw(enrolment=self.get_object(), actor=operator_of(request), now=now())
        except IllegalMove as error:
            raise Problem(409, "enrolment_over", "Over already", str(error)) from error
        return Response(EnrolmentShown(self.get_object()).data)
