"""Background work of this app: e-mails and webhooks about events, and forgetting what is old."""

from datetime import timedelta

from celery import shared_task

from accounts import notices
from accounts.clock import now
from accounts.models import IdempotencyKey
from accounts.webhooks import endpoints, sending, spreading

KEYS_KEPT = timedelta(days=30)


@shared_task
def deliver_notices(**_: object) -> None:
    """Mail the events that people should hear of. Safe to run twice or late: each letter has a row of its own."""
    instant = now()
    notices.address(now=instant)
    notices.send(notices.claim(now=instant), now=instant)


@shared_task
def forget_idempotency_keys(**_: object) -> None:
    """Drop the answers of API calls that nobody retries any more."""
    IdempotencyKey.objects.filter(created_at__lt=now() - KEYS_KEPT).delete()


@shared_task
def deliver_webhooks(**_: object) -> None:
    """Tell endpoints what has just happened, and again what did not arrive. Safe to run twice, by many, or late."""
    spreading.spread(now=now())
    sending.send_due(now=now())


@shared_task
def catch_up_webhooks(**_: object) -> None:
    """Find events that the short sweep was too late for; drop old deliveries and secrets."""
    spreading.spread(now=now(), back=spreading.LATEST)
    spreading.forget(now=now())
    endpoints.forget_former(now=now())
