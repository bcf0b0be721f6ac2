"""A full catalogue: 10,000 nodes of eight GPUs in twelve classes at 45 sites, a million leases past and to come."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from accounts.models import Organization
from leasing.models import Lease
from leasing.operations import Setup, expire, hold
from marketplace.catalogue import load
from marketplace.models import GPUModel, Image, Node, NodeCalendar, NodeType, Offer, Plan, PlanKind, Pool, Rate, Site
from marketplace.states import NodeState

CLASSES = 12
SITES_EACH = 15
BIGGEST = 0.3  # of all nodes are of the first class
AHEAD = timedelta(days=60)
CUSTOMERS = 200


@dataclass(frozen=True)
class World:
    """What questions are asked about."""

    classes: tuple[str, ...]  # slugs of GPU models, each in one node type
    weights: tuple[int, ...]  # nodes of each
    nodes: int
    now: datetime


def a_catalogue(*, nodes: int, sites: int, now: datetime) -> World:
    """Sites and plans of the catalogue, with classes, pools, nodes, offers and prices of its own."""
    load(now=now, node_limit=0)
    Offer.objects.update(listed=False)
    places = list(Site.objects.order_by("slug")[:sites])
    chance, sizes = random.Random(20260302), _sizes(nodes)
    for number, size in enumerate(sizes):
        kind = _kind(f"bench-{number:02}")
        pools = [_pool(kind, places[(number * 4 + step) % len(places)]) for step in range(min(SITES_EACH, sites))]
        _nodes(pools, size, now)
        _offers(pools, chance, now)
    classes = tuple(f"bench-{number:02}" for number in range(CLASSES))
    return World(classes, tuple(sizes), nodes, now)


def _sizes(nodes: int) -> list[int]:
    first = int(nodes * BIGGEST)
    shares = [1 / (rank + 1) for rank in range(1, CLASSES)]
    rest = [max(1, int((nodes - first) * share / sum(shares))) for share in shares]
    return [nodes - sum(rest), *rest]


def _pool(kind: NodeType, place: Site) -> Pool:
    return Pool.objects.create(site=place, node_type=kind, provisioner="fake")


def _kind(slug: str) -> NodeType:
    """Eight GPUs of a model of its own, like others in all but name."""
    gpu = GPUModel.objects.exclude(slug__startswith="bench").order_by("pk")[0]
    kind = NodeType.objects.filter(gpu_model=gpu)[0]
    gpu.pk, gpu.slug, gpu.name = None, slug, slug
    gpu.save()
    kind.pk, kind.slug, kind.name, kind.gpu_model, kind.gpu_count = None, slug, slug, gpu, 8
    kind.save()
    return kind


def _nodes(pools: list[Pool], size: int, now: datetime) -> None:
    rows = [
        Node(
            name=f"{pools[0].node_type.slug}-{n:05}",
            pool=pools[n % len(pools)],
            state=NodeState.AVAILABLE,
            state_since=now,
        )
        for n in range(size)
    ]
    made = Node.objects.bulk_create(rows, batch_size=2_000)
    NodeCalendar.objects.bulk_create([NodeCalendar(node=row, pool_id=row.pool_id) for row in made], batch_size=2_000)


def _offers(pools: list[Pool], chance: random.Random, now: datetime) -> None:
    for plan in Plan.objects.all():
        offers = Offer.objects.bulk_create([Offer(pool=pool, plan=plan) for pool in pools])
        Rate.objects.bulk_create(
            Rate(offer=offer, micros_per_node_hour=chance.randrange(15, 30) * 1_000_000, starts_at=now)
            for offer in offers
        )


def leases(world: World, *, over: int, live: int) -> None:
    """More leases on every node: `over` that are over, `live` that run or are to come within 60 days."""
    customers = Organization.objects.bulk_create([Organization(name=f"Customer {n}") for n in range(CUSTOMERS)])
    given: dict[str, Any] = {
        "now": world.now,
        "over": over,
        "each": over + live,
        "step": AHEAD / (live or 10),
        "model": a_lease(customers[0], world.now).pk,
        "first": customers[0].pk,
        "customers": CUSTOMERS,
    }
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS wanted")
        for statement in (WANTED, LEASES, CLAIMS, BUSY, "VACUUM ANALYZE"):
            cursor.execute(statement, given if "%(" in statement else None)


def a_lease(customer: Organization, now: datetime) -> Lease:
    """One that was booked as any other: the rest are like it."""
    offer = Offer.objects.filter(listed=True, plan__kind=PlanKind.RESERVED).order_by("pk")[0]
    starts_at = now.replace(minute=0, second=0, microsecond=0) + timedelta(days=59)
    setup = Setup("bench", [], Image.objects.all()[0])
    lease = hold(
        organization=customer, actor="system:bench", created_by=None, offer=offer, rate=offer.rates.all()[0], nodes=1,
        starts_at=starts_at, ends_at=starts_at + timedelta(hours=1), setup=setup, now=now,
    )  # fmt: skip
    expire(lease=lease, now=now)
    return lease


# Each node's time is cut into steps; in each it is leased from one of its first hours on, for a third to four fifths.
WANTED = """
    CREATE TEMP TABLE wanted AS
    SELECT nextval('leasing_lease_id_seq') AS id, node_id, turn < %(over)s AS over,
           %(now)s + (turn - %(over)s) * %(step)s::interval
                   + extract(epoch FROM %(step)s::interval) / 3600 * 0.1 * random() * interval '1 hour' AS begins,
           extract(epoch FROM %(step)s::interval) / 3600 * (0.33 + 0.47 * random()) * interval '1 hour' AS length
      FROM marketplace_nodecalendar CROSS JOIN generate_series(0, %(each)s - 1) AS turn
"""
LEASES = """
    INSERT INTO leasing_lease
    SELECT filled.* FROM wanted JOIN leasing_lease AS model ON model.id = %(model)s,
           jsonb_populate_record(model, jsonb_build_object(
               'id', wanted.id, 'public_id', 'ls_bench' || wanted.id,
               'organization_id', %(first)s + wanted.id %% %(customers)s,
               'starts_at', begins, 'ends_at', begins + length, 'guaranteed_until', begins + length,
               'state', CASE WHEN over THEN 'ended' ELSE 'scheduled' END)) AS filled
"""
CLAIMS = """
    INSERT INTO leasing_claim (node_id, lease_id, period, released_at)
    SELECT node_id, id, tstzrange(begins, begins + length + interval '15 minutes'),
           CASE WHEN over THEN begins + length END
      FROM wanted
"""
BUSY = """
    UPDATE marketplace_nodecalendar AS calendar
       SET busy = coalesce((SELECT range_agg(period) FROM leasing_claim AS live
                             WHERE live.node_id = calendar.node_id AND live.released_at IS NULL), '{}')
"""
