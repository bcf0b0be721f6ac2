"""What customers, and staff, are told of interruptions."""

from datetime import datetime

from accounts.operations import Words, record
from leasing.models import Interruption, InterruptionCause
from leasing.queries.interruptions import more_left, stamp

STAFF_FAILED = "site.interruption_failed"
UNTOUCHED = "Data, keys, address and node are kept, and nothing is charged while it is paused."


def tell_scheduled(row: Interruption, *, actor: str, now: datetime) -> None:
    """Announce it, with what the customer may do."""
    more = f" or ask once for up to {more_left(row) // 60} minutes more" if more_left(row) >= 60 else ""
    text = (
        f"{_why(row)} It goes on by itself at {_minute(row.ends_at)} at the latest. {UNTOUCHED} Save your work. You "
        f"can say that you are ready before, and are credited for the rest of the notice{more}: on the lease's page, "
        "through the API, or from the node."
    )
    title = f"{row.lease.name} will be paused at {_minute(row.begins_at)}"
    _tell(row, "lease.interrupt_scheduled", actor=actor, now=now, title=title, text=text)


def tell_moved(row: Interruption, *, actor: str, now: datetime) -> None:
    """It begins later, as the tenant asked."""
    title = f"{row.lease.name} will be paused at {_minute(row.begins_at)}, later than announced"
    text = f"As was asked for, {row.more_seconds // 60} minutes later. {UNTOUCHED}"
    _tell(row, "lease.interrupt_moved", actor=actor, now=now, title=title, text=text)


def tell_started(row: Interruption, *, actor: str, now: datetime) -> None:
    """It has begun; the mail is that of the pause."""
    _tell(row, "lease.interrupt_started", actor=actor, now=now)


def tell_ended(row: Interruption, *, now: datetime) -> None:
    """It is over; the mail is that of the lease, which runs again."""
    _tell(row, "lease.interrupt_ended", actor="system:leasing", now=now)


def tell_called_off(row: Interruption, *, actor: str, now: datetime, mail: bool) -> None:
    """It does not take place."""
    title = f"{row.lease.name} is not paused" if mail else ""
    text = f"The interruption announced for {_minute(row.begins_at)} is called off. The lease runs on."
    _tell(row, "lease.interrupt_called_off", actor=actor, now=now, title=title, text=text)


def tell_failed(row: Interruption, *, why: str, now: datetime) -> None:
    """Hosts did not obey: staff has to look, and the site draws more than was planned, or a customer waits."""
    _tell(row, "lease.interrupt_failed", actor="system:leasing", now=now)
    record(
        organization=None,
        kind=STAFF_FAILED,
        subject=row.lease.offer.pool.site.slug,
        actor="system:leasing",
        at=now,
        data={"interruption": row.public_id, "lease": row.lease.public_id, "reason": row.reason},
        notice={
            "title": f"{row.lease.public_id} at {row.lease.offer.pool.site.name}: its interruption failed",
            "text": f"{why} Its machines go on being told to resume. Look at their hosts.",
            "path": "/operations/fleet/",
        },
    )


def pause_words(row: Interruption) -> Words:
    """The mail of the pause itself."""
    return {
        "title": f"{row.lease.name} is paused",
        "text": f"{_why(row)} {UNTOUCHED} You need not do anything: it goes on by itself when power is back, at "
        f"{_minute(row.ends_at)} at the latest.",
        "path": f"/leases/{row.lease.public_id}/",
    }


def _tell(row: Interruption, kind: str, *, actor: str, now: datetime, title: str = "", text: str = "") -> None:
    lease = row.lease
    data = {
        "name": lease.name,
        "interruption": row.public_id,
        "cause": row.cause,
        "begins_at": stamp(row.begins_at),
        "ends_at": stamp(row.ends_at),
        "short_seconds": row.short_seconds,
    }
    notice: Words = {"title": title, "text": text, "path": f"/leases/{lease.public_id}/"}
    record(
        organization=lease.organization,
        kind=kind,
        subject=lease.public_id,
        actor=actor,
        at=now,
        data=data,
        notice=notice if title else None,
    )


def _why(row: Interruption) -> str:
    words = str(InterruptionCause(row.cause).label)
    return f"{words[:1].upper()}{words[1:]}."


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
