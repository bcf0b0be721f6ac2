"""What a site's worker does to make a node of a host: reach it, inspect it, measure it. See `working` for how."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Exists, OuterRef, Q

from accounts import clock, failpoints
from accounts.models import IllegalMove, Stale
from accounts.operations import for_each
from accounts.seal import Unsealable, unseal
from leasing import working
from leasing.inspection.inventory import Inventory
from leasing.inspection.matching import NOT_MEASURED, Difference, differences, match, nearest, sentence, too_slow
from leasing.models import Claim, Enrolment
from leasing.operations import enrolment as operations
from leasing.operations.enrolment import PURPOSE, VERIFICATION_TAKES, BadEnrolment, NodeInUse, lock, node_id_of
from leasing.provisioners import inspector_for
from leasing.provisioners.base import (
    Credentials,
    CredentialsRefused,
    Host,
    HostKeyMismatch,
    HostUnfit,
    ProvisionerError,
)
from leasing.states import ENROLMENT_FAILED_TWIN, EnrolmentState
from marketplace.models import Node, NodeType, Provisioner, Site
from marketplace.states import NodeState

log = logging.getLogger(__name__)

failpoints.register("enrolment.taken", "enrolment.acted", "enrolment.applied")

VERIFIED_EVERY = timedelta(days=7)  # a node that stands idle so long is verified again
AT_ONCE = 2  # nodes of one site that the clock has verified at the same time
QUIET = 6 * VERIFICATION_TAKES  # no booking begins within this time after the start of such a verification
BATCH = 200


class Unfit(ProvisionerError):
    """The host is not what it is to be. Only mending it, or asking for another type, helps."""

    permanent = True

    def __init__(
        self,
        words: str,
        reason: str,
        found: Sequence[Difference],
        inventory: Inventory,
        measures: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(words)
        self.reason = reason
        self.found = found
        self.inventory = inventory
        self.measures = measures


@dataclass(frozen=True)
class Reached:
    """The operator's key opens the host, which answers with this key."""

    host_key: str


@dataclass(frozen=True)
class Inspected:
    """The host is a whole machine of the type."""

    node_type: NodeType


@dataclass(frozen=True)
class Measured:
    """The host reaches what its type must, and nothing of it broke on the way."""

    inventory: Inventory
    measures: Mapping[str, float]


Outcome = Reached | Inspected | Measured


def due(*, now: datetime) -> Q:
    """The enrolments that somebody may take now."""
    return working.free(now=now) & Q(state__in=sorted(ENROLMENT_FAILED_TWIN))


def take(*, site: Site, now: datetime) -> Enrolment | None:
    """The longest waiting enrolment at the site, for this worker alone."""
    mine = working.take(Enrolment.objects.filter(due(now=now), site=site), now=now)
    if mine is None:
        return None
    whole = working.mine(mine).select_related("node__pool", "wanted_type__gpu_model", "node_type__gpu_model")
    return whole.first()


def work(*, site: Site) -> bool:
    """Take one enrolment, act, apply. False when nothing was due."""
    enrolment = take(site=site, now=clock.now())
    if enrolment is None:
        return False
    failpoints.reached("enrolment.taken")
    try:
        with working.renewed(enrolment):
            outcome = act(enrolment)
        failpoints.reached("enrolment.acted")
    except ProvisionerError as error:
        log.warning("%s, %s: %s", enrolment, enrolment.state, error)
        applied = apply_error(enrolment=enrolment, error=error, now=clock.now())
    else:
        applied = apply(enrolment=enrolment, outcome=outcome, now=clock.now())
    failpoints.reached("enrolment.applied")
    if not applied:
        log.warning("%s was taken over by another worker; its result is dropped", enrolment)
    return True


def act(enrolment: Enrolment) -> Outcome:
    """
    Do on the host what the enrolment's state asks for. Safe to repeat; no transaction is open.

    :raises ProvisionerError: with one sentence for staff
    """
    if enrolment.state == EnrolmentState.REACHING:
        return _reach(enrolment)
    inspector, host = inspector_for(enrolment.provisioner), host_of(enrolment)
    if enrolment.state == EnrolmentState.INSPECTING:
        working.note(enrolment, "reading its parts")
        return Inspected(_matched(enrolment, inspector.inspect(host)))
    working.note(enrolment, "burning it in")
    measures = inspector.measure(host)
    working.note(enrolment, "reading its parts after the burn-in")
    return _proven(enrolment, inspector.inspect(host), measures)


