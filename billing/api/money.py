"""The wallet, invoices, money in and money out."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from accounts.http.idempotency import idempotent
from accounts.http.problems import bad_field
from accounts.http.views import OrganizationView
from billing import charging, invoicing, refunds, settlement
from billing.cards import cards_of
from billing.models import CardInvoice, Invoice, LedgerAccount, Payment, Refund
from billing.queries import refundable_cents, wallet
from billing.queries.energy import energy_in
from billing.queries.metered import matched_on, mode_of
from billing.queries.months import month_of, next_month
from billing.queries.taxes import tax_at
from billing.serializers import (
    CardInvoiceShown,
    InvoiceShown,
    InvoiceWithLines,
    NewRefund,
    NewTopUp,
    PreviewShown,
    RefundShown,
    TopUpShown,
    WalletShown,
)
from billing.tasks import send_calls


class OwnWallet(OrganizationView):
    """The organization's wallet."""

    queryset = LedgerAccount.objects.all()
    serializer_class = WalletShown
    required = {"GET": "money:read"}

    @extend_schema(operation_id="wallet_get", summary="Show the wallet")
    def get(self, request: Request) -> Response:
        """What is there, what is spoken for, and how long it lasts, to the second."""
        own, moment = self.principal.organization, now()
        purse = wallet(organization=own, now=moment)
        most = refundable_cents(organization=own, now=moment)
        context = {"refundable_cents": most, "mode": mode_of(own), "matched_on": matched_on(own)}
        return Response(WalletShown(purse, context=context).data)


class Invoices(ListModelMixin, OrganizationView):
    """The organization's invoices."""

    queryset = Invoice.objects.all()
    serializer_class = InvoiceShown
    ordering = ("-period_start", "-id")
    required = {"GET": "money:read"}

    @extend_schema(operation_id="invoices_list", summary="List invoices")
    def get(self, request: Request) -> Response:
        """Invoices of past months, newest first."""
        return self.list(request)


class CardInvoices(ListModelMixin, OrganizationView):
    """The card processor's invoices."""

    queryset = CardInvoice.objects.all()
    serializer_class = CardInvoiceShown
    ordering = ("-period_end", "-id")
    required = {"GET": "money:read"}

    @extend_schema(operation_id="card_invoices_list", summary="List invoices charged to your card")
    def get(self, request: Request) -> Response:
        """Of months that were metered, newest first, with the addresses of their pages and files."""
        return self.list(request)


class InvoicePreview(OrganizationView):
    """The running month."""

    queryset = Invoice.objects.all()
    serializer_class = PreviewShown
    required = {"GET": "money:read"}

    @extend_schema(operation_id="invoices_preview", summary="Preview the running month's invoice")
    def get(self, request: Request) -> Response:
        """The invoice that the running UTC month would get if it ended now."""
        moment = now()
        lines = invoicing.preview(organization=self.principal.organization, now=moment)
        month = month_of(moment)
        shown = {
            "period_start": month,
            "period_end": next_month(month),
            "total_cents": sum(line.cents for line in lines),
            "tax": tax_at(organization=self.principal.organization, end=moment).rule,
            "lines": lines,
            "energy": energy_in(self.principal.organization, month),
        }
        return Response(PreviewShown(shown).data)


class OneInvoice(OrganizationView):
    """One invoice."""

    queryset = Invoice.objects.prefetch_related("lines__lease", "energy__lease")
    serializer_class = InvoiceWithLines
    required = {"GET": "money:read"}

    @extend_schema(operation_id="invoices_get", summary="Show an invoice")
    def get(self, request: Request, id: str) -> Response:
        """One invoice with its lines."""
        return Response(InvoiceWithLines(self.get_object()).data)


class TopUps(ListModelMixin, OrganizationView):
    """Payments into the wallet."""

    queryset = Payment.objects.select_related("card")
    serializer_class = TopUpShown
    required = {"GET": "money:read", "POST": "money:write"}

    @extend_schema(operation_id="top_ups_list", summary="List top-ups")
    def get(self, request: Request) -> Response:
        """Every top-up, newest first."""
        return self.list(request)

    @extend_schema(operation_id="top_ups_create", summary="Top up", request=NewTopUp, responses={201: TopUpShown})
    @idempotent
    def post(self, request: Request) -> Response:
        """
        Begin a top-up. Open `checkout_url` in a browser to pay, or name a saved `card`, which is charged at once; the
        wallet grows once the payment is confirmed.
        """
        wanted = NewTopUp(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            payment = self._asked(**wanted.validated_data)
        except settlement.BadAmount as error:
            raise bad_field("amount_cents", str(error)) from error
        except charging.CardGone as error:
            raise bad_field("card", str(error)) from error
        return Response(TopUpShown(payment).data, status=201)

    def _asked(self, *, amount_cents: int, keep_card: bool, card: str = "") -> Payment:
        """Raises BadAmount, CardGone."""
        who = {"organization": self.principal.organization, "actor": self.principal.actor}
        wish: Any = {**who, "created_by": self.principal.user, "amount_cents": amount_cents, "now": now()}
        if not card:
            return settlement.request_top_up(keep_card=keep_card, **wish)
        saved = cards_of(self.principal.organization).filter(public_id=card).first()
        if saved is None:
            raise charging.CardGone
        payment = charging.request_charge(card=saved, **wish)
        transaction.on_commit(send_calls.delay, robust=True)  # at once, where the sweep would take a few seconds
        return payment


class OneTopUp(OrganizationView):
    """One top-up."""

    queryset = Payment.objects.select_related("card")
    serializer_class = TopUpShown
    required = {"GET": "money:read"}

    @extend_schema(operation_id="top_ups_get", summary="Show a top-up")
    def get(self, request: Request, id: str) -> Response:
        """How far it is."""
        return Response(TopUpShown(self.get_object()).data)


class Refunds(ListModelMixin, OrganizationView):
    """Money back to the cards that it came from."""

    queryset = Refund.objects.select_related("payment")
    serializer_class = RefundShown
    required = {"GET": "money:read", "POST": "money:write"}

    @extend_schema(operation_id="refunds_list", summary="List refunds")
    def get(self, request: Request) -> Response:
        """Every refund, newest first."""
        return self.list(request)

    @extend_schema(
        operation_id="refunds_create", summary="Refund", request=NewRefund, responses={201: RefundShown(many=True)}
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Send unused money back, to the newest payments first. One refund for each payment that it touches."""
        wanted = NewRefund(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            made = refunds.request_refund(
                organization=self.principal.organization,
                actor=self.principal.actor,
                created_by=self.principal.user,
                amount_cents=wanted.validated_data["amount_cents"],
                now=now(),
            )
        except refunds.RefundTooLarge as error:
            raise bad_field("amount_cents", str(error)) from error
        return Response(RefundShown(made, many=True).data, status=201)

    def get_queryset(self) -> QuerySet[Any]:
        """Refunds of the organization's payments."""
        return Refund.objects.select_related("payment").filter(payment__organization=self.principal.organization)
