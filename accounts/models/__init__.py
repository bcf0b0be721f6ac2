"""Who: users, organizations, members, keys, tokens; and what happened."""

from accounts.models.credential import APIToken, SSHKey
from accounts.models.event import Event, Notice
from accounts.models.idempotency import IdempotencyKey
from accounts.models.party import Membership, Organization, Role, User, time_zones
from accounts.models.rows import as_json
from accounts.models.stateful import IllegalMove, Stale, Stateful, TransitionRow

__all__ = [
    "APIToken",
    "Event",
    "IdempotencyKey",
    "IllegalMove",
    "Membership",
    "Notice",
    "Organization",
    "Role",
    "SSHKey",
    "Stale",
    "Stateful",
    "TransitionRow",
    "User",
    "as_json",
    "time_zones",
]
