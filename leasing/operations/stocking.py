"""Nodes on sale, and out of stock for good."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from accounts.operations import record
from leasing.models import Claim
from marketplace.models import Image, Node, NodeCalendar, Offer, Plan, Pool, Rate
from marketplace.states import IN_STOCK, NodeState

IN_USE = IN_STOCK - {NodeState.AVAILABLE}


class NodeInUse(Exception):
    """Somebody is on the node, or has booked it."""


def price_of(pool: Pool | None, plan: Plan, now: datetime) -> Rate | None:
    """What a node of the pool costs on the plan; None where nothing says so."""
    rates = Rate.objects.filter(organization=None, offer__pool=pool, offer__plan=plan, starts_at__lte=now)
    return rates.order_by("-starts_at").first() if pool else None


def put_on_sale(pool: Pool, plan: Plan, micros_per_node_hour: int | None, now: datetime) -> Offer:
    """The pool's offer on the plan, listed; at a new price from now on, if one is given and differs."""
    offer, _ = Offer.objects.update_or_create(pool=pool, plan=plan, defaults={"listed": True})
    newest = price_of(pool, plan, now)
    if micros_per_node_hour is not None and (newest is None or newest.micros_per_node_hour != micros_per_node_hour):
        Rate.objects.create(offer=offer, starts_at=now, micros_per_node_hour=micros_per_node_hour)
    return offer


@transaction.atomic
def retire(*, node: Node, actor: str, now: datetime, reason: str = "") -> None:
    """
    Take a node out of stock for good. Its name is free again; a pool without nodes is no longer on sale.

    :raises NodeInUse: if somebody is on it or has booked it
    :raises IllegalMove: if it is retired already, or being verified
    """
    NodeCalendar.objects.select_for_update(no_key=True).get(pk=node.pk)
    node.refresh_from_db()
    booked = Claim.objects.filter(node=node, released_at=None, period__endswith__gt=now)
    if node.state in IN_USE or booked.exists():
        raise NodeInUse(f"{node} is {node.state} or booked. End its lease first, and wait for the wipe.")
    name = node.name
    node.move_to(NodeState.RETIRED, at=now, actor=actor, name=f"{name[:50]} {node.public_id}")
    data = {"name": name, "reason": reason}
    record(organization=None, kind="node.retired", subject=node.public_id, actor=actor, at=now, data=data)
    if not Node.objects.filter(~Q(state=NodeState.RETIRED), pool=node.pool).exists():
        Offer.objects.filter(pool=node.pool).update(listed=False)


def keep_image(*, slug: str, reference: str, digest: str = "") -> Image:
    """The image of this name, which hosts know by `reference`; a `digest` pins its content."""
    words = {"name": slug, "size_mb": 0, "contents": "Brought along with its nodes."}
    where = {"reference": reference, "digest": digest}
    image, _ = Image.objects.update_or_create(slug=slug, defaults=where, create_defaults={**words, **where})
    return image
