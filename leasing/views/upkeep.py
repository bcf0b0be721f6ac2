"""What staff does to a node, each behind a question: one page asks, says what follows, and does it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import operator_of
from accounts.clock import now
from accounts.models import IllegalMove
from accounts.views import operator_allowed
from leasing.access import MAY_CHANGE
from leasing.forms.upkeep import Drain, Reason, Sure
from leasing.operations import wipe_again
from leasing.operations.enrolment import retire
from leasing.operations.upkeep import (
    REFUSALS,
    Cleared,
    cordon,
    drain,
    quarantine,
    release_from_quarantine,
    uncordon,
)
from leasing.states import MachineState
from leasing.tasks import nudge_sites
from marketplace.models import Node
from marketplace.states import IN_STOCK, NodeState


@dataclass(frozen=True)
class Change:
    """One thing that can be done to a node: the words of its button, what follows from it, and what does it."""

    words: str
    text: str
    done: str
    act: Callable[..., Any]
    states: frozenset[str]
    form: type[forms.Form] = Reason
    danger: bool = False
    cordoned: bool | None = None  # offered only to nodes that are, or are not

    def fits(self, node: Node) -> bool:
        """Whether the node's state allows it."""
        return node.state in self.states and self.cordoned in (None, node.cordoned_at is not None)


def _wipe_again(*, node: Node, actor: str, now: datetime) -> None:
    """The machine whose wipe failed; without one there is nothing to wipe."""
    machines = node.machines.filter(state=MachineState.WIPE_FAILED).select_related("node", "lease__offer__plan")
    machine = machines.first()
    if machine is None:
        raise IllegalMove(node, NodeState.WIPING)
    wipe_again(machine=machine, actor=actor, now=now)


CHANGES: Mapping[str, Change] = {
    "cordon": Change(
        "Cordon",
        "It is offered to nobody any more. The lease on it goes on, and so does what is booked.",
        "is cordoned: it takes no new lease.",
        cordon,
        frozenset(NodeState) - {NodeState.RETIRED},
        cordoned=False,
    ),
    "uncordon": Change(
        "Uncordon",
        "It is offered again as soon as it is available. A drain that is not done yet is called off.",
        "is offered again.",
        uncordon,
        frozenset(NodeState),
        form=Sure,
        cordoned=True,
    ),
    "drain": Change(
        "Drain",
        "It takes no new lease, and leaves the stock after its last tenant's wipe; at once if nobody is on it. "
        "Bookings that have not begun move to equal nodes where one is free for all of their period.",
        "is being drained.",
        drain,
        IN_STOCK | {NodeState.WIPE_FAILED},
        form=Drain,
    ),
    "quarantine": Change(
        "Quarantine",
        "It leaves the stock at once, until you let it be verified again. Bookings move to equal nodes where one "
        "is free for all of their period.",
        "is quarantined.",
        quarantine,
        frozenset({NodeState.AVAILABLE, NodeState.VERIFYING, NodeState.MAINTENANCE}),
        danger=True,
    ),
    "verify": Change(
        "Verify again",
        "Its parts are read and measured again. It is offered once they are what its type promises.",
        "is being verified.",
        release_from_quarantine,
        frozenset({NodeState.AVAILABLE, NodeState.QUARANTINED, NodeState.MAINTENANCE}),
        form=Sure,
    ),
    "wipe": Change(
        "Wipe again",
        "The last tenant's data is wiped once more. The node comes back only if every check passes.",
        "is being wiped again.",
        _wipe_again,
        frozenset({NodeState.WIPE_FAILED}),
        form=Sure,
    ),
    "retire": Change(
        "Retire",
        "It is out of stock for good, and its name is free for another node. This cannot be undone.",
        "is retired.",
        retire,
        frozenset(state for state, to in Node.TRANSITIONS.items() if NodeState.RETIRED in to),
        danger=True,
    ),
}


def changes_of(node: Node) -> list[tuple[str, Change]]:
    """What can be done to the node now; work can be planned besides, unless it is in NEVER."""
    return [(name, change) for name, change in CHANGES.items() if change.fits(node)]


@operator_allowed(MAY_CHANGE)
def fleet_change(request: HttpRequest, id: str, what: str) -> HttpResponse:
    """Ask, then do one of CHANGES."""
    if what not in CHANGES:
        raise Http404
    change, node = CHANGES[what], get_object_or_404(Node.objects.select_related("pool"), public_id=id)
    form = change.form(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            result = change.act(node=node, actor=operator_of(request), now=now(), **form.cleaned_data)
        except REFUSALS as refused:
            form.add_error(None, str(refused))
        else:
            _tell(request, node, change, result)
            return redirect("fleet_node", id=id)
    return render(request, "leasing/fleet_change.html", {"node": node, "change": change, "form": form})


def _tell(request: HttpRequest, node: Node, change: Change, result: object) -> None:
    transaction.on_commit(nudge_sites, robust=True)
    messages.success(request, f"{node.name} {change.done}")
    if not isinstance(result, Cleared):
        return
    if result.moved:
        messages.info(request, f"Bookings moved to equal nodes: {len(result.moved)}.")
    if result.staying:
        names = ", ".join(f"{claim.lease} until {claim.period.upper:%Y-%m-%d %H:%M} UTC" for claim in result.staying)
        messages.warning(request, f"Still on the node or booked on it: {names}. No equal node is free for all of it.")
