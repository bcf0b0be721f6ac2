"""
From events to deliveries. `record` knows nothing of this: a sweep writes a row for each event that an endpoint wants
and does not have yet. So an event costs nothing more where it happens, and a sweep that dies or runs twice loses and
doubles nothing.
"""

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q

from accounts.ids import fresh_id
from accounts.models import DeliveryState, Event, WebhookDelivery, WebhookEndpoint

RECENT = timedelta(minutes=10)  # what the sweep of every few seconds looks back
LATEST = timedelta(days=3)  # older news is not news
KEPT = timedelta(days=30)

_SPREAD = f"""
INSERT INTO accounts_webhookdelivery (public_id, endpoint_id, event_id, state, attempts, next_attempt_at, error, answer,
                                      created_at)
SELECT {fresh_id("wd")}, endpoint.id, event.id, 'pending', 0, %(now)s, '', '', %(now)s
  FROM accounts_webhookendpoint AS endpoint
  JOIN accounts_event AS event
    ON event.organization_id = endpoint.organization_id
   AND event.at >= %(after)s AND event.at >= endpoint.since
   AND event.subject <> endpoint.public_id  -- an endpoint is not told of itself
 WHERE endpoint.disabled_at IS NULL AND endpoint.removed_at IS NULL
   AND (endpoint.kinds = '{{}}' OR EXISTS (
         SELECT FROM unnest(endpoint.kinds) AS wanted
          WHERE wanted = event.kind OR (right(wanted, 2) = '.*' AND starts_with(event.kind, left(wanted, -1)))))
   AND NOT EXISTS (
         SELECT FROM accounts_webhookdelivery AS known
          WHERE known.endpoint_id = endpoint.id AND known.event_id = event.id)
    ON CONFLICT (endpoint_id, event_id) DO NOTHING
"""  # noqa: S608  the statement is ours


def spread(*, now: datetime, back: timedelta = RECENT) -> int:
    """
    Write deliveries of the events of the last `back` that have none yet; how many. By the events' own moments: what is
    committed late, or recorded about the past, is found by a later sweep that looks further back.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SPREAD, {"now": now, "after": now - back})
        return int(cursor.rowcount)


def deliver(*, endpoint: WebhookEndpoint, event: Event, now: datetime) -> WebhookDelivery:
    """One event for one endpoint, whatever it has chosen."""
    return WebhookDelivery.objects.create(endpoint=endpoint, event=event, next_attempt_at=now, created_at=now)


def reopen(*, endpoint: WebhookEndpoint, delivery: str, now: datetime) -> int:
    """Begin anew with one delivery, whatever became of it, or with all that failed; how many. Not what is in flight."""
    resting = Q(in_flight_until=None) | Q(in_flight_until__lte=now)
    chosen = Q(public_id=delivery) if delivery else Q(state=DeliveryState.FAILED)
    return endpoint.deliveries.filter(resting, chosen).update(
        state=DeliveryState.PENDING, attempts=0, next_attempt_at=now, in_flight_until=None, settled_at=None
    )


def give_up(*, endpoint: WebhookEndpoint, error: str, now: datetime) -> None:
    """What is pending fails."""
    endpoint.deliveries.filter(state=DeliveryState.PENDING).update(
        state=DeliveryState.FAILED, settled_at=now, in_flight_until=None, error=error
    )


def forget(*, now: datetime) -> int:
    """Drop what is older than the log shows. Its event stays, and is too old to be sent again."""
    return WebhookDelivery.objects.filter(created_at__lt=now - KEPT).exclude(state=DeliveryState.PENDING).delete()[0]
