"""Logs of running machines. Who wants one asks for it in a row; the site's worker, which reaches hosts, reads it."""

import logging
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from accounts import clock
from leasing.hosts import host_of
from leasing.models import Machine, MachineLog
from leasing.provisioners import inspector_for
from leasing.provisioners.base import Log, ProvisionerError
from leasing.queries.machines import HAS_LOGS
from marketplace.models import Site

FRESH = timedelta(seconds=20)  # what was read so recently is not read again
KEPT = timedelta(hours=1)
MOST_BYTES = 64 * 1024
BATCH = 20
log = logging.getLogger(__name__)


def ask(*, machine: Machine, which: Log, now: datetime) -> MachineLog:
    """The log if it was read just now; else its row without `read_at`, and the site's worker will read it."""
    row, _ = MachineLog.objects.get_or_create(machine=machine, log=which, defaults={"asked_at": now})
    if row.read_at is not None and row.read_at < now - FRESH:
        row.asked_at, row.read_at = now, None
        row.save(update_fields=["asked_at", "read_at"])
    return row


def sites_asked() -> QuerySet[Site]:
    """Sites where somebody waits for a log."""
    waiting = MachineLog.objects.filter(_waiting()).values("machine__node__pool__site")
    return Site.objects.filter(pk__in=waiting)


def read_asked(*, site: Site) -> None:
    """Read what was asked for at the site. Two workers that read the same write the same."""
    waiting = MachineLog.objects.filter(_waiting(), machine__node__pool__site=site)
    for row in waiting.select_related("machine__node__pool__node_type__gpu_model").order_by("asked_at")[:BATCH]:
        read = {"failed": False, "text": ""}
        node = row.machine.node
        which: Log = "startup" if row.log == MachineLog.Kind.STARTUP else "console"
        try:
            text = inspector_for(node.pool.provisioner).log(host_of(node), row.machine.public_id, which)
        except ProvisionerError as error:
            log.warning("the %s log of %s on %s: %s", which, row.machine, node, error)
            read = {"failed": True}
        else:
            read["text"] = _newest(text)
        MachineLog.objects.filter(pk=row.pk).update(read_at=clock.now(), **read)


def forget(*, now: datetime) -> None:
    """Drop what nobody has asked for in an hour, and everything of machines that were given back."""
    old = Q(asked_at__lt=now - KEPT) | ~Q(machine__state__in=HAS_LOGS)
    MachineLog.objects.filter(old).delete()


def _waiting() -> Q:
    return Q(read_at=None, machine__state__in=HAS_LOGS)


def _newest(text: str) -> str:
    """The end of a text that fits, without what the database cannot hold."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode()[-MOST_BYTES:].decode(errors="ignore")
