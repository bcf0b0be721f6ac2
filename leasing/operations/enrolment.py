"""A host's way into stock, step by step, and a node's way through another verification."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts.models import IllegalMove
from accounts.operations import record
from accounts.seal import seal
from leasing.inspection.inventory import Inventory
from leasing.inspection.matching import Difference
from leasing.models import Enrolment, Inspection
from leasing.models.work import FENCED
from leasing.operations import calendar
from leasing.operations.asked import Asked, BadEnrolment, check, check_free, no_price
from leasing.operations.stocking import NodeInUse, keep_image, price_of, put_on_sale, retire
from leasing.states import ENROLMENT_FAILED_TWIN, EnrolmentState
from marketplace.models import Node, NodeCalendar, NodeType, Pool, Site
from marketplace.queries import Window
from marketplace.states import NodeState

__all__ = [
    "Asked",
    "BadEnrolment",
    "NodeInUse",
    "failed",
    "inspected",
    "keep_image",
    "lock",
    "node_id_of",
    "passed",
    "reached",
    "request",
    "retire",
    "verify_again",
    "withdraw",
]

ACTOR = "system:leasing"
PURPOSE = "enrolment"  # under which credentials for the first login are sealed
BMC_PURPOSE = "bmc"  # under which a BMC's password is sealed, here and in the node's row
DEADLINES: Mapping[str, timedelta] = {
    EnrolmentState.REACHING: timedelta(minutes=5),
    EnrolmentState.INSPECTING: timedelta(minutes=10),
    EnrolmentState.MEASURING: timedelta(minutes=45),
}
VERIFICATION_TAKES = DEADLINES[EnrolmentState.INSPECTING] + DEADLINES[EnrolmentState.MEASURING]
VERIFIABLE = frozenset({NodeState.AVAILABLE, NodeState.QUARANTINED, NodeState.MAINTENANCE})
WAITING = "waiting for the site's worker"


@transaction.atomic
def request(*, asked: Asked, actor: str, now: datetime) -> Enrolment:
    """
    Let the site's worker make a node of a host. Until it has passed there is nothing but the returned row.

    :raises BadEnrolment: naming the field at fault, for anything that can be known without the host
    """
    Site.objects.select_for_update(no_key=True).get(pk=asked.site.pk)
    check(asked, now)
    credentials = {"password": asked.password, "private_key": asked.private_key}
    given = {name: value for name, value in credentials.items() if value}
    enrolment = Enrolment.objects.create(
        created_at=now,
        actor=actor,
        site=asked.site,
        name=asked.name,
        provisioner=asked.provisioner,
        address=asked.address,
        port=asked.port,
        user=asked.user,
        fingerprint=asked.fingerprint,
        credentials=seal(json.dumps(given), purpose=PURPOSE) if given else "",
        bmc_address=asked.bmc_address,
        bmc_user=asked.bmc_user,
        bmc_password=seal(asked.bmc_password, purpose=BMC_PURPOSE) if asked.bmc_password else "",
        wanted_type=asked.node_type,
        plan=asked.plan,
        micros_per_node_hour=asked.micros_per_node_hour,
        **_begun(EnrolmentState.REACHING, now),
    )
    enrolment.begin(at=now, actor=actor)
    _record(enrolment, "enrolment.requested", actor=actor, now=now, address=asked.address)
    return enrolment


@transaction.atomic
def verify_again(*, node: Node, actor: str, now: datetime) -> Enrolment:
    """
    Let a known node prove itself again before it is offered: it leaves the stock until it has passed.

    :raises IllegalMove: if its state does not lead to verification
    :raises NodeInUse: if it is in stock and booked before a verification would be over
    """
    node = calendar.lock_node(node)
    if node.state not in VERIFIABLE:
        raise IllegalMove(node, NodeState.VERIFYING)
    soon = Window(now, now + VERIFICATION_TAKES)
    taken = calendar.claims_in(node=node, window=soon) or calendar.is_held_in(node=node, window=soon, now=now)
    if node.state == NodeState.AVAILABLE and taken:
        raise NodeInUse(
            f"{node} is booked within the next {VERIFICATION_TAKES.seconds // 60} minutes. Verify it later."
        )
    enrolment = Enrolment.objects.create(
        created_at=now,
        actor=actor,
        site=node.pool.site,
        node=node,
        name=node.name[:60],
        provisioner=node.pool.provisioner,
        address=node.address,
        port=node.port,
        user=node.user,
        host_key=node.host_key,
        wanted_type=node.pool.node_type,
        node_type=node.pool.node_type,
        **_begun(EnrolmentState.INSPECTING, now),
    )
    enrolment.begin(at=now, actor=actor)
    node.move_to(NodeState.VERIFYING, at=now, actor=actor, reason=enrolment.public_id)
    record(
        organization=None,
        kind="node.verifying",
        subject=node.public_id,
        actor=actor,
        at=now,
        data={"enrolment": enrolment.public_id},
    )
    return enrolment


@transaction.atomic
def withdraw(*, enrolment: Enrolment, actor: str, now: datetime) -> None:
    """
    Call it off. A new host leaves nothing; a known node, not being proven, is quarantined.

    :raises IllegalMove: if it is over already
    """
    mine = lock(enrolment)
    if mine is None or mine.state not in ENROLMENT_FAILED_TWIN:
        raise IllegalMove(mine or enrolment, EnrolmentState.WITHDRAWN)
    _end(mine, EnrolmentState.WITHDRAWN, reason="withdrawn", actor=actor, now=now)
    _quarantine(mine, reason="verification_withdrawn", actor=actor, now=now)
    _record(mine, "enrolment.withdrawn", actor=actor, now=now)


def lock(enrolment: Enrolment, **as_read: object) -> Enrolment | None:
    """The enrolment's row, locked behind its node's calendar or its site, and read anew; None if not `as_read`."""
    if enrolment.node:
        calendar.lock_node(enrolment.node)
    else:
        Site.objects.select_for_update(no_key=True).get(pk=enrolment.site_id)
    rows = Enrolment.objects.select_for_update(of=("self",)).select_related(
        "site", "plan", "node__pool__node_type", "wanted_type__gpu_model", "node_type__gpu_model"
    )
    return rows.filter(pk=enrolment.pk, **as_read).first()


def reached(*, enrolment: Enrolment, host_key: str, now: datetime) -> None:
    """The operator's key opens the host, whose key is pinned from now on; what opened it before is forgotten."""
    _go_on(enrolment, EnrolmentState.INSPECTING, now=now, host_key=host_key, credentials="")


