"""From an order to an agreement: hold, confirm, expire."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.text import slugify

from accounts.models import Organization, SSHKey, User
from accounts.operations import record
from leasing.models import Claim, Lease, LeaseKey, Machine, OnFailure
from leasing.operations import calendar
from leasing.operations.setup import check_environment, sealed
from leasing.operations.starting import start
from leasing.states import LeaseState, MachineState
from marketplace.models import Image, Offer, Rate, Terms
from marketplace.queries import Window, free_nodes, free_windows, occupied, terms_of

LONGEST_SLUG = 40  # with a number behind it, well below what a host's name may have
HOLD_FOR = timedelta(minutes=10)
WINDOWS_SHOWN = 3
WINDOWS_AHEAD = timedelta(days=60)


@dataclass(frozen=True)
class Setup:
    """
    What the tenant wants to find: a name for people, the keys that are admitted, the image, a script run once, and
    variables, secrets among them; what to do when a node fails under it; and the tag that its cost counts under.
    """

    name: str
    ssh_keys: Sequence[SSHKey]
    image: Image
    startup_script: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    on_failure: str = OnFailure.ASK
    project: str = ""


class NodesTaken(Exception):
    """
    Not enough free nodes for the whole period. `windows` are the next ones in which as many are free; with `scattered`
    as many are free, but not in one fabric group.
    """

    def __init__(self, windows: Sequence[Window], *, scattered: bool = False) -> None:
        super().__init__("Not enough nodes are free for the whole period.")
        self.windows = tuple(windows)
        self.scattered = scattered


@transaction.atomic
def hold(
    *,
    organization: Organization,
    actor: str,
    created_by: User | None,
    offer: Offer,
    rate: Rate,
    nodes: int,
    starts_at: datetime,
    ends_at: datetime | None,
    setup: Setup,
    now: datetime,
    terms: Terms | None = None,
    quote: str = "",
    same_fabric: bool = False,
) -> Lease:
    """
    Hold `nodes` nodes of the offer, all or none, until the order is confirmed or ten minutes have passed; on the terms
    that are in force, or on those of a quote. A quote that holds nodes gets these. With `same_fabric` they are all of
    one fabric group.

    :raises NodesTaken: if fewer are free for the whole period, cleaning included
    :raises BadEnvironment: if its variables cannot be set on a host
    """
    check_environment(setup.environment)
    terms = terms or terms_of(plan=offer.plan, at=now)
    wish: dict[str, Any] = {"nodes": nodes, "same_fabric": same_fabric, "quote": quote, "now": now}
    node_ids = _lock_nodes(offer, terms, starts_at, ends_at, **wish)
    period = _period(terms, node_ids=node_ids, starts_at=starts_at, ends_at=ends_at, quote=quote, now=now)
    lease = Lease.objects.create(
        organization=organization,
        created_by=created_by,
        created_at=now,
        name=setup.name,
        project=setup.project,
        slug=slugify(setup.name)[:LONGEST_SLUG].strip("-_").replace("_", "-") or "lease",
        same_fabric=same_fabric,
        offer=offer,
        terms=terms,
        rate=rate,
        node_count=nodes,
        starts_at=starts_at,
        ends_at=ends_at,
        guaranteed_until=period.ends_at - timedelta(seconds=terms.cleaning_seconds),
        image=setup.image,
        startup_script=setup.startup_script,
        environment=sealed(setup.environment),
        environment_names=sorted(setup.environment),
        on_failure=setup.on_failure,
        state=LeaseState.HELD,
        state_since=now,
        deadline=now + HOLD_FOR,
    )
    _admit(lease, setup.ssh_keys)
    calendar.claim(lease=lease, node_ids=node_ids, period=period)
    calendar.let_go(node_ids=node_ids, quote=quote)
    lease.begin(at=now, actor=actor)
    return lease


def _admit(lease: Lease, keys: Sequence[SSHKey]) -> None:
    LeaseKey.objects.bulk_create(
        LeaseKey(lease=lease, name=key.name, public_key=key.public_key, fingerprint=key.fingerprint) for key in keys
    )


def _lock_nodes(
    offer: Offer,
    terms: Terms,
    starts_at: datetime,
    ends_at: datetime | None,
    *,
    nodes: int,
    same_fabric: bool,
    quote: str,
    now: datetime,
) -> list[int]:
    """
    Ids of free nodes, locked: those that the quote holds; else, for an open-ended lease, rather those with nothing
    booked behind. Raises NodesTaken.
    """
    window = occupied(terms, starts_at, ends_at)
    if quote:
        with suppress(calendar.TooFewNodes):  # its hold has lapsed, or a node broke down: others will do
            return calendar.ids(calendar.lock_held_nodes(nodes=nodes, window=window, now=now, quote=quote))
    wish: dict[str, Any] = {"pool": offer.pool, "nodes": nodes, "same_fabric": same_fabric, "quote": quote, "now": now}
    if ends_at is None:
        with suppress(calendar.TooFewNodes):
            return calendar.ids(calendar.lock_idle_nodes(window=guaranteed(terms, starts_at), **wish))
    try:
        return calendar.ids(calendar.lock_free_nodes(window=window, **wish))
    except calendar.TooFewNodes:
        scattered = same_fabric and free_nodes(window=window, now=now).filter(pool=offer.pool).count() >= nodes
        raise nodes_taken(offer=offer, nodes=nodes, starts_at=starts_at, scattered=scattered, now=now) from None


def nodes_taken(*, offer: Offer, nodes: int, starts_at: datetime, now: datetime, scattered: bool = False) -> NodesTaken:
    """The refusal, with the next windows in which as many nodes are free."""
    windows = free_windows(offer=offer, nodes=nodes, starts_at=starts_at, until=starts_at + WINDOWS_AHEAD, now=now)
    return NodesTaken(windows[:WINDOWS_SHOWN], scattered=scattered)


def _period(
    terms: Terms,
    *,
    node_ids: Sequence[int],
    starts_at: datetime,
    ends_at: datetime | None,
    quote: str,
    now: datetime,
) -> Window:
    """What the claims take, cleaning included: to the agreed end, or as far as can be guaranteed."""
    if ends_at is not None:
        return occupied(terms, starts_at, ends_at)
    wanted = guaranteed(terms, starts_at).ends_at
    reach = calendar.reach_until(node_ids=node_ids, after=starts_at, wanted=wanted, now=now, quote=quote)
    return Window(starts_at, reach)


def guaranteed(terms: Terms, starts_at: datetime) -> Window:
    """The terms' whole horizon, with the cleaning behind it."""
    return Window(starts_at, starts_at + timedelta(seconds=terms.guarantee_seconds + terms.cleaning_seconds))


