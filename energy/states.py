"""The life of a command to a site, as data."""

from collections.abc import Mapping

from django.db.models import TextChoices


class CommandState(TextChoices):
    PROPOSED = "proposed", "proposed"  # waits for a person, or for the site's policy
    APPROVED = "approved", "approved"  # waits for its time, then for a worker of the site
    SENT = "sent", "being carried out"  # a worker has it; nobody else sends it
    DONE = "done", "done"  # read back: the load is what was wanted
    DECLINED = "declined", "declined"  # by a person, before it was sent
    EXPIRED = "expired", "expired"  # nobody decided, or nobody took it, in time
    FAILED = "failed", "failed"  # told, and not seen to have been done


S = CommandState
COMMAND_TRANSITIONS: Mapping[str, frozenset[str]] = {
    S.PROPOSED: frozenset({S.APPROVED, S.DECLINED, S.EXPIRED}),
    S.APPROVED: frozenset({S.SENT, S.DECLINED, S.EXPIRED}),
    S.SENT: frozenset({S.DONE, S.FAILED}),
    S.DONE: frozenset(),
    S.DECLINED: frozenset(),
    S.EXPIRED: frozenset(),
    S.FAILED: frozenset(),
}
# Where a state leads by itself once its deadline has passed.
COMMAND_FAILED_TWIN: Mapping[str, str] = {S.PROPOSED: S.EXPIRED, S.APPROVED: S.EXPIRED, S.SENT: S.FAILED}
COMMAND_OPEN = frozenset(COMMAND_FAILED_TWIN)
ENDED = (S.DONE, S.FAILED)  # told: what was is undone once it is over
