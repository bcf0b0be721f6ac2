"""The order page: what, for how long, at which price; the price shown is kept while one fills in the rest."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django_htmx.http import replace_url

from accounts.access import Principal, principal_of
from accounts.clock import now
from accounts.views import allowed
from billing import checkout, quotes
from billing.filling import order_path
from billing.forms import Details, Wish
from billing.models import Quote
from billing.queries.metered import way_out
from billing.views.price import POWER_TAKEN, Price, is_for, price_of, with_hold
from billing.views.ways_out import ways_out
from leasing.models import Lease
from leasing.operations import NodesTaken, PowerTaken, Setup
from leasing.tasks import nudge_sites
from marketplace.forms import zones_for
from marketplace.models import Offer, PlanKind
from marketplace.queries import Criteria, largest_fabric_group, listed_offers, terms_of
from marketplace.queries.power import power_ahead
from marketplace.views.addresses import order_address
from marketplace.views.rules import pauses

TAKEN = "Somebody was faster: not all nodes are free any more. Nothing was ordered."
SCATTERED = "Not as many nodes are free in one fabric group any more. Nothing was ordered."


@never_cache
@allowed("lease:write")
def order(request: HttpRequest) -> HttpResponse:
    """The form and its price. Ordering twice makes one lease: the second time leads to the first."""
    asked = _asked(request)
    principal, moment = principal_of(request), now()
    offer = get_object_or_404(listed_offers(principal.organization), public_id=asked.get("offer", ""))
    terms = terms_of(plan=offer.plan, at=moment)
    grouped = largest_fabric_group(pool=offer.pool) > 1
    zones = zones_for(site=offer.pool.site.time_zone, user=getattr(request.user, "time_zone", ""))
    wish = Wish(asked, terms=terms, window=Criteria().wish(terms, moment), zones=zones, grouped=grouped)
    wanted = wish.window() if wish.is_valid() else {}
    project = asked.get("project", "").strip()
    details = Details(request.POST or None, organization=principal.organization, now=moment)
    details.initial["project"] = project
    shown = _shown_quote(asked, offer, principal)
    if shown and shown.lease:
        return redirect("lease", id=shown.lease.public_id)
    # Prices, holds and other times are asked for by POST too: secrets stay out of addresses.
    ordering = request.method == "POST" and not {"reprice", "hold", "take"} & set(request.POST)
    if ordering and wish.is_valid() and details.is_valid() and shown:
        lease = _place(request, shown, wish, details, moment)
        if lease:
            transaction.on_commit(nudge_sites, robust=True)
            return redirect("lease", id=lease.public_id)
    elif ordering and not shown:
        messages.info(request, "Check the price, then order.")
    held = quotes.holding(organization=principal.organization, offer=offer, now=moment)
    price = price_of(principal, offer, wish, moment, held=held, shown=shown, project=project)
    if price and ("hold" in request.POST or _held_before(shown, price)):
        price = with_hold(price)
    zone = wish.chosen.key if asked.get("zone") else ""
    context = {"offer": offer, "wish": wish, "details": details, "price": price, "now": moment, "project": project}
    context["taken"] = "take" in request.POST
    if wish.has_error("nodes", POWER_TAKEN) or (price and not price.enough):
        context["ways_out"] = ways_out(offer, terms, wanted, zone, moment)
    if price and price.held_beside:
        context["held_address"] = order_path(price.held_beside) + _tag(project)
    context["pauses"] = pauses(terms)
    surplus = offer.plan.kind == PlanKind.SURPLUS
    context["stretches"] = power_ahead(offer.pool, nodes=1, now=moment) if surplus else []
    if not request.headers.get("HX-Request"):
        return render(request, "billing/order.html", context)
    answer = render(request, "billing/_price.html", context)
    return (
        replace_url(answer, _address(price, wanted, zone, project))
        if price and (price.holds or context["taken"])
        else answer
    )


def _asked(request: HttpRequest) -> QueryDict:
    """What is asked for: with times that the page proposed, these in place of those that were typed."""
    asked = (request.POST or request.GET).copy()
    starts_at, _, ends_at = asked.get("take", "").partition("/")
    for name, at in (("starts_at", starts_at), ("ends_at", ends_at)):
        if at:
            asked[name] = at
            asked.pop(f"{name}_offset", None)
    return asked


def _address(price: Price, wanted: Mapping[str, Any], zone: str, project: str) -> str:
    """Of the page with what is wished and its quote: loaded again, it shows what is held."""
    address = order_address(price.quote.offer, Criteria(**wanted), zone)
    return f"{address}&quote={price.quote.public_id}{_tag(project)}"


def _tag(project: str) -> str:
    return f"&{urlencode({'project': project})}" if project else ""


def _shown_quote(asked: QueryDict, offer: Offer, principal: Principal) -> Quote | None:
    found = Quote.objects.filter(organization=principal.organization, offer=offer, public_id=asked.get("quote", ""))
    return found.select_related("lease", "terms", "organization", "offer").first()


def _held_before(quote: Quote | None, price: Price) -> bool:
    """Whether the quote that was shown before holds nodes: what is wished now gets them, or others, instead."""
    live = quote is not None and quote.holds_until is not None and quote.holds_until > price.now
    return live and quote != price.quote


def _place(request: HttpRequest, quote: Quote, wish: Wish, details: Details, moment: datetime) -> Lease | None:
    """The lease; or None, with what stands in the way said on the page."""
    if not is_for(quote, wish, moment):
        messages.warning(request, "The price was renewed. Check it and order again.")
        return None
    principal = principal_of(request)
    try:
        with transaction.atomic():
            return checkout.place(
                organization=principal.organization,
                actor=principal.actor,
                created_by=principal.user,
                quote=quote.public_id,
                setup=Setup(**details.cleaned_data),
                now=moment,
            )
    except quotes.QuoteUsed as used:
        return used.lease
    except quotes.QuoteExpired:
        messages.warning(request, "The price was renewed. Check it and order again.")
    except checkout.RunsDry:
        messages.error(
            request,
            f"What you run on demand has less than an hour of money left. {way_out(principal.organization)} first; "
            "nothing was ordered.",
        )
    except checkout.InsufficientFunds:
        then = f"{way_out(principal.organization)} first."
        messages.error(request, f"Not enough money is available. Nothing was ordered. {then}")
    except checkout.CAPS as refusal:
        messages.error(request, f"{refusal} Nothing was ordered.")
    except PowerTaken as short:
        messages.error(request, f"{short} Nothing was ordered.")
    except NodesTaken as taken:
        messages.error(request, SCATTERED if taken.scattered else TAKEN)
    return None