def _reach(enrolment: Enrolment) -> Reached:
    """:raises CredentialsRefused: also where what was given cannot be read any more"""
    working.note(enrolment, "logging in for the first time")
    try:
        given = unseal(enrolment.credentials, purpose=PURPOSE) if enrolment.credentials else "{}"
    except Unsealable as error:
        raise CredentialsRefused(str(error)) from error
    host = host_of(enrolment)
    host_key = inspector_for(enrolment.provisioner).adopt(
        address=host.address,
        port=host.port,
        fingerprint=enrolment.fingerprint,
        credentials=Credentials(user=enrolment.user, **json.loads(given)),
        operator_key=host.identity,
    )
    return Reached(host_key)


def _matched(enrolment: Enrolment, inventory: Inventory) -> NodeType:
    """
    The type that the host is.

    :raises Unfit: if it is not the wanted one, or none of them
    """
    if enrolment.wanted_type is not None:
        _must_be(enrolment, enrolment.wanted_type, inventory)
        return enrolment.wanted_type
    kinds = list(NodeType.objects.select_related("gpu_model"))
    found = match(inventory, kinds)
    if found is None:
        near = nearest(inventory, kinds)
        missing = differences(inventory, near) if near else []
        words = (
            f"It is none of our node types. The nearest is {near}: {sentence(missing)}." if near else "None is known."
        )
        raise Unfit(words, "wrong_hardware", missing, inventory)
    return found


def _must_be(enrolment: Enrolment, kind: NodeType, inventory: Inventory) -> None:
    found = differences(inventory, kind)
    if enrolment.provisioner == Provisioner.SANDBOX:
        found = [one for one in found if one["part"] != "network"]  # simulated cards have one speed
    if found:
        raise Unfit(f"It is not of the type {kind}: {sentence(found)}.", "wrong_hardware", found, inventory)


def _proven(enrolment: Enrolment, inventory: Inventory, measures: Mapping[str, float]) -> Measured:
    """:raises Unfit: if it is too slow, or not whole any more"""
    kind = enrolment.node_type
    assert kind is not None
    try:
        _must_be(enrolment, kind, inventory)
    except Unfit as error:
        error.measures = measures
        raise
    missed = too_slow(kind.targets.all(), measures)
    if enrolment.provisioner == Provisioner.SANDBOX:
        missed = [one for one in missed if one["found"] != NOT_MEASURED]
    if missed:
        raise Unfit(f"It is too slow for the type {kind}: {sentence(missed)}.", "too_slow", missed, inventory, measures)
    return Measured(inventory, measures)


@transaction.atomic
def apply(*, enrolment: Enrolment, outcome: Outcome, now: datetime) -> bool:
    """Write a result down. False, and nothing is written, if another worker has taken it or it has moved."""
    mine = lock(enrolment, work_epoch=enrolment.work_epoch, state=enrolment.state)
    if mine is None:
        return False
    try:
        _apply(mine, outcome, now)
    except BadEnrolment as error:
        reason = "no_price" if error.field == "micros_per_node_hour" else "taken"
        operations.failed(enrolment=mine, reason=reason, detail=error.message, now=now)
    working.let_go(mine)
    return True


def _apply(mine: Enrolment, outcome: Outcome, now: datetime) -> None:
    if isinstance(outcome, Reached):
        operations.reached(enrolment=mine, host_key=outcome.host_key, now=now)
    elif isinstance(outcome, Inspected):
        operations.inspected(enrolment=mine, node_type=outcome.node_type, now=now)
    else:
        operations.passed(enrolment=mine, inventory=outcome.inventory, measures=outcome.measures, now=now)


