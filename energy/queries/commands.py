"""Which commands hold at a site."""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from energy.models import Command
from energy.states import ENDED, CommandState
from marketplace.models import Site

UNDER_WAY = (CommandState.APPROVED, CommandState.SENT)
NOT_OVER = (*UNDER_WAY, *ENDED)
AT_ONCE = timedelta(minutes=1)  # so long are miners told: what begins within it counts already


def held(site: Site, kind: str, *, now: datetime) -> bool:
    """Whether a command of the kind is on its way, or one of a grid event holds: plans propose no other then."""
    rows = Command.objects.filter(site=site, kind=kind)
    return rows.filter(Q(state__in=UNDER_WAY) | _of_an_event(now)).exists()


def holding(site: Site, kind: str, *, now: datetime) -> QuerySet[Command]:
    """The commands of a kind by grid events that have begun, or begin while one is told, and are not over: also those
    that no worker has taken yet."""
    return Command.objects.filter(_of_an_event(now, ahead=AT_ONCE), site=site, kind=kind)


def in_event(site: Site, *, now: datetime) -> bool:
    """Whether a grid event holds there."""
    return Command.objects.filter(_of_an_event(now), site=site).exists()


def _of_an_event(now: datetime, *, ahead: timedelta = timedelta(0)) -> Q:
    return ~Q(event="") & Q(ends_at__gt=now, due_at__lte=now + ahead, undone_by=None, state__in=NOT_OVER)
