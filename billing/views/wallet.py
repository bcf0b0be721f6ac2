"""The wallet: what is there, money in, money out."""

from collections.abc import Iterable
from datetime import timedelta

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import may, principal_of
from accounts.clock import now
from accounts.views import allowed
from billing import automatic, charging, opening, payments, queries, refunds, settlement, standing
from billing.cards import cards_of
from billing.forms.money import NewRefund, TopUp
from billing.models import Payment, PaymentState, Posting, PostingKind, Refund, SavedCard
from billing.payments.base import GatewayUnavailable
from billing.queries.metered import matched_on, mode_of, way_out
from billing.queries.reconciled import matched_until
from billing.queries.taxes import tax_at
from billing.tasks import send_calls

ENTRIES_SHOWN, PAYMENTS_SHOWN = 8, 5
LATE = timedelta(seconds=10)  # a card is charged in less


@allowed("money:read")
def wallet(request: HttpRequest) -> HttpResponse:
    """What is there, what is spoken for, and how long it lasts."""
    principal = principal_of(request)
    own, moment = principal.organization, now()
    paused = "They are paused when their last kept hour is used."
    under_way = Payment.objects.filter(organization=own).prefetch_related("disputes").order_by("-id")
    returning = Refund.objects.filter(payment__organization=own).order_by("-id")
    purse = queries.wallet(organization=own, now=moment)
    surplus = list(filter(standing.is_surplus, purse.readings))
    stopped = [r.meter.lease for r in purse.readings if standing.is_paused(r) and r not in surplus]
    context = {
        "wallet": purse,
        "surplus_runs": any(reading.runs_on_credit for reading in surplus),
        "surplus_stopped": any(map(standing.is_paused, surplus)),
        "kept_until": min((lease.deadline for lease in stopped if lease.deadline), default=None),
        "way_out": way_out(own),
        "owed_micros": -purse.balance_micros,
        "mode": mode_of(own),
        "nothing_left": f"{paused} {way_out(own)} and they go on by themselves.",
        "matched_on": matched_on(own),
        "refundable_cents": queries.refundable_cents(organization=own, now=moment),
        "entries": queries.ledger_entries(organization=own)[:ENTRIES_SHOWN],
        "payments": under_way[:PAYMENTS_SHOWN],
        "refunds": _with_movements(returning[:PAYMENTS_SHOWN]),
        "matched_until": matched_until(organization=own) if under_way.exists() else None,
        "form": TopUp(cards=cards_of(own), initial={"amount": 100}),
        "card": cards_of(own).first(),
        "credits": queries.credits_left(own).select_related("posting"),
        "rules": automatic.rules_of(own),
        "charged_cents": automatic.used_cents(organization=own, now=moment),
        "may_pay": may(principal, "money:write"),
        "tax": tax_at(organization=own, end=moment).rule,
    }
    return render(request, "billing/wallet.html", context)


def _with_movements(rows: Iterable[Refund]) -> list[tuple[Refund, str]]:
    """Each with the id of the movement by which it left the wallet."""
    found = list(rows)
    keys = [f"{PostingKind.REFUND}:{row.public_id}" for row in found]
    movements = dict(Posting.objects.filter(key__in=keys).values_list("key", "public_id"))
    return [(row, movements[key]) for row, key in zip(found, keys, strict=True)]


@allowed("money:write")
def top_up(request: HttpRequest) -> HttpResponse:
    """Ask how much and by which card: a saved one is charged, for another it leads on to the processor's page."""
    own = principal_of(request).organization
    form = TopUp(request.POST or None, cards=cards_of(own), initial={"amount": request.GET.get("amount") or 100})
    if form.is_valid():
        card = form.cleaned_data["card"]
        payment = _charge(request, form, card) if card else _request(request, form)
        if payment is not None:
            return redirect("payment" if card else "payment_opening", id=payment.public_id)
    return render(request, "billing/top_up.html", {"form": form, "mode": mode_of(own)})


def _request(request: HttpRequest, form: TopUp) -> Payment:
    principal = principal_of(request)
    return settlement.request_top_up(
        organization=principal.organization,
        actor=principal.actor,
        created_by=principal.user,
        amount_cents=form.cents(),
        keep_card=form.cleaned_data["keep_card"],
        now=now(),
    )


def _charge(request: HttpRequest, form: TopUp, card: SavedCard) -> Payment | None:
    principal = principal_of(request)
    try:
        with transaction.atomic():
            payment = charging.request_charge(
                organization=principal.organization,
                actor=principal.actor,
                created_by=principal.user,
                card=card,
                amount_cents=form.cents(),
                now=now(),
            )
            transaction.on_commit(send_calls.delay, robust=True)  # at once, where the sweep would take a few seconds
    except charging.CardGone as refusal:
        form.add_error("card", str(refusal))
        return None
    return payment


@allowed("money:read")
def payment_opening(request: HttpRequest, id: str) -> HttpResponse:
    """A moment on the way to the processor: a page of ours, because a form may not lead to another site directly."""
    found = _payment(request, id)
    if found.state != PaymentState.PENDING or found.card:
        return redirect("payment", id=id)
    return render(request, "billing/payment_opening.html", {"payment": found})


@never_cache
@require_safe
def pay(request: HttpRequest, id: str) -> HttpResponse:
    """On to the processor's page. Open to whoever has the address: all that one can do there is pay."""
    found = get_object_or_404(Payment.objects.select_related("organization", "created_by"), public_id=id)
    try:
        return redirect(opening.open_checkout(payment=found, gateway=payments.gateway(), now=now()))
    except opening.PageOver:
        return redirect("payment", id=id)
    except GatewayUnavailable:
        return render(request, "billing/payment_unavailable.html", {"payment": found}, status=503)


@never_cache
@allowed("money:write")
def payment_confirm(request: HttpRequest, id: str) -> HttpResponse:
    """On to the bank's page, where the owner of a saved card confirms a charge."""
    found = _payment(request, id)
    try:
        return redirect(opening.bank_page(payment=found, gateway=payments.gateway(), now=now()))
    except opening.PageOver:
        return redirect("payment", id=id)
    except GatewayUnavailable:
        return render(request, "billing/payment_unavailable.html", {"payment": found}, status=503)


@never_cache
@allowed("money:read")
def payment(request: HttpRequest, id: str) -> HttpResponse:
    """How far a top-up is. Coming back from the processor proves nothing: only what it tells us itself does."""
    found = _payment(request, id)
    page = "billing/_payment.html" if request.headers.get("HX-Request") else "billing/payment.html"
    late = now() - found.created_at > LATE
    return render(request, page, {"payment": found, "waiting": found.state in charging.OPEN, "late": late})


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
    own = Payment.objects.select_related("card", "organization").filter(organization=principal_of(request).organization)
    return get_object_or_404(own, public_id=id)