def inspected(*, enrolment: Enrolment, node_type: NodeType, now: datetime) -> None:
    """
    It is a whole machine of the type.

    :raises BadEnrolment: if nothing says what such a node costs at the site
    """
    if enrolment.plan is not None and enrolment.micros_per_node_hour is None:
        pool = Pool.objects.filter(site=enrolment.site, node_type=node_type, provisioner=enrolment.provisioner).first()
        if price_of(pool, enrolment.plan, now) is None:
            raise no_price(enrolment.site, node_type, enrolment.plan)
    _go_on(enrolment, EnrolmentState.MEASURING, now=now, node_type=node_type, differences=[])


@transaction.atomic
def passed(*, enrolment: Enrolment, inventory: Inventory, measures: Mapping[str, float], now: datetime) -> Node:
    """
    Put the host into stock and on sale, or the known node back into stock: all of it, or nothing.

    :raises BadEnrolment: if name or address were taken meanwhile
    :raises Stale: if the enrolment or the node was moved meanwhile
    """
    assert enrolment.node_type is not None
    known = enrolment.node
    node = known or _new_node(enrolment, now)
    node.move_to(NodeState.AVAILABLE, at=now, reason=enrolment.public_id)
    _end(enrolment, EnrolmentState.PASSED, reason="", actor=ACTOR, now=now, node=node)
    _keep(enrolment, inventory, measures, now, passed=True)
    offer = enrolment.plan and put_on_sale(node.pool, enrolment.plan, enrolment.micros_per_node_hour, now)
    record(
        organization=None,
        kind="node.verified" if known else "node.enrolled",
        subject=node.public_id,
        actor=enrolment.actor,
        at=now,
        data={
            "enrolment": enrolment.public_id,
            "name": node.name,
            "site": enrolment.site.slug,
            "node_type": enrolment.node_type.slug,
            "address": node.address,
            "offer": offer.public_id if offer else None,
        },
    )
    return node


