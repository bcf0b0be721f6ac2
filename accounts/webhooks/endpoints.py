"""What changes endpoints. The secret is returned once, by what makes it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts import calling
from accounts.models import Event, Organization, WebhookDelivery, WebhookEndpoint
from accounts.operations import Words, record
from accounts.webhooks import kinds as known
from accounts.webhooks import signing, spreading

MOST_ENDPOINTS = 10
TESTS_PER_HOUR = 20
OVERLAP = timedelta(hours=24)  # how long a replaced secret signs too
ACTOR = "system:webhooks"
Off = WebhookEndpoint.Off


class BadEndpoint(Exception):
    """It cannot be so; the message says why. `field` names the input at fault."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.message, self.field = message, field


class TooMany(Exception):
    """A limit is reached; the message says which, and the way out."""


@transaction.atomic
def create(
    *, organization: Organization, actor: str, url: str, description: str, kinds: Sequence[str], now: datetime
) -> tuple[WebhookEndpoint, str]:
    """
    A new endpoint, told of events from now on, and its secret.

    :raises BadEndpoint: for an address or a kind that cannot be
    :raises TooMany: if the organization has as many as it may
    """
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    if WebhookEndpoint.objects.filter(organization=organization).count() >= MOST_ENDPOINTS:
        raise TooMany(f"An organization may have {MOST_ENDPOINTS} endpoints. Remove one that is not needed any more.")
    secret = signing.new_secret()
    endpoint = WebhookEndpoint.objects.create(
        organization=organization,
        url=_checked_url(url),
        description=description,
        kinds=_checked_kinds(kinds),
        secret=signing.sealed(secret),
        since=now,
        created_at=now,
    )
    notice = Words(
        title=f"New webhook endpoint {endpoint.url}",
        text=f"From now on {endpoint.url} is told what happens in {organization.name}: "
        f"{', '.join(endpoint.kinds) or 'every event'}. If this was not intended, remove it.",
        path=f"/webhooks/{endpoint.public_id}/",
    )
    _record(endpoint, "created", actor=actor, now=now, data=_facts(endpoint), notice=notice)
    return endpoint, secret


@transaction.atomic
def change(*, endpoint: WebhookEndpoint, actor: str, now: datetime, **wanted: Any) -> WebhookEndpoint:
    """
    Change any of `url`, `description`, `kinds` and `enabled`. What is switched on again is told of what happens from
    then on; what did not arrive before can be sent again.

    :raises BadEndpoint: for an address or a kind that cannot be
    """
    row = _locked(endpoint)
    before = _facts(row)
    row.url = _checked_url(wanted.get("url", row.url))
    row.description = wanted.get("description", row.description)
    row.kinds = _checked_kinds(wanted.get("kinds", row.kinds))
    if wanted.get("enabled", row.enabled) and not row.enabled:
        row.disabled_at, row.disabled_reason, row.failing_since, row.since = None, "", None, now
    elif not wanted.get("enabled", row.enabled) and row.enabled:
        _stop(row, Off.CHOSEN, now=now)
    row.save()
    if before != _facts(row):
        _record(row, "changed", actor=actor, now=now, data={"before": before, "after": _facts(row)})
    return row


@transaction.atomic
def rotate(*, endpoint: WebhookEndpoint, actor: str, now: datetime) -> tuple[WebhookEndpoint, str]:
    """Another secret. For a day both sign, so that the receiver has time to learn the new one."""
    row, secret = _locked(endpoint), signing.new_secret()
    row.former_secret, row.former_until = row.secret, now + OVERLAP
    row.secret = signing.sealed(secret)
    row.save()
    _record(row, "secret_rotated", actor=actor, now=now, data={"former_signs_until": row.former_until})
    return row, secret


@transaction.atomic
def remove(*, endpoint: WebhookEndpoint, actor: str, now: datetime) -> None:
    """Send nothing there any more. Removing twice does nothing."""
    row = WebhookEndpoint.objects.select_for_update(no_key=True).filter(pk=endpoint.pk).first()
    if row is None:
        return
    _stop(row, Off.CHOSEN, now=now)
    row.removed_at, row.secret, row.former_secret = now, "", ""
    row.save()
    _record(row, "removed", actor=actor, now=now, data=_facts(row))


