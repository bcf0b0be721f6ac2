"""Orders that wait for the operator's approval, and those that were decided."""

from django.db.models import QuerySet

from leasing.models import Approval
from leasing.states import LeaseState


def approvals() -> QuerySet[Approval]:
    """All of them, with what staff sees of each."""
    return Approval.objects.select_related(
        "lease__organization",
        "lease__created_by",
        "lease__offer__plan",
        "lease__offer__pool__site",
        "lease__offer__pool__node_type",
        "lease__rate",
        "lease__terms",
    )


def waiting() -> QuerySet[Approval]:
    """Those that staff can decide now, the oldest first."""
    return approvals().filter(decided_at=None, lease__state=LeaseState.HELD).order_by("asked_at", "pk")


def decided() -> QuerySet[Approval]:
    """Those that staff decided, the last first."""
    return approvals().filter(decided_at__isnull=False).order_by("-decided_at", "-pk")