@transaction.atomic
def confirm(*, lease: Lease, actor: str, now: datetime) -> None:
    """
    Make a held lease an agreement, and start it if its time has come.

    :raises Stale: if the hold has expired or was cancelled meanwhile
    """
    lease.move_to(LeaseState.SCHEDULED, at=now, actor=actor)
    claims = Claim.objects.filter(lease=lease, released_at=None).order_by("node_id")
    for number, node_id in enumerate(claims.values_list("node_id", flat=True), start=1):
        machine = Machine.objects.create(
            lease=lease, node_id=node_id, number=number, state=MachineState.PENDING, state_since=now
        )
        machine.begin(at=now, actor=actor)
    record(
        organization=lease.organization,
        kind="lease.confirmed",
        subject=lease.public_id,
        actor=actor,
        at=now,
        data={"name": lease.name, "nodes": lease.node_count, "starts_at": lease.starts_at.isoformat()},
    )
    if lease.starts_at <= now:
        start(lease=lease, now=now)


@transaction.atomic
def expire(*, lease: Lease, now: datetime, reason: str = "hold_expired") -> None:
    """
    Let go of a hold that nobody confirmed in time.

    :raises Stale: if it was confirmed meanwhile
    """
    node_ids = calendar.lock_nodes_of(lease)
    lease.move_to(LeaseState.EXPIRED, at=now, reason=reason, environment="")
    calendar.release(lease=lease, node_ids=node_ids, now=now)


def rename(*, lease: Lease, name: str) -> None:
    """Give the lease another name. Names are for people; nothing depends on them."""
    Lease.objects.filter(pk=lease.pk).update(name=name)
    lease.name = name


@transaction.atomic
def tag(*, lease: Lease, project: str, actor: str, now: datetime) -> None:
    """Count the lease for another project of the customer's, or for none (""). The tag it has changes nothing."""
    if not Lease.objects.filter(pk=lease.pk).exclude(project=project).update(project=project):
        return
    data = {"name": lease.name, "project": project, "before": lease.project}
    record(
        organization=lease.organization, kind="lease.tagged", subject=lease.public_id, actor=actor, at=now, data=data
    )
    lease.project = project
