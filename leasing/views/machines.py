"""One machine of a lease: how it is, what can be done about it, and what its host printed."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache

from accounts.access import may, principal_of
from accounts.clock import now
from accounts.models import IllegalMove, Stale
from accounts.views import allowed
from leasing import logs
from leasing.models import Machine, MachineLog
from leasing.operations import NoEqualNode, move_machine, service, swap
from leasing.provisioners.base import Log
from leasing.queries.machines import HAS_LOGS, events_of, machine_of, outages_of, possible
from leasing.states import SERVING
from leasing.tasks import nudge_sites


@dataclass(frozen=True)
class Fix:
    """Something that is done to a machine on its tenant's wish, in words. `address` is the name of its page."""

    what: str
    title: str
    summary: str
    effects: tuple[str, ...]
    said: str
    danger: bool = False

    @property
    def address(self) -> str:
        """The name of the page that asks."""
        return f"machine_{self.what}"


ENDS = "Everything that runs on the machine ends at once, and every session with it. What was only in memory is lost."
STAYS = "Address, host key and your SSH keys stay. The meter runs on."
FIXES = {
    "power_cycle": Fix(
        "power_cycle",
        "Power-cycle",
        "Stop it hard and start it again, for a machine that hangs.",
        (ENDS, "Disks and /scratch stay as they are. The startup script does not run again.", STAYS),
        "It is being stopped and started again.",
    ),
    "gpu_reset": Fix(
        "gpu_reset",
        "Reset GPUs",
        "Reset every GPU, for errors that a new process does not get rid of.",
        (ENDS, "What is in GPU memory is lost. Disks and /scratch stay as they are.", STAYS),
        "Its GPUs are being reset.",
    ),
    "rebuild": Fix(
        "rebuild",
        "Rebuild",
        "Make its system anew from the image; /scratch is kept or emptied, as you say.",
        (
            ENDS,
            "Everything outside /scratch is gone for good: packages, home directories, files.",
            "The startup script runs once more.",
            STAYS,
        ),
        "Its system is being made anew.",
        danger=True,
    ),
    "swap": Fix(
        "swap",
        "Swap",
        "Take an equal node at the same site in its place, for a machine that is down.",
        (
            "Everything on the failed machine is gone for good, /scratch too; it is wiped.",
            "The new one has another address and host key, and your keys, image, variables and startup script.",
            "Nothing is charged for it until it is ready.",
        ),
        "An equal node is being made ready in its place.",
        danger=True,
    ),
    "move": Fix(
        "move",
        "Move",
        "Take an equal node at the same site in its place, with nothing booked behind it, and be guaranteed again.",
        (
            "Everything on the old node is gone for good, /scratch too; it is wiped. Save what you need first.",
            "The new one has another address and host key, and your keys, image, variables and startup script.",
            "Nothing is charged for it until it is ready.",
        ),
        "An equal node is being made ready in its place.",
        danger=True,
    ),
}
REPLACING = {"swap": swap, "move": move_machine}
NO_MOVE = "No equal node is free for as long as the plan guarantees. Nothing was done; look at offers at other sites."
NO_SPARE = (
    "No equal node is free for the rest of the lease. Nothing is charged for this one while it is down; try later."
)
CHANGED = "The machine has changed meanwhile, and nothing was done. Look at it again."


@never_cache
@allowed("lease:read")
def machine(request: HttpRequest, id: str, machine: str) -> HttpResponse:
    """All about one machine."""
    found = _find(request, id, machine)
    why_not = possible(found)
    context = {
        "machine": found,
        "lease": found.lease,
        "fixes": [(fix, why_not[fix.what]) for fix in FIXES.values()],
        "has_logs": found.state in HAS_LOGS,
        "outages": outages_of(found.lease).filter(machine=found),
        "events": events_of(found.lease).filter(Q(data__machine=found.public_id) | Q(data__instead_of=found.public_id)),
        "may_fix": may(principal_of(request), "lease:write") and (found.state in SERVING or not why_not["swap"]),
    }
    return render(request, "leasing/machine.html", context)


@allowed("lease:write")
def machine_fix(request: HttpRequest, id: str, machine: str, what: str) -> HttpResponse:
    """Ask, then hand the machine to the site's worker."""
    found, fix = _find(request, id, machine), FIXES[what]
    if why := possible(found)[what]:
        messages.error(request, f"{fix.title} is not possible now. {why}")
    elif request.method != "POST":
        return render(request, "leasing/machine_fix.html", {"machine": found, "lease": found.lease, "fix": fix})
    else:
        _do(request, found, fix)
        if what in REPLACING:
            return redirect("lease", id=id)  # where the new machine is
    return redirect("machine", id=id, machine=machine)


def _do(request: HttpRequest, machine: Machine, fix: Fix) -> None:
    actor = principal_of(request).actor
    try:
        if fix.what in REPLACING:
            REPLACING[fix.what](machine=machine, actor=actor, now=now())
        else:
            service(machine=machine, what=_service(fix, request.POST), actor=actor, now=now())
    except NoEqualNode:
        messages.error(request, NO_MOVE if fix.what == "move" else NO_SPARE)
    except (IllegalMove, Stale):
        messages.error(request, CHANGED)
    else:
        transaction.on_commit(nudge_sites, robust=True)
        messages.success(request, fix.said)


def _service(fix: Fix, said: Mapping[str, str]) -> str:
    """What the provisioner is to do. /scratch is emptied only where that was said."""
    return "rebuild_all" if fix.what == "rebuild" and said.get("scratch") == "empty" else fix.what


@never_cache
@allowed("lease:read")
def machine_log(request: HttpRequest, id: str, machine: str, log: Log) -> HttpResponse:
    """A log of the machine as a page, or as a part of one that asks again until the host has answered."""
    found = _find(request, id, machine)
    row = None
    if found.state in HAS_LOGS:
        row = logs.ask(machine=found, which=log, now=now())
        if row.read_at is None:
            transaction.on_commit(nudge_sites, robust=True)
    page = "leasing/_log.html" if request.headers.get("HX-Request") else "leasing/machine_log.html"
    kind = MachineLog.Kind(log)
    return render(request, page, {"machine": found, "lease": found.lease, "row": row, "log": log, "kind": kind})


def _find(request: HttpRequest, id: str, machine: str) -> Machine:
    return get_object_or_404(machine_of(principal_of(request).organization, lease=id, machine=machine))
