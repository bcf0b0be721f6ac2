"""The catalogue's search: which offers match, what they cost, and how many nodes are free for the whole window."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q, QuerySet

from accounts.models import Organization
from marketplace.models import Offer, Pool, Rate
from marketplace.queries.criteria import Criteria, Sort
from marketplace.queries.earliest import Search, earliest
from marketplace.queries.finding import Hit, hits_of, stock_of
from marketplace.queries.terms import Changed, Remembered, all_terms, plans_open_to, remember, remembered


@dataclass(frozen=True)
class OfferRow:
    """One offer as found: price, and how many nodes are free for the whole window."""

    offer: Offer
    rate: Rate  # in force, before any discount
    micros_per_node_hour: int  # what an order of the window is charged
    discount_percent: int  # for its length
    nodes: int  # as many are wanted
    same_fabric: bool  # of one fabric group: `free` are those of the one that has the most
    free: int
    more_free: bool  # than `free`, which a search counts no further
    power_short: bool  # more nodes are free, enough for the wish, but their site has sold its firm power
    free_from: datetime | None  # when enough nodes are free, and have power; None if not within 60 days
    nodes_total: int  # in stock, free or not

    @property
    def enough(self) -> bool:
        """Whether as many nodes as wanted are free for the whole window."""
        return self.free >= self.nodes

    @property
    def micros_per_gpu_hour(self) -> int | None:
        """Price of one GPU for an hour, micro-dollars; None for a node without GPUs."""
        gpus = self.offer.pool.node_type.gpu_count
        return self.micros_per_node_hour // gpus if gpus else None


COUNTED = 10  # free nodes of an offer that is shown in a list, if no more are wanted
ORDERS: dict[str, Callable[[Hit], int]] = {
    Sort.PRICE: lambda hit: hit.micros_per_gpu,
    Sort.NODE_PRICE: lambda hit: hit.micros,
    Sort.MEMORY: lambda hit: -hit.fact,
    Sort.CARBON: lambda hit: hit.fact,
    Sort.FREE: lambda hit: -hit.free,
}


def search(*, criteria: Criteria, now: datetime) -> list[OfferRow]:
    """Listed offers that match and have as many nodes, those with enough free ones first, then the cheapest per GPU."""
    return rows(hits=find(criteria=criteria, now=now), criteria=criteria, now=now)


def find(*, criteria: Criteria, now: datetime, sort: str = Sort.PRICE) -> list[Hit]:
    """
    As `search`, in any order of `Sort`, without what only a shown row needs: pass a page of it to `rows`.

    Free nodes are counted up to as many as are wanted; all of them only where they decide the order. One query, as long
    as the terms are those that this process remembers.
    """
    while True:
        try:
            hits = _find(remembered(), criteria, now, sort)
        except Changed:
            remember()
        else:
            return sorted(hits, key=lambda hit: _place(hit, criteria, sort))


def _find(known: Remembered, criteria: Criteria, now: datetime, sort: str) -> list[Hit]:
    sold = known.in_force(at=now, plan=criteria.plan)
    fitting = {plan: terms for plan, terms in sold.items() if criteria.fits(terms, now)}
    hits = hits_of(
        criteria.asked(),
        criteria=criteria,
        plans=fitting,
        now=now,
        counted=None if sort == Sort.FREE else criteria.nodes,
        that_could_serve=True,
        fact=sort,
        mark=known.mark,
    )
    return [hit for hit in hits if criteria.affords(hit.micros)]


def counted_on(*, hits: Sequence[Hit], criteria: Criteria, now: datetime) -> list[Hit]:
    """The hits, in their order, with the free nodes of each counted up to ten at least. One query, if any has more."""
    short = {hit.offer_id: hit for hit in hits if hit.more_free and hit.free < COUNTED}
    if not short:
        return list(hits)
    plans = {hit.terms.plan_id: hit.terms for hit in short.values()}
    found = hits_of({"offers": list(short)}, criteria=criteria, plans=plans, now=now, counted=COUNTED)
    further = {hit.offer_id: hit for hit in found}
    return [further.get(hit.offer_id, hit) for hit in hits]


def rows(*, hits: Sequence[Hit], criteria: Criteria, now: datetime) -> list[OfferRow]:
    """What is shown of the hits, in their order. Six queries at most, however many they are."""
    hits = counted_on(hits=hits, criteria=criteria, now=now)
    offers = listed_offers(criteria.organization).in_bulk([hit.offer_id for hit in hits])
    rates = Rate.objects.in_bulk([hit.rate_id for hit in hits])
    free_from = starts(hits=hits, criteria=criteria, now=now)
    totals = stock_of({hit.pool_id for hit in hits})
    return [
        OfferRow(
            offer=offers[hit.offer_id],
            rate=rates[hit.rate_id],
            micros_per_node_hour=hit.micros,
            discount_percent=hit.discount_percent,
            nodes=criteria.nodes,
            same_fabric=criteria.together,
            free=hit.free,
            more_free=hit.more_free,
            power_short=hit.power_short,
            free_from=start,
            nodes_total=totals[hit.pool_id],
        )
        for hit, start in zip(hits, free_from, strict=True)
    ]


def starts(*, hits: Sequence[Hit], criteria: Criteria, now: datetime) -> list[datetime | None]:
    """When as many nodes are free, for each hit: as wished, or later; None if not within 60 days."""
    nodes = criteria.nodes
    short = [Search(hit.offer_id, hit.pool_id, hit.terms, hit.window) for hit in hits if hit.free < nodes]
    later = earliest(searches=short, nodes=nodes, same_fabric=criteria.together, now=now)
    return [hit.window.starts_at if hit.free >= nodes else later.get(hit.offer_id) for hit in hits]


def listed_offers(organization: Organization | None = None) -> QuerySet[Offer]:
    """Offers on sale to everybody, or to an organization, with everything that a page or an answer shows of them."""
    return Offer.objects.filter(_open_to(organization), listed=True).select_related(
        "plan", "pool__site__grid_zone", "pool__node_type__gpu_model"
    )


def offer_row(*, offer: Offer, criteria: Criteria, now: datetime) -> OfferRow:
    """
    The one offer as the search shows it, whether or not its plan allows the period.

    :raises Rate.DoesNotExist: if the offer has no rate yet or is not on sale
    """
    found = _rows_of({"offer": offer.pk}, criteria, now)
    if not found:
        raise Rate.DoesNotExist(f"{offer} is not for sale.")
    return found[0]


def offer_rows(*, pool: Pool, criteria: Criteria, now: datetime) -> list[OfferRow]:
    """The offers of one pool on all plans, by plan."""
    return _rows_of({"pool": pool.pk}, criteria, now)


def _rows_of(wanted: dict[str, int], criteria: Criteria, now: datetime) -> list[OfferRow]:
    hits = hits_of(wanted, criteria=criteria, plans=all_terms(at=now), now=now)
    return rows(hits=hits, criteria=criteria, now=now)


def current_rate(*, offer: Offer, at: datetime, organization: Organization | None = None) -> Rate:
    """
    The rate in force at a moment: the organization's own, else the public one.

    :raises Rate.DoesNotExist: if the offer had none then
    """
    found = rates_for(organization).filter(offer=offer, starts_at__lte=at).first()
    if found is None:
        raise Rate.DoesNotExist(f"{offer} had no rate at {at}.")
    return found


def rates_for(organization: Organization | None) -> QuerySet[Rate]:
    """Rates that hold for somebody, those that go before others first."""
    own = Q(organization=None) if organization is None else Q(organization=None) | Q(organization=organization)
    return Rate.objects.filter(own).order_by(F("organization").asc(nulls_last=True), "-starts_at")


def _open_to(organization: Organization | None) -> Q:
    """Of offers: on a plan for everybody, or on one that the organization has access to."""
    return Q(plan__in=plans_open_to(organization))


def _place(hit: Hit, criteria: Criteria, sort: str) -> tuple[bool, int, int, int]:
    return hit.free < criteria.nodes, ORDERS[sort](hit), hit.micros_per_gpu, hit.offer_id
