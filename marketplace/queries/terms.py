"""Which terms hold when."""

from collections import defaultdict
from datetime import datetime

from django.db.models import Q, QuerySet

from accounts.models import Organization
from marketplace.models import Plan, Terms


def plans_open_to(organization: Organization | None) -> QuerySet[Plan]:
    """Plans for everybody, and private ones that the organization has access to."""
    public = Q(private=False)
    return Plan.objects.filter(
        public if organization is None else public | Q(pk__in=organization.private_plans.values("plan"))
    )


def terms_of(*, plan: Plan, at: datetime) -> Terms:
    """
    The terms on which a lease ordered at a moment is.

    :raises Terms.DoesNotExist: if the plan had none yet
    """
    return Terms.objects.select_related("plan").filter(plan=plan, starts_at__lte=at).latest("starts_at")


def all_terms(*, at: datetime) -> dict[int, Terms]:
    """The terms in force of every plan, by the plan's key, in the order of the plans. One query."""
    in_force = Terms.objects.filter(starts_at__lte=at).order_by("plan_id", "-starts_at").distinct("plan_id")
    found = Terms.objects.filter(pk__in=in_force.values("pk")).select_related("plan")
    return {terms.plan_id: terms for terms in found.order_by("plan__position", "plan__slug")}


def all_announced(*, at: datetime) -> dict[int, list[Terms]]:
    """Terms that will hold later, soonest first, by the plan's key. One query."""
    found: dict[int, list[Terms]] = defaultdict(list)
    for terms in Terms.objects.filter(starts_at__gt=at, announced_at__lte=at).order_by("starts_at"):
        found[terms.plan_id].append(terms)
    return found
