"""How large the catalogue is."""

from dataclasses import dataclass

from django.db.models import Count

from marketplace.models import Node, Site
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
