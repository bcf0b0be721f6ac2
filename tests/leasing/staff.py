"""Pat of the operator's staff at work on a node, and customers who book ahead."""

from datetime import datetime
from typing import Any

from accounts.models import Event, Organization
from leasing import operations
from leasing.models import Lease, Maintenance
from leasing.operations.maintaining import plan_maintenance
from marketplace.models import Node, Offer, PlanKind
from tests import factories
from tests.factories import HOUR, NOON
from tests.leasing.conftest import order

STAFF = "user:us_pat"


def by_staff(act: Any, node: Node, *, now: datetime = NOON, **wanted: Any) -> Any:
    """Do it as Pat, then read the node again."""
    done = act(node=node, actor=STAFF, now=now, **wanted)
    node.refresh_from_db()
    return done


def plan(node: Node, starts_at: datetime, ends_at: datetime, *, now: datetime = NOON) -> Maintenance:
    return plan_maintenance(
        node=node,
        kind=Maintenance.Kind.HARDWARE,
        reason="A fan is replaced.",
        starts_at=starts_at,
        ends_at=ends_at,
        actor=STAFF,
        now=now,
    )


def reserved(organization: Organization, offer: Offer, starts_at: datetime, hours: int = 8, **wanted: Any) -> Lease:
    """A booking ahead on the offer's pool."""
    ahead = factories.an_offer(offer.pool, factories.a_plan(PlanKind.RESERVED))
    return order(organization, ahead, starts_at=starts_at, ends_at=starts_at + hours * HOUR, **wanted)


def kinds(subject: str) -> list[str]:
    return list(Event.objects.filter(subject=subject).order_by("pk").values_list("kind", flat=True))


def give_back(lease: Lease, *, now: datetime) -> None:
    operations.end(lease=lease, reason="returned", actor="user:us_tests", now=now)
