"""Webhook endpoints made through the API; their secret is shown once."""

import secrets

from standins.stripe.objects import World
from standins.stripe.shapes import merged, tombstone
from standins.stripe.store import JSON


def create(world: World, params: JSON, _: str) -> JSON:
    """POST /v1/webhook_endpoints."""
    secret = "whsec_" + secrets.token_hex(16)
    endpoint = world.create(
        "webhook_endpoint",
        api_version=params.get("api_version"),
        description=params.get("description"),
        enabled_events=params["enabled_events"],
        metadata=merged(None, params.get("metadata")),
        url=params["url"],
    )
    world.remember(endpoint["id"], secret=secret)
    return {**endpoint, "secret": secret}


def update(world: World, params: JSON, reference: str) -> JSON:
    """POST /v1/webhook_endpoints/{id}."""
    endpoint = world.get("webhook_endpoint", reference)
    members: JSON = {name: params[name] for name in ("description", "enabled_events", "url") if name in params}
    if "disabled" in params:
        members["status"] = "disabled" if params["disabled"] else "enabled"
    return world.change(endpoint, **members, metadata=merged(endpoint["metadata"], params.get("metadata")))


def delete(world: World, _: JSON, reference: str) -> JSON:
    """DELETE /v1/webhook_endpoints/{id}."""
    return world.put(tombstone(world.get("webhook_endpoint", reference)))
