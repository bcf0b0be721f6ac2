"""
Everything that changes who is who: organizations, keys, tokens; the one way to write down what happened; and the one
way in which sweeps act on rows.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict, TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError, connection, transaction

from accounts import sshkeys, tokens
from accounts.access import ACTIONS, ROLE_ACTIONS
from accounts.ids import fresh_id
from accounts.models import APIToken, Event, IllegalMove, Membership, Organization, Role, SSHKey, Stale, User, insert
from accounts.sshkeys import BadSSHKey

log = logging.getLogger(__name__)
Row = TypeVar("Row")
TOKEN_LIFE = timedelta(days=90)
LONGEST_TOKEN_LIFE = timedelta(days=365)
LONGEST_NAME = 80
ON_HOLD = "Ordering is paused for your company; write to us. What you lease goes on, and can be returned."


class Words(TypedDict):
    """What to tell people about an event: an e-mail's subject, its text, and the path of the page to open."""

    title: str
    text: str
    path: str


class SSHKeyExists(BadSSHKey):
    """The organization has this very key already."""


class BadToken(Exception):
    """The token cannot be issued as asked; the message says why. `field` names the input at fault."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


def record(
    *,
    organization: Organization | None,
    kind: str,
    subject: str,
    actor: str,
    at: datetime,
    data: Mapping[str, Any] | None = None,
    notice: Words | None = None,
) -> Event:
    """Append to the event log, in the caller's transaction.

    `kind` is such as "lease.active"; `subject` the public id of what it happened to; `actor` such as "user:us_…" or
    "system:leasing". With `notice`, members of the roles that `accounts.notices` names for the kind get an e-mail, or
    staff where the event is no organization's.
    """
    event = unwritten(
        organization=organization, kind=kind, subject=subject, actor=actor, at=at, data=data, notice=notice
    )
    insert(event)
    return event


def unwritten(
    *,
    organization: Organization | None,
    kind: str,
    subject: str,
    actor: str,
    at: datetime,
    data: Mapping[str, Any] | None = None,
    notice: Words | None = None,
) -> Event:
    """As `record`, for a caller whose own statement writes the event with what it is about."""
    return Event(
        organization=organization, kind=kind, subject=subject, actor=actor, at=at, data=dict(data or {}), notice=notice
    )


def record_all(*, rows: str, given: Mapping[str, Any], kind: str, actor: str, at: datetime) -> int:
    """
    `record` for every row of a statement of ours, which selects `organization_id`, `subject`, `data` and `notice`
    (JSON) and is given its parameters; how many there were.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO accounts_event (public_id, organization_id, kind, subject, actor, at, data, notice)
            SELECT {fresh_id("ev")}, organization_id, %(event_kind)s, subject, %(event_actor)s, %(event_at)s, data,
                   notice
              FROM ({rows}) AS happened
            """,  # noqa: S608  the statement is ours
            {**given, "event_kind": kind, "event_actor": actor, "event_at": at},
        )
        return int(cursor.rowcount)


def for_each(rows: Iterable[Row], act: Callable[[Row], object]) -> None:
    """
    Act on each row; what fails is logged, and tried again at the next sweep, and a row that somebody else moved is
    theirs. The worker's time limit is no failure of a row: it ends the sweep.
    """
    for row in rows:
        try:
            act(row)
        except (Stale, IllegalMove) as moved:
            log.info("the next sweep looks again: %s", moved)
        except SoftTimeLimitExceeded:
            raise
        except Exception:
            log.exception("the sweep could not work on %s", row)


@transaction.atomic
def create_organization(*, name: str, owner: User, now: datetime) -> Organization:
    """A new organization, with `owner` as its first member."""
    organization = Organization.objects.create(name=name, created_at=now)
    Membership.objects.create(organization=organization, user=owner, role=Role.OWNER, created_at=now)
    record(
        organization=organization,
        kind="organization.created",
        subject=organization.public_id,
        actor=owner.actor,
        at=now,
        data={"name": name},
    )
    return organization


@transaction.atomic
def change_organization(
    *, organization: Organization, actor: str, name: str, data_retention_hours: int, now: datetime
) -> None:
    """Rename an organization, or change how many hours (0 to 720) data outlives a lease that ran out of money."""
    before = {"name": organization.name, "data_retention_hours": organization.data_retention_hours}
    after = {"name": name, "data_retention_hours": data_retention_hours}
    if before == after:
        return
    Organization.objects.filter(pk=organization.pk).update(**after)
    organization.name, organization.data_retention_hours = name, data_retention_hours
    record(
        organization=organization,
        kind="organization.changed",
        subject=organization.public_id,
        actor=actor,
        at=now,
        data={"before": before, "after": after},
    )


@transaction.atomic
def hold_ordering(*, organization: Organization, reason: str, actor: str, now: datetime) -> bool:
    """
    Take no new orders from an organization, once; one whose orders are on hold keeps the first reason. What it leases
    goes on. The reason is for staff: the organization hears only the way out. Returns whether they were not on hold.
    """
    if not Organization.objects.filter(pk=organization.pk, ordering_hold="").update(ordering_hold=reason):
        return False
    notice: Words = {"title": f"Ordering is paused for {organization.name}", "text": ON_HOLD, "path": "/wallet/"}
    _record_hold(organization, "held", actor, now, reason=reason, notice=notice)
    return True


@transaction.atomic
def release_ordering(*, organization: Organization, reason: str, actor: str, now: datetime) -> bool:
    """Take its orders again. The reason is for staff, too. Returns whether they were on hold."""
    if not Organization.objects.filter(pk=organization.pk).exclude(ordering_hold="").update(ordering_hold=""):
        return False
    notice: Words = {
        "title": f"Ordering is not paused any more for {organization.name}",
        "text": "Your company can order, extend and move nodes again, unless its wallet says that it is suspended.",
        "path": "/wallet/",
    }
    _record_hold(organization, "released", actor, now, reason=reason, notice=notice)
    return True


def _record_hold(
    organization: Organization, word: str, actor: str, now: datetime, *, reason: str, notice: Words
) -> None:
    """Twice: the organization's own event says only that it is so, the operator's says why and by whom."""
    kind, subject = f"organization.ordering_{word}", organization.public_id
    record(organization=organization, kind=kind, subject=subject, actor="system:accounts", at=now, notice=notice)
    record(organization=None, kind=kind, subject=subject, actor=actor, at=now, data={"reason": reason})


@transaction.atomic
def add_ssh_key(*, organization: Organization, actor: str, user: User, name: str, text: str, now: datetime) -> SSHKey:
    """Keep a public key for use on the organization's nodes.

    :raises BadSSHKey: when `text` is not one plain, strong key, or the name is missing
    :raises SSHKeyExists: when the organization has the key already
    """
    name = _checked_name(name, BadSSHKey, "Give the key a name that you will recognize, such as “laptop”.")
    key = sshkeys.parse(text)
    try:
        with transaction.atomic():
            row = SSHKey.objects.create(
                organization=organization,
                created_by=user,
                name=name,
                algorithm=key.algorithm,
                public_key=key.text,
                fingerprint=key.fingerprint,
                created_at=now,
            )
    except IntegrityError as error:
        raise SSHKeyExists("This key is here already. Use it, or remove it first to give it another name.") from error
    data = {"name": name, "fingerprint": key.fingerprint}
    record(organization=organization, kind="ssh_key.added", subject=row.public_id, actor=actor, at=now, data=data)
    return row


@transaction.atomic
def remove_ssh_key(*, key: SSHKey, actor: str, now: datetime) -> None:
    """Stop offering a key for new leases. Leases that have it keep it. Removing twice does nothing."""
    if not SSHKey.objects.filter(pk=key.pk).update(removed_at=now):
        return
    data = {"name": key.name, "fingerprint": key.fingerprint}
    record(organization=key.organization, kind="ssh_key.removed", subject=key.public_id, actor=actor, at=now, data=data)


@transaction.atomic
def issue_token(
    *,
    organization: Organization,
    user: User,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
    now: datetime,
    actor: str = "",
    within: Collection[str] = ACTIONS,
) -> tuple[APIToken, str]:
    """A new API token and its text, which cannot be had again. Without `expires_at` it lasts 90 days.

    `within` are the scopes of whoever asks: a token that makes tokens cannot grant more than it has.

    :raises BadToken: for a missing name, scopes that are unknown or beyond the user's role, or a life beyond 365 days
    """
    name = _checked_name(name, BadToken, "Give the token a name that says what uses it, such as “training script”.")
    expires_at = expires_at or now + TOKEN_LIFE
    if not now < expires_at <= now + LONGEST_TOKEN_LIFE:
        raise BadToken("Choose a time from now to 365 days ahead.", field="expires_at")
    granted = _checked_scopes(organization, user, scopes, within)
    text = tokens.new_text()
    token = APIToken.objects.create(
        organization=organization,
        created_by=user,
        name=name,
        prefix=text[: tokens.SHOWN_LENGTH],
        digest=tokens.digest(text),
        last4=text[-4:],
        scopes=granted,
        created_at=now,
        expires_at=expires_at,
    )
    record(
        organization=organization,
        kind="token.created",
        subject=token.public_id,
        actor=actor or user.actor,
        at=now,
        data={"name": name, "scopes": granted, "expires_at": expires_at},
        notice=Words(
            title=f"New API token “{name}”",
            text=f"{user.get_full_name()} made the API token “{name}” for {organization.name}, with the scopes "
            f"{', '.join(granted)}. If this was not intended, revoke it.",
            path="/api-tokens/",
        ),
    )
    return token, text


@transaction.atomic
def revoke_token(*, token: APIToken, actor: str, now: datetime) -> None:
    """Make a token useless from this moment. Revoking twice does nothing."""
    if not APIToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now):
        return
    token.revoked_at = now
    data = {"name": token.name}
    organization = token.organization
    record(organization=organization, kind="token.revoked", subject=token.public_id, actor=actor, at=now, data=data)


def _checked_name(name: str, bad: type[BadSSHKey] | type[BadToken], missing: str) -> str:
    name = name.strip()
    if not name:
        raise bad(missing, field="name")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise bad(f"Use at most {LONGEST_NAME} printable characters.", field="name")
    return name


def _checked_scopes(
    organization: Organization, user: User, scopes: Sequence[str], within: Collection[str]
) -> list[str]:
    unknown = sorted(set(scopes) - set(ACTIONS))
    if unknown or not scopes:
        problem = f"“{unknown[0]}” is not a scope." if unknown else "Choose at least one scope."
        raise BadToken(f"{problem} There are: {', '.join(ACTIONS)}.", field="scopes")
    membership = Membership.objects.filter(organization=organization, user=user).first()
    allowed = ROLE_ACTIONS[membership.role] & set(within) if membership else frozenset()
    if beyond := sorted(set(scopes) - allowed):
        raise BadToken(f"A token cannot do more than you, and you may not {', '.join(beyond)}.", field="scopes")
    return sorted(set(scopes))
