"""What can be read of the machines that serve a lease: what is wrong with them, and what can be done about it now."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db.models import QuerySet

from accounts.models import Event, Organization
from leasing.models import Claim, Lease, Machine, Outage
from leasing.states import IN_HANDS, SERVING, MachineState
from marketplace.models import NodeCalendar
from marketplace.queries import Window, free_nodes

SERVICES = ("power_cycle", "gpu_reset", "rebuild")
HAS_LOGS = SERVING - {MachineState.PENDING}  # of the others nothing is on the host, or not for long


def machine_of(organization: Organization, *, lease: str, machine: str) -> QuerySet[Machine]:
    """The machine of this public id in that lease of the organization, if there is one."""
    mine = Machine.objects.filter(lease__organization=organization, lease__public_id=lease, public_id=machine)
    return mine.select_related(
        "node", "lease__organization", "lease__offer__plan", "lease__offer__pool__node_type__gpu_model"
    ).prefetch_related("outages")


def outages_of(lease: Lease) -> QuerySet[Outage]:
    """Every outage of the lease's machines, oldest first, called or not: none of them is charged."""
    return Outage.objects.filter(machine__lease=lease).select_related("machine__node").order_by("began_at", "pk")


def troubles(lease: Lease) -> list[Outage]:
    """The outages that the tenant was told of and that go on, oldest first. Needs the machines' outages prefetched."""
    if not lease.in_hands:
        return []
    rows = [outage for machine in lease.machines.all() for outage in machine.outages.all()]
    return sorted((row for row in rows if row.called_at and not row.ended_at), key=lambda row: row.began_at)


def state_words(machine: Machine) -> str:
    """The machine's state in words."""
    return str(MachineState(machine.state).label)


def possible(machine: Machine) -> Mapping[str, str]:
    """
    What the tenant may have done to the machine: each of SERVICES, "swap" and "move", with why not now in a sentence,
    or "".
    """
    lease = machine.lease
    ready = machine.state == MachineState.READY and lease.in_hands
    busy = "" if ready else f"The machine is {state_words(machine)}: it must be ready."
    down = any(outage.ended_at is None for outage in machine.outages.all())
    replaced = Machine.objects.filter(replaces=machine).exists()
    return {
        "power_cycle": busy,
        "gpu_reset": busy or ("" if lease.offer.pool.node_type.gpu_count else "The node has no GPU."),
        "rebuild": busy,
        "swap": _why_no_swap(lease, down=down, replaced=replaced),
        "move": busy
        or ("" if _ends(machine) else "Nothing that is booked behind the node ends the lease's guarantee."),
    }


def first_behind(*machines: Machine) -> dict[Machine, Claim]:
    """What is booked next on the machines' nodes behind their lease; those with nothing are left out. One query."""
    live = Claim.objects.filter(node__in=[machine.node_id for machine in machines], released_at=None)
    by_node: dict[int, list[Claim]] = defaultdict(list)
    for claim in live.order_by("period"):
        by_node[claim.node_id].append(claim)
    found = {}
    for machine in machines:
        mine = next((row for row in by_node[machine.node_id] if row.lease_id == machine.lease_id), None)
        later = [row for row in by_node[machine.node_id] if mine and row.period.lower >= mine.period.upper]
        if later:
            found[machine] = later[0]
    return found


def _ends(machine: Machine) -> bool:
    return machine.lease.guarantee_notice_at is not None and bool(first_behind(machine))


def _why_no_swap(lease: Lease, *, down: bool, replaced: bool) -> str:
    if not lease.in_hands:
        return "The lease is not active."
    if replaced:
        return "Another node is taking its place already."
    return "" if down else "The machine is not down: only one that does not serve you is swapped."


def has_spare(lease: Lease, *, now: datetime) -> bool:
    """Whether an equal node is free for the rest of the lease, so that a swap would succeed now."""
    last = lease.last_moment + timedelta(seconds=lease.terms.cleaning_seconds)
    return last > now and equal_nodes(lease, window=Window(now, last), now=now).exists()


def equal_nodes(lease: Lease, *, window: Window, now: datetime) -> QuerySet[NodeCalendar]:
    """Calendars of the nodes that may take the place of one of the lease's, free for the whole window."""
    free = free_nodes(window=window, now=now).filter(pool=lease.offer.pool)
    group = fabric_group_of(lease)
    return free.filter(node__fabric_group=group) if group else free


def fabric_group_of(lease: Lease) -> str:
    """Of which fabric group a replacement must be: that of the lease's nodes if it was ordered so, else ""."""
    claimed = Claim.objects.filter(lease=lease, released_at=None).values_list("node__fabric_group", flat=True)
    return (claimed.first() or "") if lease.same_fabric else ""


def keys_applied(lease: Lease) -> bool:
    """Whether every machine that the tenant is on admits the lease's keys as they are now."""
    machines = [machine for machine in lease.machines.all() if machine.state in IN_HANDS]
    return all(machine.setup_applied >= lease.setup_version for machine in machines)


def events_of(lease: Lease) -> QuerySet[Event]:
    """What was written down about the lease, its machines and planned work on their nodes; newest first."""
    return Event.objects.filter(organization=lease.organization_id, subject=lease.public_id).order_by("-at", "-id")
