"""From an order to an agreement: hold, confirm, expire."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.utils.text import slugify

from accounts.models import Event, IllegalMove, Organization, SSHKey, Stale, User, as_json
from accounts.operations import record, unwritten
from accounts.prepared import ask
from leasing.models import Lease, LeaseKey, Machine, OnFailure
from leasing.operations import calendar
from leasing.operations.setup import check_environment, sealed
from leasing.operations.starting import start
from leasing.queries.moving import could_move
from leasing.queries.power import Shortage, shortage
from leasing.states import LeaseState, MachineState
from marketplace.models import Image, Offer, Rate, Terms
from marketplace.queries import Window, bookable_windows, free_nodes, free_windows, has_power, occupied, terms_of

LONGEST_SLUG = 40  # with a number behind it, well below what a host's name may have
HOLD_FOR = timedelta(minutes=10)
WINDOWS_SHOWN = 3
WINDOWS_AHEAD = timedelta(days=60)

# The functions are in booking.sql, beside this file.
ORDER = """
    SELECT lease_id, guaranteed_until, short
      FROM leasing_order(%s::jsonb -> 0, %s, %s, %s, %s, %s::tstzrange, %s::tstzrange, %s, %s)
"""
CONFIRM = "SELECT leasing_confirm(%s, %s, %s::bigint[], %s, %s, %s)"


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
    Not enough free nodes for the whole period. `windows` are the next ones in which as many can be booked as wished;
    with `scattered` as many are free, but not in one fabric group.
    """

    def __init__(self, windows: Sequence[Window], *, scattered: bool = False) -> None:
        super().__init__("Not enough nodes are free for the whole period.")
        self.windows = tuple(windows)
        self.scattered = scattered


class PowerTaken(NodesTaken):
    """
    Nodes are free, but their site has sold its firm power. `shortage` says its limit, and when more is free; of a lease
    that was to go on, `furthest` is the last end that there is power for.
    """

    def __init__(self, shortage: Shortage, furthest: datetime | None = None) -> None:
        super().__init__(())
        self.shortage, self.furthest = shortage, furthest

    def __str__(self) -> str:
        if self.furthest is None:
            return str(self.shortage)
        return f"{self.shortage.limit} The lease can go on until {self.furthest:%Y-%m-%d %H:%M} UTC."


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
    agreed: bool = False,
    event: Callable[[Lease], Event] | None = None,
) -> Lease:
    """
    Hold `nodes` nodes of the offer, all or none, until the order is confirmed or ten minutes have passed; on the terms
    that are in force, or on those of a quote. A quote that holds nodes gets these. With `same_fabric` they are all of
    one fabric group. The `event` of the order is written with it; once `agreed`, it is confirmed at once.

    :raises NodesTaken: if fewer are free for the whole period, cleaning included
    :raises PowerTaken: if their site has not enough firm power for that
    :raises BadEnvironment: if its variables cannot be set on a host
    """
    check_environment(setup.environment)
    lease = Lease(
        organization=organization,
        created_by=created_by,
        created_at=now,
        name=setup.name,
        project=setup.project,
        slug=slugify(setup.name)[:LONGEST_SLUG].strip("-_").replace("_", "-") or "lease",
        same_fabric=same_fabric,
        offer=offer,
        terms=terms or terms_of(plan=offer.plan, at=now),
        rate=rate,
        node_count=nodes,
        starts_at=starts_at,
        ends_at=ends_at,
        image=setup.image,
        startup_script=setup.startup_script,
        environment=sealed(setup.environment),
        environment_names=sorted(setup.environment),
        on_failure=setup.on_failure,
        state=LeaseState.HELD,
        state_since=now,
        deadline=now + HOLD_FOR,
    )
    events = [event(lease)] if event else []
    _write(lease, setup.ssh_keys, quote=quote, actor=actor, agreed=agreed, events=events)
    if lease.state == LeaseState.SCHEDULED and starts_at <= now:
        start(lease=lease, now=now)
    return lease


def _write(
    lease: Lease, keys: Sequence[SSHKey], *, quote: str, actor: str, agreed: bool, events: Sequence[Event]
) -> None:
    """The new lease and all that belongs to it, in one statement: see booking.sql. Raises NodesTaken."""
    now = lease.created_at
    admitted = [LeaseKey(name=key.name, public_key=key.public_key, fingerprint=key.fingerprint) for key in keys]
    machines = _machines(lease, now) if agreed else []
    told = [*events, _confirmed(lease, actor, now)] if agreed else events
    wanted = occupied(lease.terms, lease.starts_at, lease.ends_at)
    horizon = wanted if lease.ends_at else guaranteed(lease.terms, lease.starts_at)
    rows = [as_json(rows) for rows in ([lease], admitted, machines, told)]
    periods = [DateTimeTZRange(window.starts_at, window.ends_at) for window in (wanted, horizon)]
    given = [*rows, lease.offer.pool_id, *periods, quote, actor]
    [(lease.pk, lease.guaranteed_until, short)] = ask(ORDER, given)
    if lease.pk is None:
        raise _taken(lease, wanted, short=bool(short))
    lease._state.adding = False
    if agreed:
        lease.state, lease.version, lease.deadline = LeaseState.SCHEDULED, lease.version + 1, None


