"""What an organization may have at once, whatever it can pay; and whether it may order at all."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import BigIntegerField, DateTimeField, F

from accounts.models import Given, Organization, Statement
from accounts.operations import ON_HOLD
from billing.models import TRUST, Payment, PaymentState, TrustLevel
from billing.suspending import SUSPENDED
from leasing.models import Lease
from leasing.queries.limits import AtOnce, nodes_at_once
from marketplace.models import Plan, Terms
from marketplace.queries import all_terms

NEW_FOR = timedelta(days=30)


class OrderingBlocked(Exception):
    """
    The organization may not order, extend or move: staff hold its orders, or it is suspended. The message says the way
    out, and never why.
    """


class NodeLimitReached(Exception):
    """
    The order would give the organization more nodes at once, on one plan, than it may have. Where it holds some, these
    count too: its other quotes hold `held`.
    """

    def __init__(self, plan: Plan, *, limit: int, in_use: int, wanted: int, held: int = 0) -> None:
        self.plan, self.limit, self.in_use, self.wanted, self.held = plan, limit, in_use, wanted, held
        kept = f", other quotes hold {held}" if held else ""
        super().__init__(
            f"Your organization may have {limit} nodes at once on the plan {plan.name}; {in_use} are in use or booked "
            f"in this time{kept}, and {wanted} more were asked for. Order fewer, return some, or write to us."
        )


@dataclass(frozen=True)
class NodesAllowed:
    """One plan's limit, and the most nodes that are used or booked at one moment from now on."""

    plan: Plan
    limit: int
    in_use: int


def check_ordering(*, organization: Organization) -> None:
    """
    :raises OrderingBlocked: if it may not order, extend or move, as the database knows by now
    """
    if words := blocked(Organization.objects.select_related("billing_account").get(pk=organization.pk)):
        raise OrderingBlocked(words)


def blocked(organization: Organization) -> str:
    """
    Why it may not order, extend or move, by the rows of it and of its account as they were read: words for its members
    that name the way out, and never staff's reason. Empty if it may. The one place where that is decided.
    """
    account = getattr(organization, "billing_account", None)  # made on first use
    return SUSPENDED if account and account.suspended_at else ON_HOLD if organization.ordering_hold else ""


def check_nodes(
    *,
    organization: Organization,
    terms: Terms,
    nodes: int,
    starts_at: datetime,
    ends_at: datetime | None,
    now: datetime,
    beside: Lease | None = None,
) -> None:
    """
    Call it under the wallet's lock: then two orders that do not fit together cannot both pass. A lease that takes
    another window is asked for beside the others.

    :raises NodeLimitReached: if with `nodes` more there would be a moment with more than are allowed
    """
    found = nodes_at_once(
        organization=organization, plan=terms.plan, starts_at=starts_at, ends_at=ends_at, beside=beside
    )
    limit = _limit(organization, terms, found, now)
    if found.nodes + nodes > limit:
        raise NodeLimitReached(terms.plan, limit=limit, in_use=found.nodes, wanted=nodes)


def _limit(organization: Organization, terms: Terms, found: AtOnce, now: datetime) -> int:
    """Nodes at once: what staff set for the plan, else for every plan, else what the terms and its trust say."""
    if found.allowed is not None:
        return found.allowed
    account = getattr(organization, "billing_account", None)  # made on first use
    times = TRUST[TrustLevel(account.trust)].nodes_times if account else None
    if times:
        return terms.nodes_at_once * times
    return terms.nodes_at_once_new if is_new(organization=organization, now=now) else terms.nodes_at_once


def is_new(*, organization: Organization, now: datetime) -> bool:
    """For its first 30 days, and until its first payment has stood for 30 days: so long cards can be found stolen."""
    if organization.created_at > now - NEW_FOR:
        return True
    return not STOOD.rows(organization=organization.pk, upto=now - NEW_FOR)


STOOD = Statement(
    lambda: Payment.objects.filter(
        organization=Given("organization", BigIntegerField()),
        state=PaymentState.PAID,
        settled_at__lte=Given("upto", DateTimeField()),
        refunded_cents__lt=F("amount_cents"),
        disputes=None,
        fraudwarnings=None,
    ).only("pk")[:1]
)


def nodes_allowed(*, organization: Organization, now: datetime) -> list[NodesAllowed]:
    """Limit and use of every plan that is open to all, or that the organization has nodes on."""
    found = []
    for terms in all_terms(at=now).values():
        used = nodes_at_once(organization=organization, plan=terms.plan, starts_at=now, ends_at=None)
        if used.nodes or not terms.plan.private:
            found.append(NodesAllowed(terms.plan, _limit(organization, terms, used, now), used.nodes))
    return found
