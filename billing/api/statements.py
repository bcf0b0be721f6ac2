"""The ledger, movement by movement, and statements of it."""

from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from accounts.http.views import OrganizationView
from accounts.serializers import filters
from billing.models import Entry, Posting
from billing.queries.statements import movements, statement
from billing.serializers import EntryShown
from billing.serializers.exports import as_csv
from billing.serializers.statements import LedgerFilter, PostingShown, StatementFilter, StatementShown, asked_of


class Ledger(ListModelMixin, OrganizationView):
    """Every movement of the wallet."""

    queryset = Entry.objects.all()
    serializer_class = EntryShown
    ordering = ("-id",)
    required = {"GET": "money:read"}

    @extend_schema(operation_id="ledger_list", summary="List ledger entries", parameters=[LedgerFilter])
    def get(self, request: Request) -> Response:
        """Movements, newest first. They are never changed or removed; corrections are movements of their own."""
        return self.list(request)

    def get_queryset(self) -> QuerySet[Any]:
        """The wallet's entries that are asked for."""
        wanted = filters(LedgerFilter, self.request.query_params)
        named = {name: value for name, value in wanted.items() if name not in {"cursor", "page_size"}}
        return movements(organization=self.principal.organization, **named)


class OneMovement(OrganizationView):
    """One movement whole."""

    queryset = Posting.objects.select_related("lease", "payment", "link").prefetch_related("entries__account")
    serializer_class = PostingShown
    required = {"GET": "money:read"}

    @extend_schema(operation_id="ledger_get", summary="Show a movement")
    def get(self, request: Request, id: str) -> Response:
        """Every account that it touched, what is behind it, and its place in the chain of hashes."""
        return Response(PostingShown(self.get_object()).data)


class Statements(OrganizationView):
    """Statements of the wallet."""

    queryset = Entry.objects.all()
    serializer_class = StatementShown
    required = {"GET": "money:read"}

    @extend_schema(operation_id="statements_get", summary="Show a statement", parameters=[StatementFilter])
    def get(self, request: Request) -> Response:
        """
        Opening balance, what moved by lease, project tag or day, and closing balance. Its movements one by one are in
        `statements.csv`, or in `ledger` with the same `since` and `until`.
        """
        wanted = filters(StatementFilter, asked_of(request.query_params, now=now()))
        return Response(StatementShown(statement(organization=self.principal.organization, **wanted)).data)


class StatementFile(OrganizationView):
    """The movements of a statement as a file."""

    queryset = Entry.objects.all()
    serializer_class = EntryShown
    required = {"GET": "money:read"}

    @extend_schema(
        operation_id="statements_csv",
        summary="Download a statement's movements",
        parameters=[StatementFilter],
        responses={(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR)},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """CSV, newest first: amounts in micro-dollars and in dollars, times in UTC, and each movement's hash."""
        wanted = filters(StatementFilter, asked_of(request.query_params, now=now()))
        rows = movements(organization=self.principal.organization, since=wanted["since"], until=wanted["until"])
        return StreamingHttpResponse(as_csv(rows.iterator(chunk_size=1000)), content_type="text/csv; charset=utf-8")
