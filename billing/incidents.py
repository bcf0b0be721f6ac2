"""
What holds up our work with the card processor until a person does something: it refuses our key or a permission, or
calls wait for too long. Staff are told once when it begins, and see it on the page of the reconciliation until it is
over.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from accounts.operations import record
from billing.models import CallState, GatewayCall, GatewayIncident, IncidentKind
from billing.payments.base import KeyRefused, PermissionRefused

LATE = timedelta(hours=1)  # a call that has waited for so long is told of
QUIET = timedelta(hours=2)  # what may not be done is asked again within an hour: what was not refused since may be
ACTOR = "system:billing"
WAY_OUT = {
    IncidentKind.KEY_REFUSED: "Until its key is good again, payments, refunds and invoices wait. It stays on the page "
    "Reconciliation until the processor takes the key for a call.",
    IncidentKind.PERMISSION_REFUSED: "Until the key may do all that the operations guide lists, what needs it waits. "
    "It stays on the page Reconciliation until nothing was refused for two hours.",
    IncidentKind.CALLS_LATE: "What customers and we wait for is not done meanwhile. Look at it among the gateway calls "
    "in the admin. It stays on the page Reconciliation until no call has waited for an hour.",
}


def key_refused(*, refusal: KeyRefused | PermissionRefused, now: datetime) -> None:
    """The processor did not take our key, or said that it may not do this."""
    of_key = isinstance(refusal, KeyRefused)
    _seen(IncidentKind.KEY_REFUSED if of_key else IncidentKind.PERMISSION_REFUSED, f"{refusal}", now)


def key_taken(*, now: datetime) -> None:
    """The processor took our key. What it may not do says nothing of that, nor the other way round."""
    open_incidents(IncidentKind.KEY_REFUSED).update(over_at=now)


def review(*, now: datetime) -> None:
    """See whether calls wait for too long, and what is over."""
    open_incidents(IncidentKind.PERMISSION_REFUSED).filter(last_at__lte=now - QUIET).update(over_at=now)
    waiting = GatewayCall.objects.filter(state__in=(CallState.PENDING, CallState.UNCERTAIN))
    oldest = waiting.filter(created_at__lte=now - LATE).select_related("organization").order_by("created_at").first()
    if oldest:
        message = f"The oldest, to {oldest}, of {oldest.organization}, since {oldest.created_at:%Y-%m-%d %H:%M} UTC."
        _seen(IncidentKind.CALLS_LATE, message, now)
    else:
        open_incidents(IncidentKind.CALLS_LATE).update(over_at=now)


def open_incidents(*kinds: IncidentKind) -> QuerySet[GatewayIncident]:
    """Those that are not over, of these kinds or of all."""
    rows = GatewayIncident.objects.filter(over_at=None).order_by("kind")
    return rows.filter(kind__in=kinds) if kinds else rows


@transaction.atomic
def _seen(kind: IncidentKind, message: str, now: datetime) -> None:
    seen = {"last_at": now, "message": message[:300]}
    row, fresh = GatewayIncident.objects.get_or_create(kind=kind, over_at=None, defaults={"began_at": now, **seen})
    if not fresh:
        GatewayIncident.objects.filter(pk=row.pk).update(**seen)
        return
    record(
        organization=None,
        kind=f"payment.{kind}",
        subject=str(row.pk),
        actor=ACTOR,
        at=now,
        data={"message": row.message},
        notice={
            "title": f"{kind.label[0].upper()}{kind.label[1:]}",
            "text": f"{row.message} {WAY_OUT[kind]}",
            "path": "/operations/reconciliation/",
        },
    )
