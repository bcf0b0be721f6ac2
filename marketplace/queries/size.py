"""How large the catalogue is, and what of it."""

from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, QuerySet

from marketplace.models import Node, NodeCalendar, Offer, Pool, Site
from marketplace.states import IN_STOCK


@dataclass(frozen=True)
class CatalogueSize:
    """What is on sale, in numbers."""

    sites: int
    countries: int
    nodes: int  # in stock, free or not


def catalogue_size() -> CatalogueSize:
    """Sites with something on sale, their countries, and the nodes in stock. Two queries."""
    selling = Site.objects.filter(pools__offers__listed=True, pools__offers__plan__private=False)
    places = selling.aggregate(sites=Count("pk", distinct=True), countries=Count("country", distinct=True))
    return CatalogueSize(**places, nodes=Node.objects.filter(state__in=IN_STOCK).count())


def largest_fabric_group(*, pool: Pool) -> int:
    """How many nodes in stock the pool's largest fabric group has, free or not; 0 where it has none."""
    return _largest(Node.objects.filter(pool=pool, state__in=IN_STOCK, cordoned_at=None))


def most_together(free: QuerySet[NodeCalendar], *, same_fabric: bool) -> int:
    """How many of the nodes with these calendars one lease can have; with `same_fabric` they are of one group."""
    return _largest(Node.objects.filter(pk__in=free.values("node"))) if same_fabric else free.count()


def with_groups(offers: QuerySet[Offer]) -> QuerySet[Offer]:
    """Offers, each with `grouped`: whether several nodes in stock there are of one fabric group."""
    there = Node.objects.filter(pool=OuterRef("pool"), state__in=IN_STOCK, cordoned_at=None).exclude(fabric_group="")
    groups = there.order_by().values("fabric_group").annotate(size=Count("pk"))
    return offers.annotate(grouped=Exists(groups.filter(size__gt=1)))


def tightest_fabric_group(free: QuerySet[NodeCalendar], *, nodes: int) -> str | None:
    """Of the fabric groups that as many of the nodes with these calendars are of, the one with the fewest of them."""
    sizes = _group_sizes(Node.objects.filter(pk__in=free.values("node")))
    fitting = [(size, group) for group, size in sizes if size >= nodes]
    return min(fitting)[1] if fitting else None


def _largest(nodes: QuerySet[Node]) -> int:
    return max((size for _, size in _group_sizes(nodes)), default=0)


def _group_sizes(nodes: QuerySet[Node]) -> QuerySet[Node, tuple[str, int]]:
    grouped = nodes.order_by().exclude(fabric_group="")
    return grouped.values_list("fabric_group").annotate(size=Count("pk"))
