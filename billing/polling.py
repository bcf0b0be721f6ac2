"""
Looks through the processor's objects every hour, since a message may never come: neither is a lost one noticed, nor one
that was never made. What is found is merged as if a message had told of it; what cannot be is kept as such a message.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any, Final

from billing import inbox, sweeping
from billing.models import Watermark
from billing.payments import meters
from billing.payments.base import Facts, Gateway, ObjectKind, WebhookEvent

OVERLAP: Final = timedelta(hours=1)  # clocks differ, and lists may lag behind
FIRST: Final = timedelta(days=30)  # so far back is looked for the first time; the processor keeps its events as long
EVENTS: Final = "/v1/events"


@dataclass(frozen=True)
class Look:
    """
    A list of one kind of objects, and what is done with each. It is asked in seconds since 1970, or with times as they
    are `written` there.
    """

    kind: str
    listed: Callable[..., Iterable[Facts]]
    act: Callable[[Facts], None]
    changes_for: timedelta = timedelta()
    written: str = ""

    def through(self, *, sweep: sweeping.Sweep, now: datetime) -> None:
        """Act on all that was made since the watermark, or could have changed since; then move the watermark."""
        mark = Watermark.objects.filter(kind=self.kind).first()
        since = (mark.at - OVERLAP if mark else now - FIRST) - self.changes_for
        made: Any = f"{since:{self.written}}" if self.written else int(since.timestamp())
        for facts in list(self.listed(created={"gte": made})):
            try:
                self.act(facts)
            except Exception as error:  # noqa: BLE001 - reported to the caller, object by object
                sweep.failed(facts["id"], error)
        Watermark.objects.update_or_create(kind=self.kind, defaults={"at": now})


def poll(*, gateway: Gateway, now: datetime) -> Mapping[str, Exception]:
    """Look through all that may have changed. Returns what went wrong, by object or kind; none stops the rest."""
    sweep = sweeping.Sweep(now=now, seconds=sweeping.LONG_SECONDS)
    sweep.each(
        sweeping.shuffled(_looks(gateway, now)),
        lambda look: look.through(sweep=sweep, now=now),
        name=attrgetter("kind"),
    )
    return sweep.failures


def _looks(gateway: Gateway, now: datetime) -> Iterator[Look]:
    for kind, rules in inbox.RULES.items():
        if rules.changes_for is not None:
            expand = {"expand": [f"data.{name}" for name in rules.expand]} if rules.expand else {}
            listed = partial(gateway.each, rules.path, **expand)
            yield Look(kind, listed, partial(_merge, kind, rules, now), rules.changes_for)
    keep = partial(_keep, gateway, now)
    yield Look("event", partial(gateway.each, EVENTS, delivery_success="false"), keep)
    reports = partial(gateway.each, meters.REPORTS, types=list(meters.REPORT_TYPES))
    yield Look(ObjectKind.METER_ERROR, reports, keep, written="%Y-%m-%dT%H:%M:%SZ")


def _merge(kind: ObjectKind, rules: inbox.Rules, now: datetime, facts: Facts) -> None:
    try:
        rules.merge(facts=facts, now=now)
    except Exception:
        found = f"found:{facts['id']}"  # tried again as a message is, and put aside for a person in the end
        event = WebhookEvent(found, kind, facts["id"], "", None, facts["livemode"], now, {})
        inbox.keep(event=event, now=now)
        raise


def _keep(gateway: Gateway, now: datetime, facts: Facts) -> None:
    inbox.keep(event=gateway.read_event(facts), now=now)
