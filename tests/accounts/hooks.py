"""Endpoints and events, for the tests of webhooks."""

from typing import Any

from accounts.clock import now
from accounts.models import Event, Organization, WebhookDelivery, WebhookEndpoint
from accounts.operations import record
from accounts.webhooks import endpoints, sending, spreading

ACTOR = "user:us_ada"


def an_endpoint(organization: Organization, url: str = "https://hooks.example/", *kinds: str) -> WebhookEndpoint:
    return with_secret(organization, url, *kinds)[0]


def with_secret(organization: Organization, url: str, *kinds: str) -> tuple[WebhookEndpoint, str]:
    return endpoints.create(organization=organization, actor=ACTOR, url=url, description="", kinds=kinds, now=now())


def happened(organization: Organization | None, kind: str = "lease.active", **wanted: Any) -> Event:
    fields = {"subject": "ls_1", "actor": "system:leasing", "at": now(), "data": {"name": "größer"}, **wanted}
    return record(organization=organization, kind=kind, **fields)


def sweep() -> int:
    """What the task does, in this transaction."""
    spreading.spread(now=now())
    return sending.send_due(now=now(), lanes=1)


def the_delivery() -> WebhookDelivery:
    return WebhookDelivery.objects.get()