@transaction.atomic
def apply_error(*, enrolment: Enrolment, error: ProvisionerError, now: datetime) -> bool:
    """Try again a little later, or give up where trying again cannot help."""
    mine = lock(enrolment, work_epoch=enrolment.work_epoch, state=enrolment.state)
    if mine is None:
        return False
    if isinstance(error, Unfit):
        operations.failed(
            enrolment=mine,
            reason=error.reason,
            detail=str(error),
            now=now,
            differences=error.found,
            inventory=error.inventory,
            measures=error.measures,
        )
    elif error.permanent:
        operations.failed(enrolment=mine, reason=_reason(error), detail=str(error), now=now)
    else:
        working.again_later(mine, error=error, now=now)
    working.let_go(mine)
    return True


def _reason(error: ProvisionerError) -> str:
    reasons = {CredentialsRefused: "credentials_refused", HostKeyMismatch: "wrong_host_key", HostUnfit: "host_unfit"}
    return next((code for kind, code in reasons.items() if isinstance(error, kind)), "host_failed")


def host_of(enrolment: Enrolment) -> Host:
    """Where the host is reached, and what it is to be, as far as that is known."""
    address, port, host_key = enrolment.address, enrolment.port, enrolment.host_key
    if enrolment.provisioner == Provisioner.SANDBOX:  # every sandbox node lives on the one built-in host
        address, _, text = settings.SANDBOX_ADDRESS.rpartition(":")
        port, host_key = int(text), settings.SANDBOX_HOST_KEY
    return Host(
        node_id=node_id_of(enrolment),
        provisioner=enrolment.provisioner,
        address=address,
        port=port,
        user=enrolment.user,
        host_key=host_key,
        identity=str(settings.OPERATOR_KEY),
        facts=_facts(enrolment.node_type or enrolment.wanted_type),
    )


def _facts(kind: NodeType | None) -> dict[str, str | int | float | None]:
    """What the type promises, its targets among it; nothing where it is still open."""
    if kind is None:
        return {}
    gpu = kind.gpu_model
    return {
        "gpu_model": gpu.name if gpu else None,
        "gpu_count": kind.gpu_count,
        "gpu_memory_gb": gpu.memory_gb if gpu else 0,
        "vcpus": kind.vcpus,
        "memory_gb": kind.memory_gb,
        "nvme_gb": kind.nvme_gb,
        "network_gbps": kind.network_gbps,
        **{target.measure: target.value for target in kind.targets.all()},
    }


def give_up_overdue(*, now: datetime) -> None:
    """Enrolments whose state has lasted past its deadline have failed, with what the last attempt said."""
    late = Enrolment.objects.filter(state__in=sorted(ENROLMENT_FAILED_TWIN), deadline__lte=now).order_by("pk")
    for_each(late[:BATCH], lambda enrolment: _give_up(enrolment, now=now))


@transaction.atomic
def _give_up(enrolment: Enrolment, *, now: datetime) -> None:
    """`failed` fences whoever still works on it."""
    late = lock(enrolment, state=enrolment.state, version=enrolment.version)
    if late is None:
        return
    words = late.detail or "No worker of the site has taken it up: is one running there?"
    operations.failed(enrolment=late, reason=f"{late.state}_deadline", detail=f"It took too long. {words}", now=now)


def verify_idle(*, now: datetime) -> None:
    """A few nodes that have stood idle for a week prove themselves again, where nothing is booked soon."""
    soon = Claim.objects.filter(
        node=OuterRef("pk"), released_at=None, period__overlap=DateTimeTZRange(now, now + QUIET)
    )
    idle = Node.objects.filter(
        ~Exists(soon), state=NodeState.AVAILABLE, state_since__lte=now - VERIFIED_EVERY, cordoned_at=None
    )
    under_way = Enrolment.objects.filter(state__in=sorted(ENROLMENT_FAILED_TWIN), node__isnull=False)
    busy = list(under_way.values_list("site_id", flat=True))
    for node in idle.select_related("pool").order_by("state_since")[:BATCH]:
        if busy.count(node.pool.site_id) < AT_ONCE:
            try:
                operations.verify_again(node=node, actor=operations.ACTOR, now=now)
            except (IllegalMove, Stale, NodeInUse) as moved:
                log.info("left alone: %s", moved)
            except Exception:
                log.exception("the sweep could not work on %s", node)
            else:
                busy.append(node.pool.site_id)
