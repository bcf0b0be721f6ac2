"""
How fast the card processor may be called. Each endpoint has a bucket in the database, so that all workers together keep
to its limit: a call takes the next free moment and waits for it, in the order of asking.
"""

import re
import time
from typing import Final

from django.db import connection

PER_SECOND: Final = 24  # the processor takes 25 of each endpoint: https://docs.stripe.com/rate-limits
IDS: Final = re.compile(r"/[a-z]+_\w*[A-Z0-9]\w*")  # /v1/customers/cus_NffrFeUfNV2Hib is one endpoint for all of them

TAKE = """
INSERT INTO billing_pace AS pace (endpoint, free_at)
VALUES (%(endpoint)s, clock_timestamp() + %(step)s * interval '1 second')
ON CONFLICT (endpoint) DO UPDATE
   SET free_at = greatest(pace.free_at, clock_timestamp()) + %(step)s * interval '1 second'
RETURNING extract(epoch FROM free_at - clock_timestamp())::float - %(step)s
"""


def wait(*, path: str) -> None:
    """Return when a call to the path may be made. Never in a transaction: others wait for the row."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE, {"endpoint": IDS.sub("/{id}", path), "step": 1 / PER_SECOND})
        (seconds,) = cursor.fetchone()
    time.sleep(max(0.0, seconds))
