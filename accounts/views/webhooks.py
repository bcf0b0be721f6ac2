"""Webhook endpoints: where they are, what they are told, and what came of it."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache

from accounts.access import may, principal_of
from accounts.clock import now
from accounts.forms.webhooks import ChangeEndpoint, NewEndpoint
from accounts.models import DeliveryState, WebhookDelivery, WebhookEndpoint
from accounts.views.guards import allowed
from accounts.webhooks import endpoints

DELIVERIES_PER_PAGE = 25


@allowed("org:read")
def webhooks(request: HttpRequest) -> HttpResponse:
    """The organization's endpoints."""
    principal = principal_of(request)
    own = WebhookEndpoint.objects.filter(organization=principal.organization).order_by("-created_at", "-id")
    context = {"endpoints": own, "may_write": may(principal, "org:write"), "most": endpoints.MOST_ENDPOINTS}
    return render(request, "accounts/webhooks.html", context)


@never_cache
@allowed("org:write")
def create(request: HttpRequest) -> HttpResponse:
    """Add one. Its secret is on the answer and on no other page."""
    principal = principal_of(request)
    form = NewEndpoint(request.POST or None)
    if form.is_valid():
        try:
            made, secret = endpoints.create(
                organization=principal.organization,
                actor=principal.actor,
                url=form.cleaned_data["url"],
                description=form.cleaned_data["description"],
                kinds=form.kinds(),
                now=now(),
            )
        except endpoints.BadEndpoint as error:
            form.refuse(error.field, error.message)
        except endpoints.TooMany as error:
            form.refuse("", str(error))
        else:
            return render(request, "accounts/webhook_secret.html", {"endpoint": made, "secret": secret, "new": True})
    return render(request, "accounts/webhook_form.html", {"form": form})


@allowed("org:read")
def webhook(request: HttpRequest, id: str) -> HttpResponse:
    """One endpoint with what was sent to it, newest first; live while something is on its way (`_webhook_log.html`)."""
    endpoint = _own(request, id)
    sent = endpoint.deliveries.select_related("event").order_by("-created_at", "-id")
    page = Paginator(sent, DELIVERIES_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "endpoint": endpoint,
        "page": page,
        "live": any(row.state == DeliveryState.PENDING and not row.attempts for row in page),
        "failed": endpoint.deliveries.filter(state=DeliveryState.FAILED).count(),
        "may_write": may(principal_of(request), "org:write"),
        "now": now(),
    }
    part = "accounts/_webhook_log.html" if request.headers.get("HX-Request") else "accounts/webhook.html"
    return render(request, part, context)


@allowed("org:write")
def change(request: HttpRequest, id: str) -> HttpResponse:
    """Another address, other kinds, or off and on."""
    endpoint = _own(request, id)
    form = ChangeEndpoint(request.POST or None, endpoint=endpoint)
    if form.is_valid():
        wanted = {name: form.cleaned_data[name] for name in ("url", "description", "enabled")}
        try:
            endpoints.change(
                endpoint=endpoint, actor=principal_of(request).actor, now=now(), kinds=form.kinds(), **wanted
            )
        except endpoints.BadEndpoint as error:
            form.refuse(error.field, error.message)
        else:
            messages.success(request, "Saved. It holds from now on.")
            return redirect("webhook", id=id)
    return render(request, "accounts/webhook_form.html", {"form": form, "endpoint": endpoint})


@never_cache
@allowed("org:write")
def secret(request: HttpRequest, id: str) -> HttpResponse:
    """Ask, then replace the secret. The new one is on the answer and on no other page."""
    endpoint = _own(request, id)
    if request.method == "POST":
        endpoint, text = endpoints.rotate(endpoint=endpoint, actor=principal_of(request).actor, now=now())
        return render(request, "accounts/webhook_secret.html", {"endpoint": endpoint, "secret": text})
    return render(request, "accounts/webhook_rotate.html", {"endpoint": endpoint})


@allowed("org:write")
def remove(request: HttpRequest, id: str) -> HttpResponse:
    """Ask, then send nothing there any more."""
    endpoint = _own(request, id)
    if request.method == "POST":
        endpoints.remove(endpoint=endpoint, actor=principal_of(request).actor, now=now())
        messages.success(request, f"Nothing is sent to {endpoint.url} any more.")
        return redirect("webhooks")
    return render(request, "accounts/webhook_remove.html", {"endpoint": endpoint})


@allowed("org:write")
def test(request: HttpRequest, id: str) -> HttpResponse:
    """Send it a test event; the log shows what comes of it."""
    endpoint = _own(request, id)
    if request.method == "POST":
        try:
            endpoints.send_test(endpoint=endpoint, actor=principal_of(request).actor, now=now())
        except (endpoints.BadEndpoint, endpoints.TooMany) as error:
            messages.error(request, str(error))
    return redirect("webhook", id=id)


@allowed("org:write")
def send_again(request: HttpRequest, id: str, delivery: str = "") -> HttpResponse:
    """Send one delivery again, or all that failed."""
    endpoint = _own(request, id)
    if delivery:
        _delivery(endpoint, delivery)
    if request.method == "POST":
        try:
            found = endpoints.send_again(
                endpoint=endpoint, actor=principal_of(request).actor, now=now(), delivery=delivery
            )
            messages.success(request, f"Sent again within seconds: {found}." if found else "It is on its way already.")
        except endpoints.BadEndpoint as error:
            messages.error(request, error.message)
    return redirect("webhook", id=id)


@allowed("org:read")
def delivery(request: HttpRequest, id: str, delivery: str) -> HttpResponse:
    """What was sent, and what was answered."""
    endpoint = _own(request, id)
    context = {
        "endpoint": endpoint,
        "delivery": _delivery(endpoint, delivery),
        "may_write": may(principal_of(request), "org:write"),
    }
    return render(request, "accounts/webhook_delivery.html", context)


def _own(request: HttpRequest, id: str) -> WebhookEndpoint:
    own = WebhookEndpoint.objects.filter(organization=principal_of(request).organization)
    return get_object_or_404(own, public_id=id)


def _delivery(endpoint: WebhookEndpoint, id: str) -> WebhookDelivery:
    return get_object_or_404(endpoint.deliveries.select_related("event"), public_id=id)
