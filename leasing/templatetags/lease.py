"""A lease in the customer's words: its stages, what happened to it and why, and how to log in. Nothing here decides."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import datetime

from django import template

from accounts.models import Event
from leasing.certificates import check_words
from leasing.connecting import SSH_PORT, File, NotInHands, files_of
from leasing.models import Lease, Machine, OnFailure, Transition
from leasing.queries import Stage, current_step, stages
from leasing.states import IN_HANDS, SERVING, LeaseState, MachineState

register = template.Library()
register.filter(check_words)

TITLES = {
    LeaseState.HELD: "Waiting for the operator's approval",
    LeaseState.SCHEDULED: "Ordered",
    LeaseState.PROVISIONING: "Being made ready",
    LeaseState.ACTIVE: "In your hands",
    LeaseState.RECLAIMING: "Given back, being wiped",
    LeaseState.ENDED: "Over",
    LeaseState.EXPIRED: "Never confirmed",
    LeaseState.CANCELLED: "Cancelled",
    LeaseState.FAILED: "Could not be started",
}
ICONS = {LeaseState.SCHEDULED: "calendar", LeaseState.ACTIVE: "active"}
REASONS = {
    "host_failed": "A node did not pass its checks.",
    "preparing_deadline": "A node was not ready in time.",
    "pending_deadline": "No node came free in time.",
    "returned": "Given back.",
    "period_over": "Its period was over.",
    "guarantee_over": "Its guaranteed time was over, and somebody else had booked the nodes.",
    "maintenance": "Its guaranteed time was over, and maintenance of a node was planned.",
    "not_renewed": "Its guaranteed time was over, and we could not renew it in time.",
    "no_firm_power": "Its guaranteed time was over, and its site had not enough firm power for more.",
    "out_of_funds": "Too little money was left.",
    "budget_reached": "A budget was reached.",
    "power": "Paused for want of power, as announced.",
    "node_failed": "A node could not be resumed in time.",
    "hold_expired": "It was not confirmed in time.",
    "not_approved": "The operator did not approve it in time.",
    "declined": "The operator declined the order.",
    "wipe_not_proven": "The checks after the wipe did not all pass.",
    "wiping_deadline": "The wipe took too long.",
}
SERVICES = {
    "power_cycle": "A power-cycle",
    "gpu_reset": "A reset of the GPUs",
    "rebuild": "A rebuild with /scratch kept",
    "rebuild_all": "A rebuild with /scratch emptied",
}
CHANGES = {
    LeaseState.HELD: "Nodes held for your order.",
    LeaseState.SCHEDULED: "Order confirmed.",
    LeaseState.PROVISIONING: "Start: the nodes are being made ready.",
    LeaseState.ACTIVE: "Health check passed and SSH answered. The meter started.",
    LeaseState.PAUSED: "Access off, data kept. The meter stopped.",
    LeaseState.RECLAIMING: "The meter stopped and access ended. The nodes are being wiped.",
    LeaseState.ENDED: "Over.",
    LeaseState.EXPIRED: "The nodes were let go. Nothing was charged.",
    LeaseState.CANCELLED: "Called off before it began.",
    LeaseState.FAILED: "The start failed. Nothing was charged.",
}


@dataclass(frozen=True)
class Step:
    """A stage as components/timeline.html shows it."""

    title: str
    status: str
    at: datetime | None
    deadline: datetime | None = None
    detail: str = ""
    icon: str = "working"


@register.simple_tag
def lease_steps(lease: Lease) -> list[Step]:
    """The way from order to wipe. Stages that the lease will never see any more are left out."""
    way = stages(lease)
    last = max((place for place, stage in enumerate(way) if stage.status != "upcoming"), default=-1)
    seen = [stage for place, stage in enumerate(way) if place >= last or stage.status != "upcoming"]
    return [_step(stage, lease) for stage in seen]


def _step(stage: Stage, lease: Lease) -> Step:
    title = TITLES.get(LeaseState(stage.name), stage.name)
    if stage.status != "current":
        return Step(title, stage.status, stage.at)
    if lease.state == LeaseState.PAUSED:
        kept = "Data, keys and address are kept."
        return Step("Paused", "current", lease.state_since, lease.deadline, kept, icon="pause")
    if lease.state == LeaseState.HELD:
        kept = "Nodes and money are kept for it."
        return Step(title, "current", lease.state_since, lease.deadline, kept, icon="hourglass")
    return Step(title, "current", lease.state_since, icon=ICONS.get(LeaseState(lease.state), "working"))


@register.filter
def progress(lease: Lease) -> str:
    """What is being done now, and on how many machines it is done: "Checking its health (1 of 2 ready)"."""
    step = current_step(lease)
    if not step or lease.node_count == 1:
        return step[:1].upper() + step[1:]
    wiping = lease.state == LeaseState.RECLAIMING
    machines = [m for m in lease.machines.all() if m.touched_at or m.state in SERVING]
    wanted = MachineState.WIPED if wiping else MachineState.READY
    done = sum(machine.state == wanted for machine in machines)
    total = len(machines) if wiping else lease.node_count
    return f"{step[:1].upper()}{step[1:]} ({done} of {total} {wanted.label})"


@register.filter
def in_hands(machine: Machine) -> bool:
    """Whether its tenant may be on it: then its address is shown."""
    return machine.state in IN_HANDS


@register.filter
def event_words(event: Event) -> str:
    """What was done to a machine on its tenant's wish, in words; of other events their own."""
    how = {"lease.service_began": "began", "lease.service_done": "was done", "lease.service_failed": "failed"}
    if event.kind not in how:
        return event.words.removeprefix(f"{event.data.get('name')}: ") + "."
    return f"{SERVICES.get(event.data.get('service', ''), 'Break-fix')} {how[event.kind]}."


