"""Papers to file: invoices and credit notes as PDF, credit notes, and what invoices carry."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from accounts.http.views import OrganizationView
from billing import operations, printing
from billing.models import BillingAccount, CreditNote, Invoice
from billing.queries.receivables import notes_to_print, papers_to_print
from billing.serializers.energy import energy_file
from billing.serializers.papers import CreditNoteShown, InvoiceDetails
from leasing.api.certificates import AsItIs

PDF = {(200, "application/pdf"): OpenApiTypes.BINARY}


class InvoicePDF(OrganizationView):
    """An invoice for people."""

    queryset = Invoice.objects.all()
    content_negotiation_class = AsItIs
    required = {"GET": "money:read"}

    @extend_schema(operation_id="invoices_pdf", summary="Download an invoice as PDF", responses=PDF)
    def get(self, request: Request, id: str) -> HttpResponse:
        """As it was issued, the same bytes at each download, with the hash that freezes it."""
        invoice = self.get_object()
        return printing.download(invoice.number, printing.invoice_pdf(invoice))

    def get_queryset(self) -> QuerySet[Any]:
        """With all that is printed."""
        return papers_to_print().filter(organization=self.principal.organization)


class InvoiceEnergyFile(InvoicePDF):
    """The energy of an invoice's leases as a file."""

    @extend_schema(
        operation_id="invoices_energy_csv",
        summary="Download an invoice's energy and carbon",
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request, id: str) -> HttpResponse:
        """One line for each lease, as it was frozen with the invoice: watt-hours, micrograms of CO2e, hours."""
        return energy_file(self.get_object())


class CreditNotes(ListModelMixin, OrganizationView):
    """What was taken back of invoices."""

    queryset = CreditNote.objects.all()
    serializer_class = CreditNoteShown
    ordering = ("-issued_at", "-id")
    required = {"GET": "money:read"}

    @extend_schema(operation_id="credit_notes_list", summary="List credit notes")
    def get(self, request: Request) -> Response:
        """Every credit note with its lines, newest first."""
        return self.list(request)

    def get_queryset(self) -> QuerySet[Any]:
        """With their lines."""
        return notes_to_print().filter(organization=self.principal.organization)


class CreditNotePDF(CreditNotes):
    """A credit note for people."""

    content_negotiation_class = AsItIs

    @extend_schema(operation_id="credit_notes_pdf", summary="Download a credit note as PDF", responses=PDF)
    def get(self, request: Request, id: str) -> HttpResponse:  # type: ignore[override]
        """The same bytes at each download."""
        note = self.get_object()
        return printing.download(note.number, printing.credit_note_pdf(note))


class Details(OrganizationView):
    """What invoices carry."""

    queryset = BillingAccount.objects.all()
    serializer_class = InvoiceDetails
    required = {"GET": "money:read", "PUT": "money:write"}

    @extend_schema(operation_id="invoice_details_get", summary="Show what invoices carry")
    def get(self, request: Request) -> Response:
        """Your order number, name and address, as the next invoice will carry them."""
        account = BillingAccount.objects.filter(organization=self.principal.organization).first()
        return Response(InvoiceDetails(account or BillingAccount()).data)

    @extend_schema(operation_id="invoice_details_put", summary="Change what invoices carry")
    def put(self, request: Request) -> Response:
        """For invoices from now on; those that were issued stay as they are."""
        wanted = InvoiceDetails(data=request.data)
        wanted.is_valid(raise_exception=True)
        said, principal = wanted.validated_data, self.principal
        operations.set_details(organization=principal.organization, actor=principal.actor, now=now(), **said)
        return self.get(request)
