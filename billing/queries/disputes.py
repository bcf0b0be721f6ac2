"""Disputed payments."""

from django.db.models import Q, QuerySet

from billing.models import Dispute, Posting


def disputes() -> QuerySet[Dispute]:
    """All of them, with what staff sees of each; those with the nearest date for an answer first, closed ones last."""
    found = Dispute.objects.select_related("organization__billing_account", "payment", "card_invoice")
    return found.order_by("closed_at", "evidence_due_at", "-pk")


def open_disputes() -> QuerySet[Dispute]:
    """Those that are not over, the nearest date for an answer first."""
    return disputes().filter(closed_at=None)


def closed_disputes() -> QuerySet[Dispute]:
    """Those that are over, the last first."""
    return disputes().filter(closed_at__isnull=False).order_by("-closed_at", "-pk")


def money_of(dispute: Dispute) -> QuerySet[Posting]:
    """What the charge has moved in our ledger, and the dispute of it."""
    keys = [f"{kind}:{dispute.public_id}" for kind in ("dispute", "dispute_returned")]
    own = Q(payment=dispute.payment) if dispute.payment else Q(key=f"card_invoice:{dispute.charged.public_id}")
    return Posting.objects.filter(own | Q(key__in=keys)).prefetch_related("entries__account").order_by("pk")
