"""Moving an agreed lease: another window or offer, and what that costs more or less, before it is confirmed."""

from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache

from accounts.access import principal_of
from accounts.clock import now
from accounts.views import allowed
from billing import checkout, moving, quotes
from billing.extending import extendable
from billing.filling import order_path
from billing.forms.moving import NewWindow
from billing.models import Quote
from billing.queries.places import places
from billing.views.clocks import zones_of
from leasing.models import Lease
from leasing.operations import NodesTaken, PowerTaken, WindowRefused
from leasing.queries.moving import why_not_moved
from marketplace.forms import MINUTE


@never_cache
@allowed("lease:write")
def lease_move(request: HttpRequest, id: str) -> HttpResponse:
    """Choose a window, see the price, confirm. Confirming twice moves it once."""
    principal, moment = principal_of(request), now()
    found = extendable().select_related("offer__pool__site", "offer__pool__node_type")
    lease = get_object_or_404(found.filter(organization=principal.organization), public_id=id)
    if refusal := why_not_moved(lease, now=moment):
        messages.info(request, refusal.message)
        return redirect("lease", id=id)
    asked = request.POST or (request.GET if "offer" in request.GET else _present(lease))
    form = NewWindow(asked, lease=lease, zones=zones_of(request, lease))
    quote = Quote.objects.filter(organization=principal.organization, public_id=request.POST.get("quote", "")).first()
    confirmed = request.method == "POST" and "reprice" not in request.POST and form.is_valid()
    if confirmed and quote and _is_for(quote, form, moment) and _move(request, lease, quote, moment):
        return redirect("lease", id=id)
    shown = quote if quote and form.is_valid() and _is_for(quote, form, moment) else _quote(lease, form, moment)
    if confirmed and shown != quote:
        messages.warning(request, "The price was renewed. Check it and confirm again.")
    page = "billing/_move.html" if request.headers.get("HX-Request") else "billing/move.html"
    form.list_places(places(lease=lease, window=form.window(), now=moment))
    preview = moving.preview(lease=lease, quote=shown, now=moment) if shown else None
    context = {"lease": lease, "form": form, "preview": preview, "now": moment}
    if preview and preview.held:
        context["held_address"] = order_path(preview.held)
    return render(request, page, context)


def _present(lease: Lease) -> dict[str, str]:
    window = {"starts_at": f"{lease.starts_at:{MINUTE}}", "ends_at": f"{lease.ends_at:{MINUTE}}"}
    return {"offer": lease.offer.public_id, **window}


def _is_for(quote: Quote, form: NewWindow, moment: datetime) -> bool:
    """Whether the price that was shown is the price of what is wished now."""
    wanted = form.cleaned_data
    same = (quote.offer, quote.starts_at, quote.ends_at) == (wanted["offer"], wanted["starts_at"], wanted["ends_at"])
    return same and (quote.lease_id is not None or quote.expires_at > moment)


def _quote(lease: Lease, form: NewWindow, moment: datetime) -> Quote | None:
    """A fresh price of the wish; None for one that cannot be, which the form then says."""
    if not form.is_valid():
        return None
    wish = {name: form.cleaned_data[name] for name in ("offer", "starts_at", "ends_at")}
    wish |= {"nodes": lease.node_count, "same_fabric": lease.same_fabric}
    try:
        return checkout.quote(organization=lease.organization, now=moment, **wish)
    except checkout.QuoteRefused as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)
    except PowerTaken as short:
        form.add_error(None, str(short))
    return None


def _move(request: HttpRequest, lease: Lease, quote: Quote, moment: datetime) -> bool:
    """Whether it was moved; if not, what stands in the way is said on the page."""
    try:
        moving.move(lease=lease, quote=quote, actor=principal_of(request).actor, now=moment)
    except WindowRefused as refused:
        messages.error(request, f"{refused.message} Nothing was changed.")
    except PowerTaken as short:
        messages.error(request, f"{short} Nothing was changed.")
    except NodesTaken as taken:
        first = f" As many are free from {taken.windows[0].starts_at:%Y-%m-%d %H:%M} UTC." if taken.windows else ""
        lacking = "as many nodes are free in one fabric group" if taken.scattered else "all nodes are free"
        messages.error(request, f"Not {lacking} then. Nothing was changed.{first}")
    except checkout.InsufficientFunds:
        messages.error(request, "Not enough money is available. Nothing was changed.")
    except checkout.CAPS as refused:
        messages.error(request, f"{refused} Nothing was changed.")
    except (quotes.QuoteUsed, quotes.QuoteExpired):
        messages.warning(request, "The price was renewed. Check it and confirm again.")
    else:
        messages.success(request, "It was moved.")
        return True
    return False