@register.filter
def read_moment(iso: str) -> datetime | None:
    """A moment as an event keeps it; None where it keeps none."""
    return datetime.fromisoformat(iso) if iso else None


@register.filter
def policy_words(policy: str) -> str:
    """What happens when a node fails, in words."""
    return str(OnFailure(policy).label)


@register.filter
def machine_words(state: str) -> str:
    """A machine's state in words: "preparing" -> "Being made ready"."""
    return str(MachineState(state).label).capitalize()


@register.filter
def reason_words(code: str) -> str:
    """A reason code as a sentence; "" for one that says nothing to a customer."""
    return REASONS.get(code, "")


@register.filter
def change_words(change: Transition) -> str:
    """A transition as a sentence or two."""
    if change.new == LeaseState.ACTIVE and change.old == LeaseState.PAUSED:
        return "Running again, everything as it was. The meter goes on."
    if change.new == LeaseState.RECLAIMING and change.old == LeaseState.PROVISIONING:
        return "Given back before it was ready. Nothing was charged. The nodes are being wiped."
    told = change.new == LeaseState.ENDED or (change.new, change.reason) == (LeaseState.CANCELLED, "returned")
    reason = "" if told else reason_words(change.reason)
    return f"{reason} {CHANGES.get(LeaseState(change.new), change.new)}".strip()


@register.filter
def ssh_command(machine: Machine) -> str:
    """What to type to log in."""
    port = "" if machine.port == SSH_PORT else f"-p {machine.port} "
    return f"ssh {port}{machine.user}@{machine.host}"


@register.filter
def fingerprint(public_key: str) -> str:
    """An OpenSSH public key's fingerprint, as `ssh` shows it: "SHA256:…"; "" for what is no key."""
    try:
        digest = hashlib.sha256(base64.b64decode(public_key.split()[1], validate=True)).digest()
    except (IndexError, binascii.Error):
        return ""
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@register.simple_tag
def connect_files(lease: Lease) -> list[File]:
    """Files with which its machines are used at once; none while nobody can log in."""
    try:
        return files_of(lease)
    except NotInHands:
        return []
