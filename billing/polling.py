"""
Looks through the processor's objects every hour, since a message may never come: neither is a lost one noticed, nor one
that was never made. What is found is merged as if a message had told of it; what cannot be is kept as such a message.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from billing import inbox
from billing.models import Watermark
from billing.payments import meters
from billing.payments.base import Facts, Gateway, ObjectKind, WebhookEvent

OVERLAP: Final = timedelta(hours=1)  # clocks differ, and lists may lag behind
FIRST: Final = timedelta(days=30)  # so far back is looked for the first time; the processor keeps its events as long
EVENTS: Final = "/v1/events"

Act = Callable[[Facts], None]


def poll(*, gateway: Gateway, now: datetime) -> Mapping[str, Exception]:
    """Look through all that may have changed. Returns what went wrong, by object or kind; none stops the rest."""
    failures: dict[str, Exception] = {}
    for kind, rules in inbox.RULES.items():
        if rules.changes_for is None:
            continue
        act = partial(_merge, kind, rules, now)
        expand = {"expand": [f"data.{name}" for name in rules.expand]} if rules.expand else {}
        look = partial(gateway.each, rules.path, **expand)
        failures |= _look(kind, look, act, now, changes_for=rules.changes_for)
    keep = partial(_keep, gateway, now)
    undelivered = partial(gateway.each, EVENTS, delivery_success="false")
    failures |= _look("event", undelivered, keep, now, changes_for=timedelta())
    reports = partial(gateway.each, meters.REPORTS, types=list(meters.REPORT_TYPES))
    failures |= _look(ObjectKind.METER_ERROR, reports, keep, now, changes_for=timedelta(), written="%Y-%m-%dT%H:%M:%SZ")
    return failures


def _look(
    kind: str,
    look: Callable[..., Iterable[Facts]],
    act: Act,
    now: datetime,
    *,
    changes_for: timedelta,
    written: str = "",
) -> Mapping[str, Exception]:
    """
    Act on each object that was made since the watermark, or could have changed since; then move the watermark. A list
    is asked in seconds since 1970, or with times as they are `written` there.
    """
    mark = Watermark.objects.filter(kind=kind).first()
    since = (mark.at - OVERLAP if mark else now - FIRST) - changes_for
    failures: dict[str, Exception] = {}
    try:
        found = list(look(created={"gte": f"{since:{written}}" if written else int(since.timestamp())}))
    except Exception as error:  # noqa: BLE001 - reported to the caller; the next round begins at the same mark
        return {kind: error}
    for facts in found:
        try:
            act(facts)
        except Exception as error:  # noqa: BLE001 - reported to the caller, object by object
            failures[facts["id"]] = error
    Watermark.objects.update_or_create(kind=kind, defaults={"at": now})
    return failures


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
