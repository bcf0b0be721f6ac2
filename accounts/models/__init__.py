"""Who: users, organizations, members, keys, tokens; and what happened."""

from accounts.models.credential import APIToken, SSHKey
from accounts.models.event import Event, Notice
from accounts.models.idempotency import IdempotencyKey
from accounts.models.party import Membership, Organization, Role, User, time_zones
from accounts.models.rows import as_json, insert, prefetched, selected
from accounts.models.stateful import IllegalMove, Stale, Stateful, TransitionRow
from accounts.models.statements import Given, Statement
from accounts.models.webhook import DeliveryState, WebhookDelivery, WebhookEndpoint

__all__ = [
    "APIToken",
    "DeliveryState",
    "Event",
    "Given",
    "IdempotencyKey",
    "IllegalMove",
    "Membership",
    "Notice",
    "Organization",
    "Role",
    "SSHKey",
    "Stale",
    "Stateful",
    "Statement",
    "TransitionRow",
    "User",
    "WebhookDelivery",
    "WebhookEndpoint",
    "as_json",
    "insert",
    "prefetched",
    "selected",
    "time_zones",
]
