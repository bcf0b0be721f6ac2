"""Which organizations may not order, extend or move: those that are suspended, and those whose orders staff hold."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from accounts.models import Event, Organization
from billing.models import BillingAccount

SUSPENDED, HELD = "organization.suspended", "organization.ordering_held"


@dataclass(frozen=True)
class Blocked:
    """One of them. `since` is None where no event says it; `held` tells the two ways apart."""

    organization: Organization
    since: datetime | None
    reason: str
    actor: str
    held: bool


def blocked_organizations() -> list[Blocked]:
    """All of them, the last first; one that is both suspended and held is there twice."""
    return _blocked(Organization.objects.all())


def blocks_of(organization: Organization) -> list[Blocked]:
    """The same of one organization: nothing, one row or two."""
    return _blocked(Organization.objects.filter(pk=organization.pk))


def _blocked(among: QuerySet[Organization]) -> list[Blocked]:
    accounts = list(
        BillingAccount.objects.filter(suspended_at__isnull=False, organization__in=among).select_related("organization")
    )
    holds = list(among.exclude(ordering_hold=""))
    told = _told([*(row.organization for row in accounts), *holds])
    rows = [_suspended(row, told.get((SUSPENDED, row.organization.public_id))) for row in accounts]
    rows += [_held(row, told.get((HELD, row.public_id))) for row in holds]
    return sorted(rows, key=lambda row: (row.since is not None, row.since, row.organization.pk), reverse=True)


def _told(organizations: list[Organization]) -> dict[tuple[str, str], Event]:
    """What staff's log last says of them, by kind and public id."""
    ids = {row.public_id for row in organizations}
    events = Event.objects.filter(organization=None, kind__in=[SUSPENDED, HELD], subject__in=ids)
    return {(row.kind, row.subject): row for row in events.order_by("at", "pk")}


def _suspended(row: BillingAccount, told: Event | None) -> Blocked:
    """Whom a sweep suspends for what it owes, nobody of the staff did: an event of before is about another time."""
    by = told.actor if told and row.suspended_at and told.at >= row.suspended_at else "system:billing"
    return Blocked(row.organization, row.suspended_at, row.suspended_reason, by, held=False)


def _held(row: Organization, told: Event | None) -> Blocked:
    return Blocked(
        row, told.at if told else None, row.ordering_hold, told.actor if told else "system:billing", held=True
    )
