"""May an agreed lease be moved to another window or offer, and why not?"""

from datetime import datetime, timedelta

from leasing.models import Lease
from leasing.queries.extension import LEASE
from leasing.states import LeaseState
from marketplace.queries import Refusal

FREE = 100  # per cent given back


def why_not_moved(lease: Lease, *, now: datetime) -> Refusal | None:
    """Why it cannot be moved now, wherever to; None if it can. It can for as long as cancelling it costs nothing."""
    if lease.ends_at is None or lease.state != LeaseState.SCHEDULED or lease.starts_at <= now:
        return Refusal(LEASE, "Only an agreed lease that has not begun can be moved. Extend it, or order another one.")
    ahead = (lease.starts_at - now) // timedelta(seconds=1)
    if lease.terms.cancel_refund_percent(ahead) < FREE:
        return Refusal(LEASE, "Its start is too near to move it: cancelling it would cost something by now.")
    return None