@transaction.atomic
def send_test(*, endpoint: WebhookEndpoint, actor: str, now: datetime) -> WebhookDelivery:
    """
    Send it an event that says only that this is a test, whatever kinds it has chosen.

    :raises BadEndpoint: if it is switched off
    :raises TooMany: if it was tested very often
    """
    row = _locked(endpoint)
    _require_on(row)
    tests = Event.objects.filter(subject=row.public_id, kind="webhook_endpoint.tested", at__gt=now - timedelta(hours=1))
    if tests.count() >= TESTS_PER_HOUR:
        raise TooMany(f"It was tested {TESTS_PER_HOUR} times within an hour. Wait a little.")
    event = _record(row, "tested", actor=actor, now=now, data={"test": True})
    return spreading.deliver(endpoint=row, event=event, now=now)


@transaction.atomic
def send_again(*, endpoint: WebhookEndpoint, actor: str, now: datetime, delivery: str = "") -> int:
    """
    Send one delivery again (its public id), or all that failed; with their ids of before, so that a receiver that has
    an event already can tell. How many there are.

    :raises BadEndpoint: if it is switched off
    """
    row = _locked(endpoint)
    _require_on(row)
    found = spreading.reopen(endpoint=row, delivery=delivery, now=now)
    if found:
        _record(row, "sent_again", actor=actor, now=now, data={"deliveries": found})
    return found


def switch_off(*, endpoint: WebhookEndpoint, reason: Off, now: datetime) -> None:
    """By itself, in the caller's transaction, who has locked it; its owners and admins are told."""
    _stop(endpoint, reason, now=now)
    endpoint.save()
    notice = Words(
        title=f"Webhook endpoint {endpoint.url} was switched off",
        text=f"{reason.label}. Nothing is sent there until an owner or admin switches it on again. Events are kept: "
        "what did not arrive can be sent again from its page.",
        path=f"/webhooks/{endpoint.public_id}/",
    )
    _record(endpoint, "disabled", actor=ACTOR, now=now, data={"url": endpoint.url, "reason": reason}, notice=notice)


def forget_former(*, now: datetime) -> None:
    """Drop replaced secrets that sign no more."""
    over = WebhookEndpoint.objects.filter(former_until__lte=now).exclude(former_secret="")
    over.update(former_secret="")


def _stop(row: WebhookEndpoint, reason: Off, *, now: datetime) -> None:
    row.disabled_at, row.disabled_reason = now, reason
    spreading.give_up(endpoint=row, error="The endpoint was switched off.", now=now)


def _locked(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    own = WebhookEndpoint.objects.select_related("organization").filter(pk=endpoint.pk)
    return own.select_for_update(no_key=True, of=("self",)).get()


def _require_on(row: WebhookEndpoint) -> None:
    if not row.enabled:
        raise BadEndpoint("It is switched off. Switch it on first.", field="enabled")


def _checked_url(url: str) -> str:
    try:
        parts = calling.check(url, networks=settings.WEBHOOK_NETWORKS)
    except calling.AddressRefused as refusal:
        raise BadEndpoint(str(refusal), field="url") from refusal
    if parts.port is not None and parts.port < 1024 and parts.port not in calling.PORTS.values():
        raise BadEndpoint("Use port 443 or one above 1023.", field="url")
    if len(url) > 500:
        raise BadEndpoint("Use at most 500 characters.", field="url")
    return url


def _checked_kinds(kinds: Sequence[str]) -> list[str]:
    try:
        return known.checked(kinds)
    except ValueError as error:
        raise BadEndpoint(str(error), field="kinds") from error


def _facts(row: WebhookEndpoint) -> dict[str, Any]:
    return {"url": row.url, "description": row.description, "kinds": row.kinds, "enabled": row.enabled}


def _record(
    row: WebhookEndpoint,
    what: str,
    *,
    actor: str,
    now: datetime,
    data: Mapping[str, Any],
    notice: Words | None = None,
) -> Event:
    return record(
        organization=row.organization,
        kind=f"webhook_endpoint.{what}",
        subject=row.public_id,
        actor=actor,
        at=now,
        data=data,
        notice=notice,
    )
