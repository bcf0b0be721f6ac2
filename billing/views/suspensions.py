"""Staff's pages of who may not order: the list, and stopping an organization's orders or taking them again."""

from collections.abc import Callable, Mapping

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import operator_of
from accounts.clock import now
from accounts.models import Organization
from accounts.operations import hold_ordering, release_ordering
from accounts.queries import actor_names
from accounts.views import operator_allowed
from billing import suspending
from billing.access import MAY_DECIDE
from billing.forms.staff import Block, Which
from billing.queries.suspensions import Blocked, blocked_organizations, blocks_of

ACTS: Mapping[str, Callable[..., bool]] = {
    "suspend": suspending.suspend,
    "lift": suspending.lift,
    "hold": hold_ordering,
    "release": release_ordering,
}


@operator_allowed(MAY_DECIDE)
def suspension_list(request: HttpRequest) -> HttpResponse:
    """Whoever may not order, the last first; any other organization is chosen by its name."""
    form = Which(request.GET or None)
    if form.is_valid():
        return redirect("suspension", id=form.cleaned_data["organization"].public_id)
    return render(request, "billing/suspensions.html", {"rows": _named(blocked_organizations()), "form": form})


@operator_allowed(MAY_DECIDE)
def suspension(request: HttpRequest, id: str) -> HttpResponse:
    """Suspend an organization or put its orders on hold, and end either."""
    organization = get_object_or_404(Organization, public_id=id)
    blocks = blocks_of(organization)
    held = {block.held for block in blocks}
    form = Block(request.POST or None, suspended=False in held, held=True in held)
    if form.is_valid():
        act, why = ACTS[form.cleaned_data["act"]], form.cleaned_data["reason"]
        act(organization=organization, reason=why, actor=operator_of(request), now=now())
        messages.success(request, f"{organization} {_words(blocks_of(organization))}.")
        return redirect("suspensions")
    return render(
        request, "billing/suspension.html", {"organization": organization, "blocks": _named(blocks), "form": form}
    )


def _named(blocks: list[Blocked]) -> list[tuple[Blocked, str]]:
    """Each with the name of whoever did it."""
    names = actor_names(block.actor for block in blocks)
    return [(block, names.get(block.actor, block.actor)) for block in blocks]


def _words(blocks: list[Blocked]) -> str:
    """What it comes to, such as "is suspended and has its orders on hold"."""
    said = ["has its orders on hold" if block.held else "is suspended" for block in blocks]
    return " and ".join(said) or "can order again"