@transaction.atomic
def failed(
    *,
    enrolment: Enrolment,
    reason: str,
    detail: str,
    now: datetime,
    differences: Sequence[Difference] = (),
    inventory: Inventory | None = None,
    measures: Mapping[str, float] | None = None,
) -> None:
    """
    It does not become a node, or the known one leaves the stock; `detail` says why in a sentence for staff.

    :raises Stale: if it was moved meanwhile
    """
    fields = {"detail": detail[:300], "differences": list(differences)}
    _end(enrolment, EnrolmentState.FAILED, reason=reason, actor=ACTOR, now=now, **fields)
    if inventory is not None:
        _keep(enrolment, inventory, measures or {}, now, passed=False)
    _quarantine(enrolment, reason=reason, actor=ACTOR, now=now)
    _record(enrolment, "enrolment.failed", actor=ACTOR, now=now, reason=reason, detail=detail[:300])


def _begun(state: str, now: datetime) -> dict[str, Any]:
    """The fields of a row that a worker is to take up at once."""
    return {
        "state": state,
        "state_since": now,
        "deadline": now + DEADLINES[state],
        "next_attempt_at": now,
        "step": WAITING,
    }


def _go_on(enrolment: Enrolment, state: str, *, now: datetime, **fields: Any) -> None:
    fresh = {"next_attempt_at": now, "attempts": 0, "detail": "", "step": WAITING, **fields}
    enrolment.move_to(state, at=now, actor=ACTOR, deadline=now + DEADLINES[state], **fresh)


def _end(enrolment: Enrolment, state: str, *, reason: str, actor: str, now: datetime, **fields: Any) -> None:
    """Over: whoever still works on it is fenced, and what opened the host is forgotten."""
    forgotten = {"credentials": "", "bmc_password": "", "step": "", "detail": "", "next_attempt_at": None}
    enrolment.move_to(state, at=now, reason=reason, actor=actor, **{**forgotten, **FENCED, **fields})


def _keep(
    enrolment: Enrolment, inventory: Inventory, measures: Mapping[str, float], now: datetime, *, passed: bool
) -> None:
    Inspection.objects.create(
        enrolment=enrolment,
        node=enrolment.node,
        at=now,
        inventory=inventory.as_json(),
        measures=dict(measures),
        passed=passed,
    )


def _new_node(enrolment: Enrolment, now: datetime) -> Node:
    """Enrolled, and about to be proven. The host keeps the name under which the inspection knew it."""
    check_free(enrolment.site, name=enrolment.name, address=enrolment.address, port=enrolment.port, besides=enrolment)
    assert enrolment.node_type is not None
    pool, _ = Pool.objects.get_or_create(
        site=enrolment.site, node_type=enrolment.node_type, provisioner=enrolment.provisioner
    )
    node = Node.objects.create(
        public_id=node_id_of(enrolment),
        name=enrolment.name,
        pool=pool,
        address=enrolment.address,
        port=enrolment.port,
        user=enrolment.user,
        host_key=enrolment.host_key,
        bmc_address=enrolment.bmc_address,
        bmc_user=enrolment.bmc_user,
        bmc_password=enrolment.bmc_password,
        state=NodeState.ENROLLED,
        state_since=now,
    )
    node.begin(at=now, actor=enrolment.actor)
    NodeCalendar.objects.create(node=node, pool=pool)
    node.move_to(NodeState.VERIFYING, at=now, reason=enrolment.public_id)
    return node


def node_id_of(enrolment: Enrolment) -> str:
    """The public id of the node, also while there is none: hosts know it by this name from the start."""
    return enrolment.node.public_id if enrolment.node else f"nd_{enrolment.public_id.partition('_')[2]}"


def _quarantine(enrolment: Enrolment, *, reason: str, actor: str, now: datetime) -> None:
    """The node that could not prove itself, if there is one, leaves the stock."""
    node = enrolment.node
    if node is None or node.state != NodeState.VERIFYING:
        return
    node.move_to(NodeState.QUARANTINED, at=now, reason=reason, actor=actor)
    data = {"enrolment": enrolment.public_id, "reason": reason, "detail": enrolment.detail}
    record(organization=None, kind="node.quarantined", subject=node.public_id, actor=actor, at=now, data=data)


def _record(enrolment: Enrolment, kind: str, *, actor: str, now: datetime, **data: str) -> None:
    about = {"name": enrolment.name, "site": enrolment.site.slug, **data}
    record(organization=None, kind=kind, subject=enrolment.public_id, actor=actor, at=now, data=about)
