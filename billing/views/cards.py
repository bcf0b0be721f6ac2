"""Saved cards: which there are, saving one on the processor's page, the default, and letting one go."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache

from accounts.access import may, principal_of
from accounts.clock import now
from accounts.views import allowed
from billing import cards as saving
from billing import opening, payments
from billing.models import CardPage, CardPageState, SavedCard
from billing.payments.base import GatewayUnavailable
from billing.queries.metered import mode_of


@allowed("money:read")
def cards(request: HttpRequest) -> HttpResponse:
    """Every saved card, the default first."""
    principal = principal_of(request)
    context = {
        "cards": saving.cards_of(principal.organization),
        "soon": now() + saving.TELL_BEFORE,
        "may_pay": may(principal, "money:write"),
        "mode": mode_of(principal.organization),
    }
    return render(request, "billing/cards.html", context)


@allowed("money:write")
def card_new(request: HttpRequest) -> HttpResponse:
    """Say what is going to happen, then lead on to the processor's page."""
    principal = principal_of(request)
    if request.method == "POST":
        page = saving.request_page(
            organization=principal.organization, actor=principal.actor, created_by=principal.user, now=now()
        )
        return redirect("card_opening", id=page.public_id)
    return render(request, "billing/card_new.html", {"mode": mode_of(principal.organization)})


@allowed("money:write")
def card_opening(request: HttpRequest, id: str) -> HttpResponse:
    """A moment on the way to the processor: a page of ours, because a form may not lead to another site directly."""
    page = _page(request, id)
    if page.state != CardPageState.OPEN:
        return redirect("card_saving", id=id)
    return render(request, "billing/card_opening.html", {"page": page})


@never_cache
@allowed("money:write")
def card_type(request: HttpRequest, id: str) -> HttpResponse:
    """On to the processor's page, where the card is typed."""
    page = _page(request, id)
    try:
        return redirect(opening.card_page(page=page, gateway=payments.gateway(), now=now()))
    except opening.PageOver:
        return redirect("card_saving", id=id)
    except GatewayUnavailable:
        return render(request, "billing/card_unavailable.html", {"page": page}, status=503)


@never_cache
@allowed("money:read")
def card_saving(request: HttpRequest, id: str) -> HttpResponse:
    """How far the saving of a card is, for who comes back from the processor."""
    page = _page(request, id)
    shown = "billing/_card_saving.html" if request.headers.get("HX-Request") else "billing/card_saving.html"
    mode = mode_of(page.organization)
    return render(request, shown, {"page": page, "waiting": page.state == CardPageState.OPEN, "mode": mode})


@allowed("money:write")
def card_default(request: HttpRequest, id: str) -> HttpResponse:
    """Charge this one where none is named. Asked for by a button, so only POST changes something."""
    card = _card(request, id)
    if request.method == "POST":
        saving.make_default(card=card, actor=principal_of(request).actor, now=now())
        messages.success(request, f"{card} is your default card now.")
    return redirect("cards")


@allowed("money:write")
def card_remove(request: HttpRequest, id: str) -> HttpResponse:
    """Ask, then never charge it again."""
    card = _card(request, id)
    if request.method == "POST":
        try:
            saving.remove(card=card, actor=principal_of(request).actor, now=now())
        except saving.CardNeeded as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, f"{card} is removed. It will not be charged any more.")
        return redirect("cards")
    return render(request, "billing/card_remove.html", {"card": card})


def _card(request: HttpRequest, id: str) -> SavedCard:
    return get_object_or_404(saving.cards_of(principal_of(request).organization), public_id=id)


def _page(request: HttpRequest, id: str) -> CardPage:
    pages = CardPage.objects.select_related("organization", "card")
    return get_object_or_404(pages, organization=principal_of(request).organization, public_id=id)
