"""The wallet: what is there, money in, money out."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import may, principal_of
from accounts.clock import now
from accounts.views import allowed
from billing import payments, queries, refunds, settlement
from billing.forms import NewRefund, TopUp
from billing.models import Payment, PaymentState, Refund
from billing.payments.base import GatewayUnavailable
from billing.queries.metered import matched_on, mode_of

ENTRIES_SHOWN, PAYMENTS_SHOWN = 8, 5


@allowed("money:read")
def wallet(request: HttpRequest) -> HttpResponse:
    """What is there, what is spoken for, and how long it lasts."""
    principal = principal_of(request)
    own, moment = principal.organization, now()
    under_way = Payment.objects.filter(organization=own).order_by("-id")
    returning = Refund.objects.filter(payment__organization=own).order_by("-id")
    context = {
        "wallet": queries.wallet(organization=own, now=moment),
        "mode": mode_of(own),
        "matched_on": matched_on(own),
        "refundable_cents": queries.refundable_cents(organization=own, now=moment),
        "entries": queries.ledger_entries(organization=own)[:ENTRIES_SHOWN],
        "payments": under_way[:PAYMENTS_SHOWN],
        "refunds": returning[:PAYMENTS_SHOWN],
        "form": TopUp(),
        "may_pay": may(principal, "money:write"),
    }
    return render(request, "billing/wallet.html", context)


@allowed("money:write")
def top_up(request: HttpRequest) -> HttpResponse:
    """Ask how much, then lead on to the processor's page."""
    principal = principal_of(request)
    form = TopUp(request.POST or None, initial={"amount": request.GET.get("amount") or 100})
    if form.is_valid():
        payment = settlement.request_top_up(
            organization=principal.organization,
            actor=principal.actor,
            created_by=principal.user,
            amount_cents=form.cents(),
            now=now(),
        )
        return redirect("payment_opening", id=payment.public_id)
    return render(request, "billing/top_up.html", {"form": form})


@allowed("money:read")
def payment_opening(request: HttpRequest, id: str) -> HttpResponse:
    """A moment on the way to the processor: a page of ours, because a form may not lead to another site directly."""
    found = _payment(request, id)
    if found.state != PaymentState.PENDING:
        return redirect("payment", id=id)
    return render(request, "billing/payment_opening.html", {"payment": found})


@never_cache
@require_safe
def pay(request: HttpRequest, id: str) -> HttpResponse:
    """On to the processor's page. Open to whoever has the address: all that one can do there is pay."""
    found = get_object_or_404(Payment.objects.select_related("organization", "created_by"), public_id=id)
    try:
        return redirect(settlement.open_checkout(payment=found, gateway=payments.gateway()))
    except settlement.CheckoutOver:
        return redirect("payment", id=id)
    except GatewayUnavailable:
        return render(request, "billing/payment_unavailable.html", {"payment": found}, status=503)


@never_cache
@allowed("money:read")
def payment(request: HttpRequest, id: str) -> HttpResponse:
    """How far a top-up is. Coming back from the processor proves nothing: only what it tells us itself does."""
    found = _payment(request, id)
    page = "billing/_payment.html" if request.headers.get("HX-Request") else "billing/payment.html"
    return render(request, page, {"payment": found, "waiting": found.state == PaymentState.PENDING})


@allowed("money:write")
def refund(request: HttpRequest) -> HttpResponse:
    """Send unused money back to the cards that it came from."""
    principal = principal_of(request)
    most = queries.refundable_cents(organization=principal.organization, now=now())
    form = NewRefund(request.POST or None, initial={"amount": f"{most / 100:.2f}"})
    if form.is_valid():
        try:
            refunds.request_refund(
                organization=principal.organization,
                actor=principal.actor,
                created_by=principal.user,
                amount_cents=form.cents(),
                now=now(),
            )
        except refunds.RefundTooLarge as refusal:
            form.add_error("amount", str(refusal))
        else:
            messages.success(request, "The money is on its way to your card. Banks show it within 5 to 10 days.")
            return redirect("wallet")
    return render(request, "billing/refund.html", {"form": form, "most_cents": most})


def _payment(request: HttpRequest, id: str) -> Payment:
    return get_object_or_404(Payment, organization=principal_of(request).organization, public_id=id)
