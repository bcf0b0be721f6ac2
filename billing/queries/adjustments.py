"""Adjustments by staff."""

from django.db.models import QuerySet

from billing.models import Adjustment, AdjustmentState


def adjustments() -> QuerySet[Adjustment]:
    """All of them, with what staff sees of each, the newest first."""
    return Adjustment.objects.select_related("organization", "lease", "asked_by", "decided_by", "posting")


def waiting() -> QuerySet[Adjustment]:
    """Those that wait for a second person, the oldest first."""
    return adjustments().filter(state=AdjustmentState.WAITING).order_by("asked_at", "pk")
