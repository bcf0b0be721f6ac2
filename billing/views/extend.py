"""More time for a lease: by hand, with the price before it is confirmed, or by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache

from accounts.access import principal_of
from accounts.clock import now
from accounts.views import allowed
from billing import extending
from billing.checkout import CAPS, InsufficientFunds
from billing.extending import Ahead, Extension, PriceTooHigh
from billing.filling import order_path
from billing.forms import AutoExtension, NewEnd
from billing.forms.money import cents_to_ask
from billing.models import BillingMode, Quote
from billing.queries.metered import mode_of
from billing.views.clocks import zones_of
from leasing.models import Lease
from leasing.operations import BookedBehind, NodesTaken, WindowRefused
from leasing.queries.extension import EXTENDABLE, Reach, why_not_now
from leasing.tasks import nudge_sites
from marketplace.forms import MINUTE
from marketplace.money import MICROS, SECONDS_PER_HOUR
from marketplace.queries import first_end


@dataclass(frozen=True)
class Offered:
    """What the price panel shows: the extension, whether the nodes are free until then, and what it would use up."""

    extension: Extension
    reach: Reach
    obstacle: str  # what else forbids it
    held: Sequence[Quote]  # by its organization, there

    @property
    def kept(self) -> list[tuple[Quote, str]]:
        """What is held, each with where it is ordered."""
        return [(quote, order_path(quote)) for quote in self.held]

    @property
    def too_far(self) -> bool:
        """Whether its nodes, or its site's power, are somebody else's before that end."""
        return self.extension.ends_at > self.reach.ends_at

    @property
    def pays_later(self) -> bool:
        """Whether an open invoice is paid for more to be available, rather than the wallet topped up."""
        return mode_of(self.extension.lease.organization) != BillingMode.PREPAID

    @property
    def top_up_dollars(self) -> int:
        """A top-up that covers what is missing."""
        return cents_to_ask(self.extension.missing_micros) // 100


@never_cache
@allowed("lease:write")
def lease_extend(request: HttpRequest, id: str) -> HttpResponse:
    """Choose an end, see the price, confirm. Confirming twice extends once."""
    lease, moment = _find(request, id), now()
    if refusal := why_not_now(lease, now=moment):
        messages.info(request, refusal.message)
        return redirect("lease", id=id)
    found = extending.ahead(lease=lease, now=moment)
    proposed = {"ends_at": f"{_proposed(lease, found.reach):{MINUTE}}"}
    form = NewEnd(request.POST or request.GET or proposed, zones=zones_of(request, lease))
    confirmed = request.method == "POST" and "reprice" not in request.POST
    if form.is_valid() and confirmed and _extend(request, lease, form, moment):
        transaction.on_commit(nudge_sites, robust=True)
        return redirect("lease", id=id)
    offered = _price(lease, form, found, moment)
    page = "billing/_extension.html" if request.headers.get("HX-Request") else "billing/extend.html"
    context = {"lease": lease, "form": form, "offered": offered, "reach": found.reach, "now": moment}
    return render(request, page, context)


@allowed("lease:write")
def lease_auto_extend(request: HttpRequest, id: str) -> HttpResponse:
    """Let a lease extend itself, or no more."""
    lease, moment = _find(request, id), now()
    if lease.ends_at is None or lease.state not in EXTENDABLE:
        messages.info(request, "Only a lease with an end that is still ahead can extend itself.")
        return redirect("lease", id=id)
    off = request.method == "POST" and "off" in request.POST
    form = AutoExtension(None if off else request.POST or None, initial=_chosen(lease, moment))
    if off or form.is_valid():
        seconds, most = (None, None) if off else (form.seconds(), form.max_micros())
        actor = principal_of(request).actor
        try:
            extending.extend_itself(
                lease=lease, seconds=seconds, max_micros_per_node_hour=most, actor=actor, now=moment
            )
        except WindowRefused as refused:
            fields = {"seconds": "hours", extending.CEILING: "most"}
            form.add_error(fields.get(refused.field), refused.message)
        else:
            messages.success(request, "It does not extend itself." if off else "It extends itself from now on.")
            return redirect("lease", id=id)
    return render(request, "billing/auto_extend.html", {"lease": lease, "form": form})


def _find(request: HttpRequest, id: str) -> Lease:
    own = extending.extendable().filter(organization=principal_of(request).organization)
    return get_object_or_404(own, public_id=id)


def _proposed(lease: Lease, found: Reach) -> datetime:
    """An hour more, or the shortest step of the terms; no further than it can go."""
    assert lease.ends_at is not None
    more = max(timedelta(hours=1), timedelta(seconds=lease.terms.granularity_seconds))
    return min(first_end(lease.terms, lease.starts_at, lease.ends_at + more), max(found.ends_at, lease.ends_at + more))


def _price(lease: Lease, form: NewEnd, found: Ahead, moment: datetime) -> Offered | None:
    """The price of the wished end; None for one that cannot be, which the form then says."""
    if not form.is_valid() or form.cleaned_data["ends_at"] is None:
        return None
    try:
        ends_at = form.cleaned_data["ends_at"]
        priced = extending.price(lease=lease, ends_at=ends_at, now=moment)
        obstacle = extending.obstacle(extension=priced, now=moment)
        return Offered(priced, found.reach, obstacle, found.given_up(ends_at))
    except WindowRefused as refused:
        form.add_error("ends_at", refused.message)
        return None


def _extend(request: HttpRequest, lease: Lease, form: NewEnd, moment: datetime) -> bool:
    """Whether it was extended; if not, what stands in the way is said on the page."""
    ends_at, shown = form.cleaned_data["ends_at"], form.cleaned_data["shown_micros"]
    try:
        extending.extend(
            lease=lease,
            ends_at=ends_at,
            actor=principal_of(request).actor,
            now=moment,
            max_micros_per_node_hour=shown,
        )
    except (WindowRefused, BookedBehind, NodesTaken):  # why is said on the page
        messages.error(request, "It cannot go on until then. Nothing was changed.")
    except PriceTooHigh:
        messages.warning(request, "The price has changed. Check it and confirm again.")
    except InsufficientFunds:
        messages.error(request, "Not enough money is available. Nothing was changed.")
    except CAPS as refused:
        messages.error(request, f"{refused} Nothing was changed.")
    else:
        messages.success(request, f"It goes on until {ends_at:%Y-%m-%d %H:%M} UTC, on the same machines.")
        return True
    return False


def _chosen(lease: Lease, moment: datetime) -> dict[str, object]:
    """What was chosen before, else a day at today's price."""
    if lease.auto_extend_seconds and lease.auto_extend_max_micros is not None:
        hours, most = lease.auto_extend_seconds // SECONDS_PER_HOUR, lease.auto_extend_max_micros
    else:
        hours, most = 24, extending.price_of_step(lease=lease, seconds=24 * SECONDS_PER_HOUR, now=moment)
    return {"hours": hours, "most": _dollars(most)}


def _dollars(micros: int) -> Decimal:
    """With no digit lost, two places at least: a ceiling that was rounded down would be below the price."""
    exact = Decimal(micros) / MICROS
    cents = exact.quantize(Decimal("0.01"))
    return cents if cents == exact else exact
