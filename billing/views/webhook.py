"""Where the card processor's messages arrive: verified, stored, answered, and nothing else."""

import logging
import time

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from accounts.clock import now
from billing import inbox
from billing.payments import gateway
from billing.payments.base import BadSignature, GatewayUnavailable
from billing.tasks import settle

MOST_BYTES = 256 * 1024
log = logging.getLogger(__name__)


class Waking:
    """
    Has what was kept acted on, once for all that comes within `TOGETHER` seconds: a burst of messages is one task. It
    begins when that time is over, so that all of them are kept by then.
    """

    TOGETHER = 0.2

    def __init__(self) -> None:
        self._ends = 0.0

    def soon(self) -> None:
        """Ask for it, unless that was done a moment ago."""
        if time.monotonic() >= self._ends:
            self._ends = time.monotonic() + self.TOGETHER
            settle.apply_async(countdown=self.TOGETHER)


waking = Waking()


@csrf_exempt
@require_POST
def stripe(request: HttpRequest) -> HttpResponse:
    """
    200 once the message is kept; 400 if it is not the processor's, which is counted. Anything else makes the processor
    try again.
    """
    payload = request.read(MOST_BYTES + 1)
    if len(payload) > MOST_BYTES:
        inbox.refuse(reason="larger than 256 KiB", now=now())
        return HttpResponse("The body is larger than 256 KiB.", status=413, content_type="text/plain")
    try:
        inbox.receive(
            payload=payload, signature=request.headers.get("Stripe-Signature", ""), gateway=gateway(), now=now()
        )
    except BadSignature as refusal:
        log.warning("refused a webhook: %s", refusal)
        inbox.refuse(reason=str(refusal), now=now())
        return HttpResponse(f"Refused: {refusal}.", status=400, content_type="text/plain")
    except GatewayUnavailable as silent:
        return HttpResponse(f"Not now: {silent}.", status=503, content_type="text/plain")
    transaction.on_commit(waking.soon, robust=True)  # in a moment, where the sweep would do it in some seconds
    return HttpResponse("Kept.", content_type="text/plain")
