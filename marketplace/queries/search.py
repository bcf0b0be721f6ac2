"""The catalogue's search: which offers match, what they cost, and how many nodes are free for the whole window."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery

from accounts.models import Organization
from marketplace.models import NodeCalendar, Offer, Pool, Rate, Terms
from marketplace.queries.criteria import Criteria, Sort
from marketplace.queries.terms import all_terms, plans_open_to
from marketplace.queries.windows import Window, cleaning, earliest, is_free
from marketplace.states import IN_STOCK


@dataclass(frozen=True)
class Hit:
    """An offer that matches, with what decides its place: cheap enough to make one of each offer on sale."""

    offer_id: int
    pool_id: int
    plan_id: int
    rate_id: int
    micros: int  # micro-dollars per node-hour
    gpus: int
    gpu_memory_gb: int  # of one GPU
    gco2_per_kwh: int
    free: int  # nodes free for the whole window
    total: int  # nodes in stock

    @property
    def micros_per_gpu(self) -> int:
        """Micro-dollars per GPU-hour; per node-hour where the node has no GPU."""
        return self.micros // (self.gpus or 1)


@dataclass(frozen=True)
class OfferRow:
    """One offer as found: price, and how many nodes are free for the whole window."""

    offer: Offer
    rate: Rate
    nodes: int  # as many are wanted
    free: int
    free_from: datetime | None  # when enough nodes are free; None if not within 60 days
    nodes_total: int  # in stock, free or not

    @property
    def enough(self) -> bool:
        """Whether as many nodes as wanted are free for the whole window."""
        return self.free >= self.nodes

    @property
    def micros_per_gpu_hour(self) -> int | None:
        """Price of one GPU for an hour, micro-dollars; None for a node without GPUs."""
        gpus = self.offer.pool.node_type.gpu_count
        return self.rate.micros_per_node_hour // gpus if gpus else None


ORDERS: dict[str, Callable[[Hit], int]] = {
    Sort.PRICE: lambda hit: hit.micros_per_gpu,
    Sort.NODE_PRICE: lambda hit: hit.micros,
    Sort.MEMORY: lambda hit: -hit.gpus * hit.gpu_memory_gb,
    Sort.CARBON: lambda hit: hit.gco2_per_kwh,
    Sort.FREE: lambda hit: -hit.free,
}


def search(*, criteria: Criteria, now: datetime) -> list[OfferRow]:
    """Listed offers that match and have as many nodes, those with enough free ones first, then the cheapest per GPU."""
    return rows(hits=find(criteria=criteria, now=now), criteria=criteria, now=now)


def find(*, criteria: Criteria, now: datetime, sort: str = Sort.PRICE) -> list[Hit]:
    """As `search`, in any order of `Sort`, without what only a shown row needs: pass a page of it to `rows`."""
    fitting = {plan: terms for plan, terms in all_terms(at=now).items() if criteria.fits(terms, now)}
    offers = _priced(Offer.objects.filter(listed=True, plan__in=fitting), criteria.organization, now)
    found = offers.filter(_open_to(criteria.organization), **criteria.lookups())
    hits = [hit for hit in _hits(found, fitting, criteria, now) if hit.total >= criteria.nodes]
    return sorted(hits, key=lambda hit: _place(hit, criteria, sort))


def rows(*, hits: Sequence[Hit], criteria: Criteria, now: datetime) -> list[OfferRow]:
    """What is shown of the hits, in their order. Five queries at most, however many they are."""
    offers = listed_offers(criteria.organization).in_bulk([hit.offer_id for hit in hits])
    plans = all_terms(at=now)
    rates = Rate.objects.in_bulk([hit.rate_id for hit in hits])
    wishes = {offer: criteria.wish(plans[offer.plan_id], now) for offer in offers.values()}
    short = [offers[hit.offer_id] for hit in hits if hit.free < criteria.nodes <= hit.total]
    late = {offer: wishes[offer] for offer in short}
    later = earliest(wishes=late, plans=plans, nodes=criteria.nodes, now=now) if late else {}
    starts = {offer: wish.starts_at for offer, wish in wishes.items()}
    return [_row(hit, offers[hit.offer_id], rates[hit.rate_id], starts, later, criteria.nodes) for hit in hits]


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
    found = _rows_of(Offer.objects.filter(pk=offer.pk), criteria, now)
    if not found:
        raise Rate.DoesNotExist(f"{offer} is not for sale.")
    return found[0]


def offer_rows(*, pool: Pool, criteria: Criteria, now: datetime) -> list[OfferRow]:
    """The offers of one pool on all plans, by plan."""
    return _rows_of(Offer.objects.filter(pool=pool).order_by("plan__position", "plan__slug"), criteria, now)


def _rows_of(offers: QuerySet[Offer], criteria: Criteria, now: datetime) -> list[OfferRow]:
    on_sale = offers.filter(_open_to(criteria.organization), listed=True)
    hits = _hits(_priced(on_sale, criteria.organization, now), all_terms(at=now), criteria, now)
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


def _priced(offers: QuerySet[Offer], organization: Organization | None, now: datetime) -> QuerySet[Any]:
    in_force = rates_for(organization).filter(offer=OuterRef("pk"), starts_at__lte=now)
    return offers.annotate(
        rate_id=Subquery(in_force.values("pk")[:1]), micros=Subquery(in_force.values("micros_per_node_hour")[:1])
    )


def _hits(offers: QuerySet[Any], plans: Mapping[int, Terms], criteria: Criteria, now: datetime) -> list[Hit]:
    found = [
        row
        for row in offers.values_list(
            "pk", "pool_id", "plan_id", "rate_id", "micros", "pool__node_type__gpu_count",
            "pool__node_type__gpu_model__memory_gb", "pool__site__grid_zone__gco2_per_kwh",
        )
        if row[3]
    ]  # fmt: skip
    counts = _counts({row[1] for row in found}, plans, criteria, now)
    return [
        Hit(offer, pool, plan, rate, micros, gpus, memory or 0, gco2, *counts.get((pool, plan), (0, 0)))
        for offer, pool, plan, rate, micros, gpus, memory, gco2 in found
    ]


def _counts(
    pools: Collection[int], plans: Mapping[int, Terms], criteria: Criteria, now: datetime
) -> dict[tuple[int, int], tuple[int, int]]:
    """By pool and plan: how many nodes are free for the whole window, and how many there are. One query."""
    free = {f"free_{plan}": Count("pk", filter=_is_free(terms, criteria, now)) for plan, terms in plans.items()}
    in_stock = NodeCalendar.objects.filter(pool__in=pools, node__state__in=IN_STOCK, node__cordoned_at=None)
    stock = in_stock.order_by().values("pool_id")
    counted = stock.annotate(total=Count("pk"), **free).values_list("pool_id", "total", *free)
    return {(row[0], plan): (row[2 + n], row[1]) for row in counted for n, plan in enumerate(plans)}


def _is_free(terms: Terms, criteria: Criteria, now: datetime) -> Q:
    wish = criteria.wish(terms, now)
    return is_free(window=Window(wish.starts_at, wish.ends_at + cleaning(terms)), now=now)


def _place(hit: Hit, criteria: Criteria, sort: str) -> tuple[bool, int, int, int]:
    return hit.free < criteria.nodes, ORDERS[sort](hit), hit.micros_per_gpu, hit.offer_id


def _row(
    hit: Hit,
    offer: Offer,
    rate: Rate,
    starts: Mapping[Offer, datetime],
    later: Mapping[Offer, datetime],
    nodes: int,
) -> OfferRow:
    free_from = starts[offer] if hit.free >= nodes else later.get(offer)
    return OfferRow(offer, rate, nodes, hit.free, free_from, hit.total)
