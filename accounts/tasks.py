"""Background work of this app: e-mails about events, and forgetting old answers."""

from datetime import timedelta

from celery import shared_task

from accounts import notices
from accounts.clock import now
from accounts.models import IdempotencyKey

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
