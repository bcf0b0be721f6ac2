"""Where an agreed lease could go: offers on its plan, what a node-hour costs there, and whether its nodes are free."""

from dataclasses import dataclass
from datetime import datetime

from billing.models import Quote
from leasing.models import Lease
from leasing.queries.moving import nodes_for
from marketplace.models import Offer, Terms
from marketplace.queries import Criteria, Window, listed_offers, occupied, soonest, terms_of
from marketplace.queries.finding import hits_of


@dataclass(frozen=True)
class Place:
    """
    An offer as a lease could have it for a window. Whether nodes are free leaves the lease's own out of account; what
    its organization holds there is free for it.
    """

    offer: Offer
    micros_per_node_hour: int
    free: bool


def places(*, lease: Lease, window: Window, now: datetime) -> list[Place]:
    """
    The offers that have as many nodes as the lease: those at its site first, then those in its region; of these nodes
    like its own first, then those that are free, then the cheapest. Four queries, however many they are, and one for
    each offer of which its organization holds nodes.
    """
    terms = terms_of(plan=lease.offer.plan, at=now)
    wish = Criteria(
        nodes=lease.node_count,
        same_fabric=lease.same_fabric,
        starts_at=window.starts_at,
        ends_at=window.ends_at,
        organization=lease.organization,
    )
    plans = {terms.plan_id: terms}
    hits = hits_of({}, criteria=wish, plans=plans, now=now, counted=lease.node_count, that_could_serve=True)
    offers = listed_offers(lease.organization).in_bulk([hit.offer_id for hit in hits])
    enough = {hit.offer_id for hit in hits if hit.free >= lease.node_count}
    enough |= _held(lease, [offers[hit.offer_id] for hit in hits if hit.offer_id not in enough], terms, window, now)
    found = [Place(offers[hit.offer_id], hit.micros, hit.offer_id in enough) for hit in hits]
    return sorted(found, key=lambda place: _rank(place, lease.offer))


def _held(lease: Lease, taken: list[Offer], terms: Terms, window: Window, now: datetime) -> set[int]:
    """Keys of offers that the search calls taken, as it knows no organization, and that have enough for who holds."""
    holding = Quote.objects.filter(organization=lease.organization, offer__in=taken, holds_until__gt=now)
    pools = {offer.pk: offer.pool for offer in taken}
    period = occupied(terms, max(window.starts_at, soonest(terms, now)), window.ends_at)
    return {
        offer
        for offer, quote in holding.values_list("offer", "public_id")
        if nodes_for(lease, pool=pools[offer], period=period, quote=quote, now=now) >= lease.node_count
    }


def _rank(place: Place, own: Offer) -> tuple[object, ...]:
    here, there = own.pool, place.offer.pool
    return (
        there.site_id != here.site_id,
        there.site.region != here.site.region,
        place.offer.pk != own.pk,
        there.node_type_id != here.node_type_id,
        not place.free,
        place.micros_per_node_hour,
        place.offer.pk,
    )
