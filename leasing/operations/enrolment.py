"""A node's way into stock and out of it."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from accounts.operations import record
from leasing.models import Claim
from marketplace.models import Image, Node, NodeCalendar, NodeType, Offer, Plan, Pool, Rate, Site
from marketplace.states import IN_STOCK, NodeState

IN_USE = IN_STOCK - {NodeState.AVAILABLE}


class NodeInUse(Exception):
    """Somebody is on the node, or has booked it."""


class NodeElsewhere(Exception):
    """Another pool has a node of this name."""


class NoPrice(Exception):
    """The offer has no price yet, and none was given."""


@dataclass(frozen=True)
class Reach:
    """Where the site's worker reaches a host, and the OpenSSH public key that must answer there."""

    address: str
    port: int
    user: str
    host_key: str


@transaction.atomic
def enrol(
    *,
    name: str,
    site: Site,
    node_type: NodeType,
    provisioner: str,
    reach: Reach,
    plan: Plan,
    micros_per_node_hour: int | None,
    actor: str,
    now: datetime,
) -> tuple[Node, Offer]:
    """
    Put a node into stock and on sale, or correct where it is reached. Doing it twice changes nothing.

    :raises NodeElsewhere: if another pool has a node of this name
    :raises NodeInUse: if it is to be reached elsewhere while somebody is on it
    :raises NoPrice: if the offer has no price and `micros_per_node_hour` is None
    """
    pool, _ = Pool.objects.get_or_create(site=site, node_type=node_type, provisioner=provisioner)
    node = _existing(name, pool, reach) or _new(name, pool, reach, now)
    if node.state == NodeState.ENROLLED:
        node.move_to(NodeState.VERIFYING, at=now, reason="enrolled", actor=actor)
        node.move_to(NodeState.AVAILABLE, at=now, reason="enrolled", actor=actor)
        data = {"name": name, "site": site.slug, "node_type": node_type.slug, "address": reach.address}
        record(organization=None, kind="node.enrolled", subject=node.public_id, actor=actor, at=now, data=data)
    return node, _on_sale(pool, plan, micros_per_node_hour, now)


@transaction.atomic
def retire(*, node: Node, actor: str, now: datetime) -> None:
    """
    Take a node out of stock for good. Its name is free again; a pool without nodes is no longer on sale.

    :raises NodeInUse: if somebody is on it or has booked it
    :raises IllegalMove: if it is retired already
    """
    NodeCalendar.objects.select_for_update(no_key=True).get(pk=node.pk)
    node.refresh_from_db()
    booked = Claim.objects.filter(node=node, released_at=None, period__endswith__gt=now)
    if node.state in IN_USE or booked.exists():
        raise NodeInUse(f"{node} is {node.state} or booked. End its lease first, and wait for the wipe.")
    name = node.name
    node.move_to(NodeState.RETIRED, at=now, actor=actor, name=f"{name[:50]} {node.public_id}")
    record(organization=None, kind="node.retired", subject=node.public_id, actor=actor, at=now, data={"name": name})
    if not Node.objects.filter(~Q(state=NodeState.RETIRED), pool=node.pool).exists():
        Offer.objects.filter(pool=node.pool).update(listed=False)


def keep_image(*, slug: str, reference: str, digest: str = "") -> Image:
    """The image of this name, which hosts know by `reference`; a `digest` pins its content."""
    words = {"name": slug, "size_mb": 0, "contents": "Brought along with its nodes."}
    where = {"reference": reference, "digest": digest}
    image, _ = Image.objects.update_or_create(slug=slug, defaults=where, create_defaults={**words, **where})
    return image


def _existing(name: str, pool: Pool, reach: Reach) -> Node | None:
    node = Node.objects.select_for_update().filter(name=name).first()
    if node is None:
        return None
    if node.pool_id != pool.pk:
        raise NodeElsewhere(f"There is a node {name} at {node.pool}. Choose another name, or retire that one first.")
    if Reach(node.address, node.port, node.user, node.host_key) != reach:
        if node.state in IN_USE:
            raise NodeInUse(f"{name} is {node.state}. It can be moved to another address once it is available.")
        Node.objects.filter(pk=node.pk).update(**vars(reach))
        node.refresh_from_db()
    return node


def _new(name: str, pool: Pool, reach: Reach, now: datetime) -> Node:
    node = Node.objects.create(name=name, pool=pool, state=NodeState.ENROLLED, state_since=now, **vars(reach))
    node.begin(at=now, actor="system:leasing")
    NodeCalendar.objects.create(node=node, pool=pool)
    return node


def _on_sale(pool: Pool, plan: Plan, micros_per_node_hour: int | None, now: datetime) -> Offer:
    offer, _ = Offer.objects.update_or_create(pool=pool, plan=plan, defaults={"listed": True})
    newest = Rate.objects.filter(offer=offer, starts_at__lte=now).order_by("-starts_at").first()
    if micros_per_node_hour is None and newest is None:
        raise NoPrice(f"There is no price for {offer} yet: say --micros-per-node-hour.")
    if micros_per_node_hour is not None and (newest is None or newest.micros_per_node_hour != micros_per_node_hour):
        Rate.objects.create(offer=offer, starts_at=now, micros_per_node_hour=micros_per_node_hour)
    return offer


@transaction.atomic
def verify_again(*, node: Node, actor: str, now: datetime) -> None:
    """
    Let a known node prove itself again before it is offered.

    :raises IllegalMove: if its state does not lead to verification
    """
    node.move_to(NodeState.VERIFYING, at=now, actor=actor)
    record(organization=None, kind="node.verifying", subject=node.public_id, actor=actor, at=now)
