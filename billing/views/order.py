"""The order page: what, for how long, at which price; the price shown is kept while one fills in the rest."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache

from accounts.access import Principal, principal_of
from accounts.clock import now
from accounts.views import allowed
from billing import budgets, checkout, keeping, limits
from billing.forms import Details, Wish
from billing.forms.money import cents_to_ask
from billing.models import BillingMode, Quote
from billing.queries import wallet
from billing.queries.metered import mode_of, way_out
from leasing.models import Lease
from leasing.operations import NodesTaken, PowerTaken, Setup
from leasing.tasks import nudge_sites
from marketplace.forms import zones_for
from marketplace.models import Offer, PlanKind
from marketplace.queries import (
    Criteria,
    OfferRow,
    free_windows,
    largest_fabric_group,
    listed_offers,
    offer_row,
    soonest,
    terms_of,
)
from marketplace.queries.power import power_ahead
from marketplace.views.rules import pauses

TAKEN = "Somebody was faster: not all nodes are free any more. Nothing was ordered."
SCATTERED = "As many nodes are free, but not in one fabric group. Nothing was ordered: ask for fewer, or without it."


@dataclass(frozen=True)
class Price:
    """What the price panel shows: a quote, whether its nodes are free, and whether the wallet carries it."""

    quote: Quote
    row: OfferRow
    guaranteed_until: datetime | None
    available_micros: int
    now: datetime
    outlooks: list[budgets.Outlook]
    obstacle: str  # which limit or hold forbids the order
    refusal: str = ""  # why its nodes could not be held

    @property
    def holds(self) -> bool:
        """Whether nobody else can take its nodes now."""
        return self.quote.holds_until is not None and self.quote.holds_until > self.now

    @property
    def may_hold(self) -> bool:
        """Whether they can be held."""
        return keeping.may_hold(quote=self.quote) and not self.holds and self.row.enough

    @cached_property
    def hold_again_at(self) -> datetime | None:
        """From when they can be held again, where a hold lapsed a moment ago."""
        return keeping.again_at(quote=self.quote, now=self.now)

    @property
    def enough(self) -> bool:
        """Whether it can be ordered: its nodes are held for it, or as many are free."""
        return self.holds or self.row.enough

    @property
    def micros_per_hour(self) -> int:
        """Of all its nodes together."""
        return self.quote.micros_per_node_hour * self.quote.nodes

    @property
    def missing_micros(self) -> int:
        """What the wallet lacks; zero or less when it has enough."""
        return self.quote.hold_micros - self.available_micros

    @property
    def fits_budgets(self) -> bool:
        """Whether no budget refuses it."""
        return all(outlook.fits for outlook in self.outlooks)

    @property
    def pays_later(self) -> bool:
        """Whether an open invoice is paid for more to be available, rather than the wallet topped up."""
        return mode_of(self.quote.organization) != BillingMode.PREPAID

    @property
    def top_up_dollars(self) -> int:
        """A top-up that covers it."""
        return cents_to_ask(self.missing_micros) // 100


@never_cache
@allowed("lease:write")
def order(request: HttpRequest) -> HttpResponse:
    """The form and its price. Ordering twice makes one lease: the second time leads to the first."""
    asked = request.POST or request.GET
    principal, moment = principal_of(request), now()
    offer = get_object_or_404(listed_offers(principal.organization), public_id=asked.get("offer", ""))
    terms = terms_of(plan=offer.plan, at=moment)
    grouped = largest_fabric_group(pool=offer.pool) > 1
    zones = zones_for(site=offer.pool.site.time_zone, user=getattr(request.user, "time_zone", ""))
    wish = Wish(asked, terms=terms, window=Criteria().wish(terms, moment), zones=zones, grouped=grouped)
    project = asked.get("project", "").strip()
    details = Details(request.POST or None, organization=principal.organization)
    details.initial["project"] = project
    quote = _shown_quote(asked, principal)
    if quote and quote.lease:
        return redirect("lease", id=quote.lease.public_id)
    # Prices and holds are asked for by POST too: secrets stay out of addresses.
    ordering = request.method == "POST" and not {"reprice", "hold"} & set(request.POST)
    if ordering and wish.is_valid() and details.is_valid() and quote:
        lease = _place(request, quote, wish, details, moment)
        if lease:
            transaction.on_commit(nudge_sites, robust=True)
            return redirect("lease", id=lease.public_id)
    elif ordering and not quote:
        messages.info(request, "Check the price, then order.")
    price = _price(principal, offer, wish, moment, keep=quote, project=project)
    if price and ("hold" in request.POST or _held_before(quote, price)):
        price = _hold(price)
    page = "billing/_price.html" if request.headers.get("HX-Request") else "billing/order.html"
    context = {"offer": offer, "wish": wish, "details": details, "price": price, "now": moment}
    context["pauses"] = pauses(terms)
    surplus = offer.plan.kind == PlanKind.SURPLUS
    context["stretches"] = power_ahead(offer.pool, nodes=1, now=moment) if surplus else []
    return render(request, page, context)


def _shown_quote(asked: QueryDict, principal: Principal) -> Quote | None:
    found = Quote.objects.filter(organization=principal.organization, public_id=asked.get("quote", ""))
    return found.select_related("lease", "terms", "organization").first()


def _held_before(quote: Quote | None, price: Price) -> bool:
    """Whether the quote that was shown before holds nodes: what is wished now gets them, or others, instead."""
    live = quote is not None and quote.holds_until is not None and quote.holds_until > price.now
    return live and quote != price.quote


def _hold(price: Price) -> Price:
    """With its nodes held; or why they cannot be."""
    try:
        return replace(price, quote=keeping.hold_nodes(quote=price.quote, now=price.now))
    except keeping.CannotHold as refused:
        return replace(price, refusal=str(refused))
    except PowerTaken as short:
        return replace(price, refusal=f"{short} None is held.")
    except NodesTaken:
        return replace(price, refusal="Not all of the nodes are free for this period, and so none is held.")
    except (checkout.QuoteUsed, checkout.QuoteExpired):
        return replace(price, refusal="The price was renewed meanwhile. Check it and try again.")


def _place(request: HttpRequest, quote: Quote, wish: Wish, details: Details, moment: datetime) -> Lease | None:
    """The lease; or None, with what stands in the way said on the page."""
    if not _is_for(quote, wish, moment):
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
    except checkout.QuoteUsed as used:
        return used.lease
    except checkout.QuoteExpired:
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


def _is_for(quote: Quote, wish: Wish, moment: datetime) -> bool:
    """Whether the price that was shown is the price of what is wished now."""
    wanted = wish.window()
    same = quote.nodes == wanted["nodes"] and quote.ends_at == wanted["ends_at"]
    same = same and quote.same_fabric == (wanted["same_fabric"] and wanted["nodes"] > 1)
    at_once = wanted["starts_at"] is None and quote.starts_at <= soonest(quote.terms, moment)
    return same and (at_once or quote.starts_at == wanted["starts_at"]) and quote.expires_at > moment


def _price(
    principal: Principal, offer: Offer, wish: Wish, moment: datetime, *, keep: Quote | None, project: str
) -> Price | None:
    """The price of the wish, by the quote that was shown before while that is for the same. None for a bad wish."""
    if not wish.is_valid():
        return None
    try:
        quote = keep if keep and _is_for(keep, wish, moment) else _quote(principal, offer, wish, moment)
    except checkout.QuoteRefused as refusal:
        wish.add_error(refusal.field if refusal.field in wish.fields else None, refusal.message)
        return None
    except PowerTaken as short:
        wish.add_error("nodes", str(short))
        return None
    period = {name: value for name, value in wish.window().items() if name != "same_fabric"}
    criteria = Criteria(organization=principal.organization, **period)
    purse = wallet(organization=principal.organization, now=moment)
    return Price(
        quote=quote,
        row=offer_row(offer=offer, criteria=criteria, now=moment),
        guaranteed_until=quote.ends_at or _guaranteed_until(offer, quote.nodes, moment),
        available_micros=purse.available_micros,
        now=moment,
        outlooks=budgets.with_order(quote=quote, project=project, now=moment),
        obstacle=_obstacle(quote, moment),
    )


def _obstacle(quote: Quote, moment: datetime) -> str:
    """What its organization may not have, in words, before it orders in vain; budgets say more by themselves."""
    wanted: dict[str, Any] = {"nodes": quote.nodes, "starts_at": quote.starts_at, "ends_at": quote.ends_at}
    try:
        limits.check_ordering(organization=quote.organization)
        limits.check_nodes(organization=quote.organization, terms=quote.terms, now=moment, **wanted)
    except (limits.OrderingBlocked, limits.NodeLimitReached) as refusal:
        return str(refusal)
    return ""


def _quote(principal: Principal, offer: Offer, wish: Wish, moment: datetime) -> Quote:
    return checkout.quote(organization=principal.organization, offer=offer, now=moment, **wish.window())


def _guaranteed_until(offer: Offer, nodes: int, moment: datetime) -> datetime | None:
    """How far ahead an open-ended lease that begins now would be guaranteed at once."""
    until = moment + timedelta(seconds=terms_of(plan=offer.plan, at=moment).guarantee_seconds)
    windows = free_windows(offer=offer, nodes=nodes, starts_at=moment, until=until, now=moment)
    return next((window.ends_at for window in windows if window.starts_at <= moment), None)