def _machines(lease: Lease, now: datetime) -> list[Machine]:
    """One that waits for the start on each of its nodes."""
    numbers = range(1, lease.node_count + 1)
    return [Machine(number=number, state=MachineState.PENDING, state_since=now) for number in numbers]


def _confirmed(lease: Lease, actor: str, now: datetime) -> Event:
    return unwritten(
        organization=lease.organization,
        kind="lease.confirmed",
        subject=lease.public_id,
        actor=actor,
        at=now,
        data={"name": lease.name, "nodes": lease.node_count, "starts_at": lease.starts_at.isoformat()},
    )


def _taken(lease: Lease, wanted: Window, *, short: bool) -> NodesTaken:
    offer, nodes, now = lease.offer, lease.node_count, lease.created_at
    refusal = no_power if short else nodes_taken
    return refusal(offer=offer, nodes=nodes, window=wanted, same_fabric=lease.same_fabric, now=now)


def check_power(
    *,
    organization: Organization,
    offer: Offer,
    terms: Terms,
    nodes: int,
    starts_at: datetime,
    ends_at: datetime | None,
    instead_of: str,
    now: datetime,
) -> None:
    """
    Refuse ahead what an order would be refused for. What the quote `instead_of` holds counts as free ("": none).
    Nothing is refused for which an agreed lease of the organization has power there that it could bring along by a
    move.

    :raises PowerTaken: if the offer's site has not enough firm power
    """
    window = occupied(terms, starts_at, ends_at)
    free: dict[str, Any] = {"offer": offer, "nodes": nodes, "now": now, "quote": instead_of}
    if has_power(starts_at=window.starts_at, until=window.ends_at, **free):
        return
    short = shortage(window=window, **free)
    if short and not could_move(organization=organization, site=short.site, nodes=nodes, window=window, now=now):
        raise PowerTaken(short)


def no_power(*, offer: Offer, nodes: int, window: Window, now: datetime, same_fabric: bool = False) -> NodesTaken:
    """The refusal, with the site's limit and when more is free; as `nodes_taken` if that has changed meanwhile."""
    short = shortage(offer=offer, nodes=nodes, window=window, now=now)
    if short:
        return PowerTaken(short)
    return nodes_taken(offer=offer, nodes=nodes, window=window, same_fabric=same_fabric, now=now)


def nodes_taken(
    *, offer: Offer, nodes: int, window: Window, now: datetime, same_fabric: bool = False, quote: str = ""
) -> NodesTaken:
    """
    The refusal, with the next windows in which as many nodes can be booked, of one fabric group where that is wanted.
    What is held for `quote` was free for it.
    """
    scattered = same_fabric and are_free(offer=offer, nodes=nodes, window=window, now=now, quote=quote)
    terms = terms_of(plan=offer.plan, at=now)
    free = next_windows(offer, terms, nodes=nodes, same_fabric=same_fabric, starts_at=window.starts_at, now=now)
    return NodesTaken(list(islice(bookable_windows(terms, free, now), WINDOWS_SHOWN)), scattered=scattered)


def are_free(*, offer: Offer, nodes: int, window: Window, now: datetime, quote: str = "") -> bool:
    """Whether as many nodes are free for the whole window, in whatever fabric groups; what is held for `quote` is."""
    return free_nodes(window=window, now=now, quote=quote).filter(pool=offer.pool_id).count() >= nodes


def next_windows(
    offer: Offer, terms: Terms, *, nodes: int, starts_at: datetime, now: datetime, same_fabric: bool
) -> list[Window]:
    """Those from `starts_at` on in which as many nodes are free, of one fabric group where that is wanted."""
    return free_windows(
        offer=offer,
        terms=terms,
        nodes=nodes,
        same_fabric=same_fabric,
        starts_at=starts_at,
        until=starts_at + WINDOWS_AHEAD,
        now=now,
    )


def guaranteed(terms: Terms, starts_at: datetime) -> Window:
    """The terms' whole horizon, with the cleaning behind it."""
    return Window(starts_at, starts_at + timedelta(seconds=terms.guarantee_seconds + terms.cleaning_seconds))


@transaction.atomic
def confirm(*, lease: Lease, actor: str, now: datetime) -> None:
    """
    Make a held lease an agreement, and start it if its time has come.

    :raises Stale: if the hold has expired or was cancelled meanwhile
    """
    if lease.state != LeaseState.HELD:
        raise IllegalMove(lease, LeaseState.SCHEDULED)
    given: list[Any] = [lease.pk, lease.version, calendar.claimed(lease), as_json(_machines(lease, now)), actor, now]
    with connection.cursor() as cursor:
        cursor.execute(CONFIRM, given)
        if cursor.fetchone() != (True,):
            raise Stale(lease)
    lease.state, lease.version, lease.state_since = LeaseState.SCHEDULED, lease.version + 1, now
    lease.reason, lease.deadline = "", None
    _confirmed(lease, actor, now).save(force_insert=True)
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


@transaction.atomic
def rename(*, lease: Lease, name: str, actor: str, now: datetime) -> None:
    """Give the lease another name. Names are for people; nothing depends on them. Its own name changes nothing."""
    if not Lease.objects.filter(pk=lease.pk).exclude(name=name).update(name=name):
        return
    data = {"name": name, "before": lease.name}
    record(
        organization=lease.organization, kind="lease.renamed", subject=lease.public_id, actor=actor, at=now, data=data
    )
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
