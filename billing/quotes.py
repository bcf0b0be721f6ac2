"""A quote as whoever uses it up finds it: under lock, with what its organization keeps of its offer."""

from datetime import datetime

from django.db.models import BigIntegerField, CharField, DateTimeField, Exists, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce

from accounts.models import Given, Organization, Statement, selected
from billing.models import Budget, Quote
from leasing.models import Lease
from marketplace.models import Offer


class QuoteExpired(Exception):
    """The price was kept until `quote.expires_at`; ask for a new quote."""

    def __init__(self, quote: Quote) -> None:
        super().__init__(f"{quote} expired at {quote.expires_at:%Y-%m-%d %H:%M:%S} UTC.")
        self.quote = quote


class QuoteUsed(Exception):
    """The quote became `lease` already."""

    def __init__(self, quote: Quote, lease: Lease) -> None:
        super().__init__(f"{quote} was used for {lease}.")
        self.quote, self.lease = quote, lease


def usable(quote: str, organization: Organization, now: datetime) -> Quote:
    """
    The quote of this public id as it is under lock.

    :raises Quote.DoesNotExist: if the organization has none
    :raises QuoteUsed: if it became a lease before
    :raises QuoteExpired: if its price is no longer kept
    """
    fresh = LOCKED.first(public_id=quote, organization=organization.pk, now=now)
    if fresh is None:
        raise Quote.DoesNotExist
    fresh.terms.plan = fresh.offer.plan  # a quote's terms are its offer's plan's
    if fresh.lease:
        raise QuoteUsed(fresh, fresh.lease)
    if fresh.expires_at <= now:
        raise QuoteExpired(fresh)
    return fresh


def holding(*, organization: Organization, offer: Offer, now: datetime) -> Quote | None:
    """The organization's quote that holds nodes of the offer now: one at most."""
    held = Quote.objects.filter(organization=organization, offer=offer, holds_until__gt=now)
    return held.select_related("lease", "terms", "organization", "offer").first()


OWN = ("organization__billing_account", "terms", "rate")
RELATED = ("offer__plan", "offer__pool__site", "offer__pool__node_type", *OWN)
LIVE = Q(holds_until__gt=Given("now", DateTimeField()))
HOLDING = Quote.objects.filter(  # its own hold, lapsed or not, else the one that lives there: there is one at most
    LIVE | Q(pk=OuterRef("pk")),
    organization=OuterRef("organization"),
    offer=OuterRef("offer"),
    holds_until__isnull=False,
)
BUDGETS = Budget.objects.filter(organization=OuterRef("organization"), active=True)
LOCKED = Statement(
    lambda: (
        Quote.objects.select_for_update(of=("self",))
        .select_related(*RELATED)
        .annotate(holding=Coalesce(Subquery(HOLDING.values("public_id")), Value("")), budgeted=Exists(BUDGETS))
        .filter(public_id=Given("public_id", CharField()), organization=Given("organization", BigIntegerField()))
    )
)


def held_for(quote: Quote) -> str:
    """
    The quote whose nodes go to this one, `usable`, before others: itself, or another of its organization; "" for none.
    """
    return str(selected(quote, "holding"))


def budgeted(quote: Quote) -> bool:
    """Whether the organization of the quote, `usable`, has a budget."""
    return bool(selected(quote, "budgeted"))


def hold_used(held: str) -> None:
    """The quote of this public id holds nothing any more, since what it held was used up."""
    Quote.objects.filter(public_id=held).update(holds_until=None)
