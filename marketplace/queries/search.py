"""The catalogue's search: which offers match, what they cost, and how many nodes are free for the whole window."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from marketplace.models import NodeCalendar, Offer, Plan, Pool, Rate
from marketplace.queries.criteria import Criteria, Sort
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
    plans = [plan for plan in Plan.objects.all() if criteria.fits(plan, now)]
    offers = _priced(Offer.objects.filter(listed=True, plan__in=plans), now).filter(**criteria.lookups())
    hits = [hit for hit in _hits(offers, plans, criteria, now) if hit.total >= criteria.nodes]
    return sorted(hits, key=lambda hit: _place(hit, criteria, sort))


def rows(*, hits: Sequence[Hit], criteria: Criteria, now: datetime) -> list[OfferRow]:
    """What is shown of the hits, in their order. Three queries, however many they are."""
    offers = listed_offers().in_bulk([hit.offer_id for hit in hits])
    rates = Rate.objects.in_bulk([hit.rate_id for hit in hits])
    short = [offers[hit.offer_id] for hit in hits if hit.free < criteria.nodes <= hit.total]
    wishes = {offer: criteria.wish(offer.plan, now) for offer in short}
    later = earliest(wishes=wishes, nodes=criteria.nodes, now=now) if wishes else {}
    return [_row(hit, offers[hit.offer_id], rates[hit.rate_id], later, criteria, now) for hit in hits]


def listed_offers() -> QuerySet[Offer]:
    """Offers on sale, with everything that a page or an answer shows of them."""
    return Offer.objects.filter(listed=True).select_related(
        "plan", "pool__site__grid_zone", "pool__node_type__gpu_model"
    )


def offer_row(*, offer: Offer, criteria: Criteria, now: datetime) -> OfferRow:
    """
    The one offer as the search shows it, whether or not its plan allows the period.

    :raises Rate.DoesNotExist: if the offer has no rate yet or is not on sale
    """
    found = _rows_of(Offer.objects.filter(pk=offer.pk), [offer.plan], criteria, now)
    if not found:
        raise Rate.DoesNotExist(f"{offer} is not for sale.")
    return found[0]


def offer_rows(*, pool: Pool, criteria: Criteria, now: datetime) -> list[OfferRow]:
    """The offers of one pool on all plans, by plan."""
    offers = Offer.objects.filter(pool=pool).order_by("plan__position", "plan__slug")
    return _rows_of(offers, list(Plan.objects.filter(offers__pool=pool)), criteria, now)


def _rows_of(offers: QuerySet[Offer], plans: Sequence[Plan], criteria: Criteria, now: datetime) -> list[OfferRow]:
    hits = _hits(_priced(offers.filter(listed=True), now), plans, criteria, now)
    return rows(hits=hits, criteria=criteria, now=now)


def current_rate(*, offer: Offer, at: datetime) -> Rate:
    """
    The rate in force at a moment.

    :raises Rate.DoesNotExist: if the offer had none then
    """
    return Rate.objects.filter(offer=offer, starts_at__lte=at).latest("starts_at")


def _priced(offers: QuerySet[Offer], now: datetime) -> QuerySet[Any]:
    in_force = Rate.objects.filter(offer=OuterRef("pk"), starts_at__lte=now).order_by("-starts_at")
    return offers.annotate(
        rate_id=Subquery(in_force.values("pk")[:1]), micros=Subquery(in_force.values("micros_per_node_hour")[:1])
    )


def _hits(offers: QuerySet[Any], plans: Sequence[Plan], criteria: Criteria, now: datetime) -> list[Hit]:
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
    pools: Collection[int], plans: Sequence[Plan], criteria: Criteria, now: datetime
) -> dict[tuple[int, int], tuple[int, int]]:
    """By pool and plan: how many nodes are free for the whole window, and how many there are. One query."""
    free = {f"free_{plan.pk}": Count("pk", filter=_is_free(plan, criteria, now)) for plan in plans}
    in_stock = NodeCalendar.objects.filter(pool__in=pools, node__state__in=IN_STOCK, node__cordoned_at=None)
    stock = in_stock.order_by().values("pool_id")
    counted = stock.annotate(total=Count("pk"), **free).values_list("pool_id", "total", *free)
    return {(row[0], plan.pk): (row[2 + n], row[1]) for row in counted for n, plan in enumerate(plans)}


def _is_free(plan: Plan, criteria: Criteria, now: datetime) -> Q:
    wish = criteria.wish(plan, now)
    return is_free(window=Window(wish.starts_at, wish.ends_at + cleaning(plan)), now=now)


def _place(hit: Hit, criteria: Criteria, sort: str) -> tuple[bool, int, int, int]:
    return hit.free < criteria.nodes, ORDERS[sort](hit), hit.micros_per_gpu, hit.offer_id


def _row(
    hit: Hit, offer: Offer, rate: Rate, later: dict[Offer, datetime], criteria: Criteria, now: datetime
) -> OfferRow:
    enough = hit.free >= criteria.nodes
    free_from = criteria.wish(offer.plan, now).starts_at if enough else later.get(offer)
    return OfferRow(offer, rate, criteria.nodes, hit.free, free_from, hit.total)
