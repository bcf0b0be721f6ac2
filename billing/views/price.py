"""The price panel of the order page: a quote of what is wished, if its nodes are free, and if the wallet has enough."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.forms import ValidationError

from accounts.access import Principal
from billing import budgets, checkout, keeping, limits, quotes
from billing.forms import Wish
from billing.forms.money import cents_to_ask
from billing.models import BillingMode, Quote
from billing.queries import wallet
from billing.queries.metered import mode_of
from leasing.operations import NodesTaken, PowerTaken, are_free
from marketplace.models import Offer
from marketplace.queries import (
    Criteria,
    OfferRow,
    Window,
    free_nodes,
    free_windows,
    guaranteed_until,
    has_power,
    most_together,
    occupied,
    offer_row,
    soonest,
    together,
)

POWER_TAKEN = "power_taken"  # marks the error of a wish for which a site has not the power


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
    held: Quote | None  # what the organization holds of the offer
    refusal: str = ""  # why its nodes could not be held
    scattered: bool = False  # as many nodes are free, but not in one fabric group

    @property
    def holds(self) -> bool:
        """Whether nobody else can take its nodes now."""
        return self.quote.holds_until is not None and self.quote.holds_until > self.now

    @property
    def held_beside(self) -> Quote | None:
        """Another quote that holds nodes of the offer."""
        return None if self.held == self.quote else self.held

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


def is_for(quote: Quote, wish: Wish, moment: datetime) -> bool:
    """Whether the price that was shown is the price of what is wished now."""
    wanted = wish.window()
    same = quote.nodes == wanted["nodes"] and quote.ends_at == wanted["ends_at"]
    same = same and quote.same_fabric == together(nodes=wanted["nodes"], same_fabric=wanted["same_fabric"])
    at_once = wanted["starts_at"] is None and quote.starts_at <= soonest(quote.terms, moment)
    return same and (at_once or quote.starts_at == wanted["starts_at"]) and quote.expires_at > moment


def with_hold(price: Price) -> Price:
    """With its nodes held; or why they cannot be."""
    try:
        quote = keeping.hold_nodes(quote=price.quote, now=price.now)
    except (keeping.CannotHold, *checkout.CAPS) as refused:
        return replace(price, refusal=str(refused))
    except PowerTaken as short:
        return replace(price, refusal=f"{short} None is held.")
    except NodesTaken:
        return replace(price, refusal="Not all of the nodes are free for this period, and so none is held.")
    except (quotes.QuoteUsed, quotes.QuoteExpired):
        return replace(price, refusal="The price was renewed meanwhile. Check it and try again.")
    return replace(price, quote=quote, held=quote)


def price_of(
    principal: Principal,
    offer: Offer,
    wish: Wish,
    moment: datetime,
    *,
    held: Quote | None,
    shown: Quote | None,
    project: str,
) -> Price | None:
    """
    The price of the wish: by the quote that holds nodes of the offer, else by the one that was shown before, while that
    is for the same. None for a bad wish.
    """
    if not wish.is_valid():
        return None
    known = (quote for quote in (held, shown) if quote and is_for(quote, wish, moment))
    try:
        quote = next(known, None) or _quote(principal, offer, wish, moment)
    except checkout.QuoteRefused as refusal:
        wish.add_error(refusal.field if refusal.field in wish.fields else None, refusal.message)
        return None
    except PowerTaken as short:
        wish.add_error("nodes", ValidationError(str(short), code=POWER_TAKEN))
        return None
    purse = wallet(organization=principal.organization, now=moment)
    row = _row(quote, wish, held, moment)
    return Price(
        quote=quote,
        row=row,
        guaranteed_until=quote.ends_at or _guaranteed_until(quote, moment),
        available_micros=purse.available_micros,
        now=moment,
        outlooks=budgets.with_order(quote=quote, project=project, now=moment),
        obstacle=_obstacle(quote, moment),
        held=held,
        scattered=not row.enough and _are_scattered(quote, row, held, moment),
    )


def _are_scattered(quote: Quote, row: OfferRow, held: Quote | None, moment: datetime) -> bool:
    if not quote.same_fabric or row.power_short:
        return False
    own: dict[str, Any] = {"now": moment, "quote": held.public_id if held else ""}
    return are_free(offer=quote.offer, nodes=quote.nodes, window=_occupied(quote, moment), **own)


def _occupied(quote: Quote, moment: datetime) -> Window:
    return occupied(quote.terms, max(quote.starts_at, soonest(quote.terms, moment)), quote.ends_at)


def _row(quote: Quote, wish: Wish, held: Quote | None, moment: datetime) -> OfferRow:
    """As the search shows the offer, which knows no organization; what is held for this one is free for it besides."""
    criteria = Criteria(organization=quote.organization, **wish.window())
    row = offer_row(offer=quote.offer, criteria=criteria, now=moment)
    if row.enough or held is None:
        return row
    window = _occupied(quote, moment)
    own: dict[str, Any] = {"now": moment, "quote": held.public_id}
    idle = free_nodes(window=window, **own).filter(pool=quote.offer.pool_id)
    free = most_together(idle, same_fabric=quote.same_fabric)
    reach: dict[str, Any] = {"starts_at": window.starts_at, "until": window.ends_at}
    powered = free > row.free and has_power(offer=quote.offer, nodes=min(free, quote.nodes), **reach, **own)
    return replace(row, free=free) if powered else row


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


def _guaranteed_until(quote: Quote, moment: datetime) -> datetime | None:
    """How far ahead the open-ended lease of a quote would be guaranteed if it began now."""
    until = moment + timedelta(seconds=quote.terms.guarantee_seconds)
    wish = {name: getattr(quote, name) for name in ("offer", "terms", "nodes", "same_fabric")}
    return guaranteed_until(quote.terms, free_windows(**wish, starts_at=moment, until=until, now=moment), moment)
