"""The operator's part of the API: what customers owe and paid, credit notes, and months that look wrong."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import operator_of, staff_of
from accounts.clock import now
from accounts.http.permissions import OperatorAllowed
from accounts.http.problems import Problem, bad_field
from billing import by_hand, credit_notes, invoicing, receivables
from billing.access import MAY_CREDIT, MAY_LOOK, MAY_RECORD, MAY_RELEASE, MAY_WRITE_OFF
from billing.api.adjustments import done_or_waiting
from billing.models import Invoice, ParkedMonth
from billing.queries.receivables import still_open
from billing.serializers.adjustments import AdjustmentShown
from billing.serializers.papers import CreditNoteShown
from billing.serializers.receivables import (
    NewCredit,
    NewTransfer,
    ParkedShown,
    ReceivableShown,
    TransferShown,
    WhyNot,
    WriteOffShown,
)


class StaffView(GenericAPIView[Any]):
    """For staff who hold the permission."""

    queryset: QuerySet[Any] = Invoice.objects.select_related("organization")
    permission_classes = [OperatorAllowed]
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    ordering: tuple[str, ...] = ("id",)


class Receivables(StaffView):
    """Who owes what."""

    serializer_class = ReceivableShown
    required = {"GET": MAY_LOOK}

    @extend_schema(
        operation_id="operations_receivables",
        summary="List what customers owe",
        responses=ReceivableShown(many=True),
        filters=False,
    )
    def get(self, request: Request) -> Response:
        """Invoices by transfer that are not paid, the earliest due first. Not in pages."""
        context = {"today": now().date()}
        return Response(ReceivableShown(still_open(Invoice.objects.all()), many=True, context=context).data)


class Transfers(StaffView):
    """What came to the bank."""

    serializer_class = NewTransfer
    required = {"POST": MAY_RECORD}

    @extend_schema(
        operation_id="operations_transfers",
        summary="Record a bank transfer",
        responses={201: TransferShown, 202: AdjustmentShown},
    )
    def post(self, request: Request) -> Response:
        """
        It pays the invoice it names, then the earliest due. The same reference again changes nothing. Above a limit it
        waits for a second person: 202, and the adjustment that somebody else has to approve.
        """
        wanted = NewTransfer(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            made = by_hand.record_transfer(**wanted.validated_data, by=staff_of(request), now=now())
        except receivables.BadTransfer as refused:
            raise bad_field(refused.field, str(refused)) from refused
        return done_or_waiting(made, TransferShown)


class Credits(StaffView):
    """Credit notes of one invoice."""

    serializer_class = NewCredit
    required = {"POST": MAY_CREDIT}

    @extend_schema(
        operation_id="operations_credit",
        summary="Issue a credit note",
        responses={201: CreditNoteShown, 202: AdjustmentShown},
    )
    def post(self, request: Request, id: str) -> Response:
        """
        Take back a part of an invoice's lines, which are numbered from 1 as they are shown. Above a limit it waits for
        a second person: 202, and the adjustment that somebody else has to approve.
        """
        invoice = self.get_object()
        wanted = NewCredit(data=request.data)
        wanted.is_valid(raise_exception=True)
        numbered = dict(enumerate(invoice.lines.values_list("pk", flat=True), start=1))
        asked = {numbered.get(one["line"], 0): one["cents"] for one in wanted.validated_data["lines"]}
        reason = wanted.validated_data["reason"]
        try:
            made = by_hand.credit(invoice=invoice, cents_by_line=asked, reason=reason, by=staff_of(request), now=now())
        except credit_notes.BadCredit as refused:
            raise bad_field("lines", str(refused)) from refused
        return done_or_waiting(made, CreditNoteShown)


class WriteOffs(StaffView):
    """What of an invoice is given up."""

    serializer_class = WhyNot
    required = {"POST": MAY_WRITE_OFF}

    @extend_schema(
        operation_id="operations_write_off",
        summary="Write an invoice off",
        responses={201: WriteOffShown, 202: AdjustmentShown},
    )
    def post(self, request: Request, id: str) -> Response:
        """
        What is open of it. 409 `nothing_owed` where nothing is. Above a limit it waits for a second person: 202, and
        the adjustment that somebody else has to approve.
        """
        invoice, wanted = self.get_object(), WhyNot(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            made = by_hand.write_off(invoice=invoice, by=staff_of(request), now=now(), **wanted.validated_data)
        except receivables.NothingOwed as refused:
            raise Problem(409, "nothing_owed", "Nothing is owed", str(refused)) from refused
        return done_or_waiting(made, WriteOffShown)


class ParkedMonths(StaffView):
    """Months that were not closed, for they look wrong."""

    queryset = ParkedMonth.objects.select_related("organization")
    serializer_class = ParkedShown
    ordering = ("-parked_at", "-id")
    required = {"GET": MAY_RELEASE}

    @extend_schema(operation_id="operations_parked_months", summary="List parked months")
    def get(self, request: Request) -> Response:
        """The newest first, released ones with who released them and why."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(ParkedShown(page, many=True).data)


class Release(StaffView):
    """Let a month be closed."""

    queryset = ParkedMonth.objects.select_related("organization")
    serializer_class = WhyNot
    required = {"POST": MAY_RELEASE}

    @extend_schema(operation_id="operations_release_month", summary="Release a parked month", responses=ParkedShown)
    def post(self, request: Request, id: str) -> Response:
        """It is closed as it stands, by the next sweep. 409 `already_released` where somebody was faster."""
        parked, wanted = self.get_object(), WhyNot(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            invoicing.release(parked=parked, actor=operator_of(request), now=now(), **wanted.validated_data)
        except invoicing.AlreadyReleased as refused:
            raise Problem(409, "already_released", "Already released", str(refused)) from refused
        return Response(ParkedShown(self.get_object()).data)
