"""The catalogue's search: which offers match, what they cost, and how many nodes are free for the whole window."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from marketplace.models import Offer, Plan, Rate
from marketplace.queries.windows import Window, earliest, free_nodes, occupied


@dataclass(frozen=True)
class Criteria:
    """What the customer looks for. Each field left at None asks for nothing."""

    plan: str | None = None
    gpu_model: str | None = None
    gpus: int | None = None  # GPUs in one node, exactly
    gpu_memory_gb: int | None = None  # memory of one GPU, at least
    region: str | None = None
    site: str | None = None
    provisioner: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    nodes: int = 1
    max_micros_per_node_hour: int | None = None
    renewable_share: int | None = None  # per cent of the site's grid mix, at least


@dataclass(frozen=True)
class OfferRow:
    """One offer as found: price, and how many nodes are free for the whole window."""

    offer: Offer
    rate: Rate
    free: int
    free_from: datetime | None  # when enough nodes are free; None if not within 60 days

    @property
    def micros_per_gpu_hour(self) -> int | None:
        """Price of one GPU for an hour, micro-dollars; None for a node without GPUs."""
        gpus = self.offer.pool.node_type.gpu_count
        return self.rate.micros_per_node_hour // gpus if gpus else None


def search(*, criteria: Criteria, now: datetime) -> list[OfferRow]:
    """Listed offers that match, those with enough free nodes first, then the cheapest per GPU."""
    rows = [row for plan in _plans(criteria) for row in _rows_of_plan(plan, criteria, now)]
    return sorted(
        rows, key=lambda r: (r.free < criteria.nodes, r.micros_per_gpu_hour or r.rate.micros_per_node_hour, r.offer.pk)
    )


def listed_offers() -> QuerySet[Offer]:
    """Offers on sale, with everything that a page or an answer shows of them."""
    return Offer.objects.filter(listed=True).select_related(
        "plan", "pool__site__grid_zone", "pool__node_type__gpu_model"
    )


def offer_row(*, offer: Offer, criteria: Criteria, now: datetime) -> OfferRow:
    """
    The one offer as the search shows it.

    :raises Rate.DoesNotExist: if the offer has no rate yet
    """
    return _row(offer, current_rate(offer=offer, at=now), _count_free(offer, criteria, now), criteria, now)


def current_rate(*, offer: Offer, at: datetime) -> Rate:
    """
    The rate in force at a moment.

    :raises Rate.DoesNotExist: if the offer had none then
    """
    return Rate.objects.filter(offer=offer, starts_at__lte=at).latest("starts_at")


def _plans(criteria: Criteria) -> QuerySet[Plan]:
    return Plan.objects.filter(slug=criteria.plan) if criteria.plan else Plan.objects.all()


def _rows_of_plan(plan: Plan, criteria: Criteria, now: datetime) -> list[OfferRow]:
    free = free_nodes(window=_window(plan, criteria, now), now=now).filter(pool=OuterRef("pool"))
    counted = free.order_by().values("pool").annotate(n=Count("pk")).values("n")
    in_force = Rate.objects.filter(offer=OuterRef("pk"), starts_at__lte=now).order_by("-starts_at").values("pk")[:1]
    offers = (
        _matching(criteria)
        .filter(plan=plan)
        .annotate(free=Coalesce(Subquery(counted, output_field=IntegerField()), 0), rate_id=Subquery(in_force))
    )
    found = list(offers.exclude(rate_id=None))
    rates = Rate.objects.in_bulk([offer.rate_id for offer in found])
    rows = [
        _row(offer, rates[offer.rate_id], offer.free, criteria, now)
        for offer in found
        if _affordable(rates[offer.rate_id], criteria)
    ]
    return rows


def _matching(criteria: Criteria) -> QuerySet[Offer]:
    wanted = {
        "pool__node_type__gpu_model__slug": criteria.gpu_model,
        "pool__node_type__gpu_count": criteria.gpus,
        "pool__node_type__gpu_model__memory_gb__gte": criteria.gpu_memory_gb,
        "pool__site__region": criteria.region,
        "pool__site__slug": criteria.site,
        "pool__provisioner": criteria.provisioner,
        "pool__site__grid_zone__renewable_percent__gte": criteria.renewable_share,
    }
    return listed_offers().filter(**{name: value for name, value in wanted.items() if value is not None})


def _affordable(rate: Rate, criteria: Criteria) -> bool:
    limit = criteria.max_micros_per_node_hour
    return limit is None or rate.micros_per_node_hour <= limit


def _window(plan: Plan, criteria: Criteria, now: datetime) -> Window:
    starts_at = max(criteria.starts_at or now, now)
    return occupied(plan, starts_at, criteria.ends_at)


def _count_free(offer: Offer, criteria: Criteria, now: datetime) -> int:
    window = _window(offer.plan, criteria, now)
    return free_nodes(window=window, now=now).filter(pool=offer.pool_id).count()


def _row(offer: Offer, rate: Rate, free: int, criteria: Criteria, now: datetime) -> OfferRow:
    starts_at = max(criteria.starts_at or now, now)
    if free >= criteria.nodes:
        return OfferRow(offer, rate, free, starts_at)
    length = (criteria.ends_at - starts_at) if criteria.ends_at else timedelta(seconds=offer.plan.min_seconds)
    return OfferRow(
        offer, rate, free, earliest(offer=offer, nodes=criteria.nodes, starts_at=starts_at, length=length, now=now)
    )
