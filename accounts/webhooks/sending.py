"""
Sends what is due. A delivery is taken in a short transaction, sent outside of any, and what came of it written down in
a third. A worker that dies leaves one that is taken again two minutes later, with the same id: twice is possible, never
is not.

Each endpoint has a lane of its own, and few deliveries in flight at once, a failing one a single delivery: who is slow
waits for himself.
"""

import logging
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Min, Q

from accounts.calling import Answer, CallFailed, call
from accounts.models import DeliveryState, WebhookDelivery, WebhookEndpoint
from accounts.seal import Unsealable
from accounts.webhooks import endpoints, signing

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
# After each failed try; three days in all. https://github.com/standard-webhooks/standard-webhooks (Retries)
PAUSES = (
    timedelta(seconds=5), 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR,
)  # fmt: skip
LONGEST_WISH = timedelta(days=1)  # as `Retry-After` may ask
GIVES_UP = timedelta(days=5)  # of nothing but failures: it is switched off
FLIGHT = timedelta(minutes=2)  # longer than a sweep and a call
AT_ONCE = 4  # in flight to one endpoint, whatever the number of workers
LANES = 16  # endpoints that one sweep serves at the same time
LANE_SECONDS, SWEEP_SECONDS = 5, 10
CALL_SECONDS, CONNECT_SECONDS = 10, 5
MOST_BYTES, KEPT_BYTES = 65_536, 1024
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What came of one try. Without `status` there was no answer, and `error` says why."""

    duration_ms: int
    status: int | None = None
    error: str = ""
    answer: str = ""
    wish: timedelta = timedelta(0)  # the receiver's, for when to come back

    @property
    def arrived(self) -> bool:
        """Only 2xx is a yes: who redirects is told nothing."""
        return self.status is not None and 200 <= self.status < 300


def send_due(*, now: datetime, lanes: int = LANES) -> int:
    """Send what is due, endpoint by endpoint, the longest waiting first; how many tries that were."""
    lane = partial(_lane, now=now, ends=time.monotonic() + SWEEP_SECONDS)
    if lanes == 1:
        return sum(map(lane, due(now=now)))
    with ThreadPoolExecutor(lanes) as pool:
        return sum(pool.map(_alone(lane), due(now=now)))


def due(*, now: datetime) -> list[int]:
    """Endpoints that something is due for."""
    waiting = WebhookDelivery.objects.filter(_free(now), endpoint__disabled_at=None)
    first = waiting.values("endpoint").annotate(first=Min("next_attempt_at")).order_by("first")
    return list(first.values_list("endpoint", flat=True))


@transaction.atomic
def take(*, endpoint: int, now: datetime) -> WebhookDelivery | None:
    """
    The endpoint's longest due delivery, for this worker alone for two minutes; None if nothing is due, or enough is in
    flight.
    """
    row = WebhookEndpoint.objects.select_for_update(no_key=True).filter(pk=endpoint, disabled_at=None).first()
    if row is None:
        return None
    flying = row.deliveries.filter(state=DeliveryState.PENDING, in_flight_until__gt=now).count()
    delivery = row.deliveries.filter(_free(now)).select_related("event").order_by("next_attempt_at", "pk").first()
    if delivery is None or flying >= (1 if row.failing_since else AT_ONCE):
        return None
    delivery.attempts, delivery.attempted_at, delivery.in_flight_until = delivery.attempts + 1, now, now + FLIGHT
    delivery.save(update_fields=["attempts", "attempted_at", "in_flight_until"])
    delivery.endpoint = row
    return delivery


def act(*, delivery: WebhookDelivery, now: datetime) -> Outcome:
    """Send a taken delivery. Knows no database."""
    body, begun = signing.body(delivery.event), time.monotonic()
    try:
        headers = signing.headers(endpoint=delivery.endpoint, id=delivery.event.public_id, body=body, now=now)
        answer = call(
            delivery.endpoint.url,
            method="POST",
            body=body,
            headers=headers,
            networks=settings.WEBHOOK_NETWORKS,
            seconds=CALL_SECONDS,
            connect_seconds=CONNECT_SECONDS,
            most_bytes=MOST_BYTES,
        )
    except (CallFailed, Unsealable) as failure:
        return Outcome(_since(begun), error=str(failure)[:300])
    return _told(answer, _since(begun))


@transaction.atomic
def apply(*, delivery: WebhookDelivery, outcome: Outcome, now: datetime) -> None:
    """Write down what came of a try, unless another worker has the delivery by now."""
    endpoint = WebhookEndpoint._base_manager.select_for_update(no_key=True).get(pk=delivery.endpoint_id)
    mine = WebhookDelivery.objects.filter(pk=delivery.pk, state=DeliveryState.PENDING, attempts=delivery.attempts)
    over = outcome.arrived or delivery.attempts > len(PAUSES)
    state = DeliveryState.DELIVERED if outcome.arrived else DeliveryState.FAILED if over else DeliveryState.PENDING
    written = mine.update(
        state=state,
        in_flight_until=None,
        next_attempt_at=now if over else now + max(pause(delivery.attempts), outcome.wish),
        settled_at=now if over else None,
        status=outcome.status,
        duration_ms=outcome.duration_ms,
        error=outcome.error,
        answer=outcome.answer,
    )
    if written and endpoint.enabled:
        _judge(endpoint, outcome, now=now)


def pause(attempts: int) -> timedelta:
    """How long after the so manieth failed try: never the same for two, so that they do not come back together."""
    share: float = random.uniform(0.9, 1.1)  # noqa: S311 - no secret
    return PAUSES[attempts - 1] * share


def _judge(endpoint: WebhookEndpoint, outcome: Outcome, *, now: datetime) -> None:
    began = endpoint.failing_since
    if outcome.arrived:
        endpoint.failing_since = None
    elif outcome.status == 410:
        endpoints.switch_off(endpoint=endpoint, reason=WebhookEndpoint.Off.GONE, now=now)
    elif began and now - began >= GIVES_UP:
        endpoints.switch_off(endpoint=endpoint, reason=WebhookEndpoint.Off.FAILING, now=now)
    else:
        endpoint.failing_since = began or now
    if endpoint.failing_since != began:
        endpoint.save(update_fields=["failing_since"])


def _free(now: datetime) -> Q:
    resting = Q(in_flight_until=None) | Q(in_flight_until__lte=now)
    return resting & Q(state=DeliveryState.PENDING, next_attempt_at__lte=now)


def _lane(endpoint: int, *, now: datetime, ends: float) -> int:
    """One delivery after the other, for a few seconds: then it is another endpoint's turn."""
    tries, ends = 0, min(ends, time.monotonic() + LANE_SECONDS)
    try:
        while time.monotonic() < ends and (delivery := take(endpoint=endpoint, now=now)):
            tries += 1
            apply(delivery=delivery, outcome=act(delivery=delivery, now=now), now=now)
    except Exception:
        log.exception("webhooks to endpoint %s will be tried again", endpoint)
    return tries


def _alone(lane: Callable[[int], int]) -> Callable[[int], int]:
    """The same in a thread, which has a connection of its own and gives it back."""

    def run(endpoint: int) -> int:
        try:
            return lane(endpoint)
        finally:
            connection.close()

    return run


def _told(answer: Answer, duration_ms: int) -> Outcome:
    text = answer.body[:KEPT_BYTES].decode(errors="replace").replace("\0", "␀")
    outcome = Outcome(duration_ms, status=answer.status, answer=text)
    if outcome.arrived:
        return outcome
    redirects = " Redirects are not followed." if 300 <= answer.status < 400 else ""
    asked = next((value for name, value in answer.headers.items() if name.lower() == "retry-after"), "")
    wish = timedelta(seconds=int(asked[:6])) if asked.isascii() and asked.isdigit() else timedelta(0)
    error = f"It answered {answer.status} instead of 2xx.{redirects}"
    return Outcome(duration_ms, status=answer.status, answer=text, error=error, wish=min(wish, LONGEST_WISH))


def _since(begun: float) -> int:
    return int((time.monotonic() - begun) * 1000)
