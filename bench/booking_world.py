"""Who orders what: customers with a history, money, tokens and keys, and quotes for windows all over the catalogue."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count

from accounts.models import Membership, Organization, Role, SSHKey, User
from accounts.operations import add_ssh_key, issue_token
from bench.search_world import World
from billing.models import Quote
from billing.operations import grant
from leasing.models import NodeLimit
from marketplace.models import Node, NodeCalendar, NodeType, Offer, Plan, PlanKind, Pool, Rate, Site, Terms
from marketplace.queries import free_nodes, occupied, terms_of
from marketplace.states import NodeState

MONEY = 10**15  # micro-dollars in each wallet: a billion dollars, so that money is counted and never short
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl bench"

# Every lease of the generated world has a meter, as those have that were ordered; those that are over are settled.
METERS = """
    INSERT INTO billing_meter (lease_id, organization_id, micros_per_node_hour, nodes, hold_micros, seconds,
                               outage_node_seconds, charged_micros, closed_at)
    SELECT id, organization_id, 20000000, node_count, 20000000, 0, 0, 0, CASE WHEN state = 'ended' THEN ends_at END
      FROM leasing_lease
"""


@dataclass(frozen=True)
class Customer:
    """A company with fifty leases for each ten that it has now and ahead."""

    organization: Organization
    token: str
    key: str


@dataclass(frozen=True)
class Order:
    """One order that is about to be placed."""

    customer: Customer
    quote: Quote


def customers(world: World) -> list[Customer]:
    """Those whose leases fill the world, able to order."""
    with connection.cursor() as cursor:
        cursor.execute(METERS)
        cursor.execute("VACUUM ANALYZE billing_meter")  # as the leases were
    return [_able(row, world) for row in Organization.objects.filter(name__startswith="Customer ").order_by("pk")]


def _able(organization: Organization, world: World) -> Customer:
    owner = User.objects.create(email=f"owner{organization.pk}@bench.example.com")
    Membership.objects.create(organization=organization, user=owner, role=Role.OWNER)
    NodeLimit.objects.create(organization=organization, nodes=10_000, reason="bench")
    grant(organization=organization, amount_micros=MONEY, key=f"bench{organization.pk}", memo="bench", now=world.now)
    given: dict[str, Any] = {"organization": organization, "actor": "system:bench", "user": owner, "now": world.now}
    key: SSHKey = add_ssh_key(**given, name="bench", text=KEY)
    _, token = issue_token(**given, name="bench", scopes=["lease:read", "lease:write"], expires_at=None)
    return Customer(organization, token, key.public_id)


def anywhere() -> list[Offer]:
    """What is sold ahead: an offer for each pool, as often as the pool has nodes."""
    ahead = Offer.objects.filter(listed=True, plan__kind=PlanKind.RESERVED).select_related("pool", "plan")
    return [offer for offer in ahead.annotate(size=Count("pool__nodes")) for _ in range(offer.size)]


def a_pool(world: World, *, nodes: int) -> Offer:
    """A small pool of its own, for many who want the same."""
    kind = NodeType.objects.get(slug=world.classes[0])
    place = Site.objects.exclude(pools__node_type=kind).order_by("slug")[0]
    pool = Pool.objects.create(site=place, node_type=kind, provisioner="fake")
    state = {"state": NodeState.AVAILABLE, "state_since": world.now}
    made = Node.objects.bulk_create(Node(name=f"small-{pool.pk}-{n}", pool=pool, **state) for n in range(nodes))
    NodeCalendar.objects.bulk_create(NodeCalendar(node=node, pool=pool) for node in made)
    offer = Offer.objects.create(pool=pool, plan=Plan.objects.get(slug="reserved"))
    Rate.objects.create(offer=offer, micros_per_node_hour=20_000_000, starts_at=world.now)
    return offer


def orders(
    world: World,
    who: Sequence[Customer],
    what: Sequence[Offer],
    count: int,
    *,
    nodes: int = 1,
    within_hours: int = 690,
    free: bool = False,
) -> list[Order]:
    """
    Customers in turn, each with a quote for an hour to three days that begins within so many hours. With `free` a
    node is free for it now, so that few are refused: those that meet another one of them.
    """
    chance = random.Random(Quote.objects.count())
    begin = world.now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    rates = {rate.offer_id: rate for rate in Rate.objects.filter(offer__in=what)}
    terms = terms_of(plan=what[0].plan, at=world.now)
    made: list[Order] = []
    while len(made) < count:
        starts_at = begin + timedelta(hours=chance.randrange(within_hours))
        hours = chance.choice([1, 2, 4, 12, 24, 72])
        offer = chance.choice(what)
        window = occupied(terms, starts_at, starts_at + timedelta(hours=hours))
        if free and not free_nodes(window=window, now=world.now).filter(pool=offer.pool_id).exists():
            continue
        customer = who[len(made) % len(who)]
        made.append(_order(customer, offer, rates[offer.pk], terms, nodes, starts_at, hours, world.now))
    Quote.objects.bulk_create(order.quote for order in made)
    return made


def _order(
    customer: Customer,
    offer: Offer,
    rate: Rate,
    terms: Terms,
    nodes: int,
    starts_at: datetime,
    hours: int,
    now: datetime,
) -> Order:
    micros = rate.micros_per_node_hour
    quote = Quote(
        organization=customer.organization, offer=offer, terms=terms, rate=rate, nodes=nodes, starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=hours), list_micros_per_node_hour=micros, micros_per_node_hour=micros,
        hold_micros=micros * hours * nodes, total_micros=micros * hours * nodes, created_at=now,
        expires_at=now + timedelta(days=1),
    )  # fmt: skip
    return Order(customer, quote)
