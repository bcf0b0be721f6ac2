"""Disputed payments."""

from django.db.models import QuerySet

from billing.models import Dispute


def disputes() -> QuerySet[Dispute]:
    """All of them, with what staff sees of each; those with the nearest date for an answer first, closed ones last."""
    found = Dispute.objects.select_related("payment__organization__billing_account")
    return found.order_by("closed_at", "evidence_due_at", "-pk")


def open_disputes() -> QuerySet[Dispute]:
    """Those that are not over, the nearest date for an answer first."""
    return disputes().filter(closed_at=None)


def closed_disputes() -> QuerySet[Dispute]:
    """Those that are over, the last first."""
    return disputes().filter(closed_at__isnull=False).order_by("-closed_at", "-pk")
