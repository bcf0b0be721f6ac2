"""Who is told what by e-mail. An event that was recorded with a notice is mailed once to each member it concerns."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import Permission
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.template.loader import select_template

from accounts.models import Event, Membership, Notice, Role, User

EVERYBODY = frozenset(Role.values)
TECHNICAL = frozenset({Role.OWNER.value, Role.ADMIN.value, Role.ENGINEER.value})
FINANCIAL = frozenset({Role.OWNER.value, Role.ADMIN.value, Role.FINANCE.value})
ADMINS = frozenset({Role.OWNER.value, Role.ADMIN.value})

# Kind of event, or its part before the dot, to the roles that are told.
ROLES: dict[str, frozenset[str]] = {
    "lease": TECHNICAL,
    "lease.unpaid": EVERYBODY,
    "lease.handed_back": EVERYBODY,
    "lease.credited": EVERYBODY,
    "lease.resale_began": FINANCIAL,
    "lease.resale_ended": FINANCIAL,
    "wallet": FINANCIAL,
    "budget": FINANCIAL,
    "payment": FINANCIAL,
    "card": FINANCIAL,
    "credit": FINANCIAL,
    "refund": FINANCIAL,
    "invoice": FINANCIAL,
    "credit_note": FINANCIAL,
    "transfer": FINANCIAL,
    "standing": EVERYBODY,
    "plan": EVERYBODY,
    "standing_order": TECHNICAL,
    "token": ADMINS,
    "organization.suspended": EVERYBODY,
    "organization.unsuspended": EVERYBODY,
    "organization.ordering_held": EVERYBODY,
    "organization.ordering_released": EVERYBODY,
}
# Kinds of the operator's own events, or their parts before the dot, to the permission of the staff who are told.
STAFF: dict[str, str] = {
    "approval": "leasing.change_approval",
    "node": "marketplace.change_node",
    "site": "marketplace.change_node",
    "closing": "billing.change_parkedmonth",
    "ledger": "billing.view_difference",
    "metered": "billing.view_tieout",
    "ledger.discrepancy": "billing.view_discrepancy",
    "payment": "billing.view_gatewayevent",
    "payment.key_refused": "billing.view_discrepancy",
    "payment.permission_refused": "billing.view_discrepancy",
    "payment.calls_late": "billing.view_discrepancy",
    "dispute": "billing.view_dispute",
    "adjustment": "billing.approve_adjustment",
    "tax": "billing.view_taxprofile",
}
LATEST = timedelta(days=3)  # older news is not news: after a long outage nobody gets a flood
CLAIM = timedelta(minutes=5)
MOST_ATTEMPTS = 10
BATCH = 50
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Letter:
    """An e-mail about to be sent."""

    notice: Notice
    message: EmailMessage


def roles_for(kind: str) -> frozenset[str]:
    """The roles that are told about events of `kind`; owners and admins if nothing else is said."""
    return ROLES.get(kind) or ROLES.get(kind.partition(".")[0], ADMINS)


@transaction.atomic
def address(*, now: datetime) -> int:
    """Write down whom to tell about events that nobody was told of yet; how many rows that makes."""
    known = Notice.objects.filter(event=OuterRef("pk"))
    untold = Event.objects.filter(~Exists(known), notice__isnull=False, at__gt=now - LATEST)
    fresh = [notice for event in untold.order_by("at", "pk")[:BATCH] for notice in _notices_for(event)]
    Notice.objects.bulk_create(fresh, ignore_conflicts=True)
    return len(fresh)


def recipients_of(event: Event) -> list[str]:
    """E-mail addresses of the members whom `event` concerns; of staff, where it is no organization's."""
    if event.organization_id is None:
        return staff_for(event.kind)
    people = Membership.objects.filter(
        organization=event.organization_id, role__in=roles_for(event.kind), user__is_active=True
    )
    return list(people.order_by("id").values_list("user__email", flat=True))


def staff_for(kind: str) -> list[str]:
    """E-mail addresses of staff who may act on events of `kind` that are nobody's but the operator's."""
    permission = STAFF.get(kind) or STAFF.get(kind.partition(".")[0])
    if permission is None:
        return []
    app, _, codename = permission.partition(".")
    granted = Permission.objects.filter(content_type__app_label=app, codename=codename)
    may = Q(is_superuser=True) | Q(user_permissions__in=granted) | Q(groups__permissions__in=granted)
    holders = User.objects.filter(may, is_staff=True, is_active=True).distinct()
    return list(holders.order_by("id").values_list("email", flat=True))


def _notices_for(event: Event) -> list[Notice]:
    # A row for nobody marks an event that concerns nobody; without it the event would be looked at for days.
    nobody = [Notice(event=event, recipient="", attempts=MOST_ATTEMPTS)]
    return [Notice(event=event, recipient=recipient) for recipient in recipients_of(event)] or nobody


@transaction.atomic
def claim(*, now: datetime) -> list[Letter]:
    """Letters to send, promised to the caller for five minutes; another sender passes them over."""
    due = Notice.objects.filter(Q(claimed_until=None) | Q(claimed_until__lte=now), sent_at=None)
    rows = list(
        due.filter(attempts__lt=MOST_ATTEMPTS)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("event__organization")
        .order_by("id")[:BATCH]
    )
    for row in rows:
        row.claimed_until, row.attempts = now + CLAIM, row.attempts + 1
    Notice.objects.bulk_update(rows, ["claimed_until", "attempts"])
    return [Letter(row, message_for(row)) for row in rows]


def message_for(notice: Notice) -> EmailMessage:
    """The e-mail: words from the event, set in the template of its kind or the general one.

    Its Message-ID is the same each time, so that mail programs show a letter sent twice (after a crash) once.
    """
    event = notice.event
    words = event.notice or {}
    context = {
        **words,
        "event": event,
        "organization": event.organization,
        "url": settings.BASE_URL + words.get("path", "/"),
    }
    body = select_template([f"email/{event.kind}.txt", "email/notice.txt"]).render(context)
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ")
    subject = " ".join(str(words.get("title", event.kind)).split())
    headers = {"Message-ID": f"<{event.public_id}.{notice.pk}@{domain}>"}
    return EmailMessage(subject, body, to=[notice.recipient], reply_to=[settings.SUPPORT_EMAIL], headers=headers)


def send(letters: Iterable[Letter], *, now: datetime) -> int:
    """Send letters, each on its own: one that fails is tried again later. How many were sent."""
    sent = 0
    for letter in letters:
        try:
            letter.message.send()
        except OSError as error:  # every failure of a mail server or of the way to it
            log.warning("notice %s was not sent: %s", letter.notice.pk, error)
            continue
        Notice.objects.filter(pk=letter.notice.pk).update(sent_at=now)
        sent += 1
    return sent
