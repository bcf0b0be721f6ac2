"""Announced terms, told to whoever has a lease or a booking on their plan."""

from datetime import datetime

from django.db import transaction

from accounts.models import Organization
from accounts.operations import record
from leasing.models import Lease, TermsTold
from leasing.states import LEASE_OVER, LeaseState
from marketplace.models import Terms


@transaction.atomic
def tell_of_terms(*, terms: Terms, now: datetime) -> None:
    """Tell each organization once that other terms of a plan will hold; leases keep theirs. A retry tells nobody."""
    _, fresh = TermsTold.objects.get_or_create(terms=terms, defaults={"at": now})
    if not fresh:
        return
    going_on = Lease.objects.filter(offer__plan=terms.plan).exclude(state__in=[*LEASE_OVER, LeaseState.RECLAIMING])
    for organization in Organization.objects.filter(pk__in=going_on.values("organization")).order_by("pk"):
        _tell(organization, terms, now=now)


def _tell(organization: Organization, terms: Terms, *, now: datetime) -> None:
    plan, starts_at = terms.plan, f"{terms.starts_at:%Y-%m-%d %H:%M} UTC"
    record(
        organization=organization,
        kind="plan.terms_announced",
        subject=plan.slug,
        actor="system:leasing",
        at=now,
        data={"plan": plan.slug, "starts_at": terms.starts_at},
        notice={
            "title": f"The terms of {plan.name} change on {starts_at}",
            "text": f"They hold for what is ordered from {starts_at} on. Your leases and bookings keep the terms that "
            "they were ordered on, until they are over. What changes stands on the page of the plans.",
            "path": f"/plans/#{plan.slug}",
        },
    )
