"""
What somebody changes at the card processor by hand, and we did not ask for: a subscription that ended, stands still or
is not collected, and a meter that does not count. Staff hears of each, and what can be made again is.
"""

from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import Event, Organization
from accounts.operations import record
from billing import locating, operations, retelling
from billing.exporting import told_micros
from billing.models import MeteredSubscription
from billing.payments import meters
from billing.payments.base import Facts
from billing.queries.months import month_of, start_of
from marketplace.money import format_micros

OVER = ("canceled", "incomplete_expired")
STANDS_STILL = ("paused", "unpaid")
AGAIN_AFTER = timedelta(days=1)  # the same trouble is told so often
ACTOR = "system:billing"


@transaction.atomic
def merge_subscription(*, facts: Facts, now: datetime) -> None:
    """
    A subscription that ended without our word is forgotten, so that `billing.metered.prepare` asks for another one; its
    charges go on from where they were told. One that stands still stays, and staff is told once a day. News of one that
    is over, or not ours, changes nothing.
    """
    row = MeteredSubscription.objects.select_related("organization").filter(reference=facts["id"]).first()
    if row is None:
        return
    operations.lock_wallet(organization=row.organization)
    mine = MeteredSubscription.objects.select_for_update().filter(pk=row.pk, reference=facts["id"], ends_at=None)
    if not mine.exists():
        return
    locating.seen(subscription=row, facts=facts, now=now)
    if facts["status"] in OVER:
        mine.update(reference=None, started_at=None)
        _tell_ended(row.organization, str(facts["id"]), now)
    elif facts["status"] in STANDS_STILL or facts.get("pause_collection"):
        _tell_daily(
            organization=row.organization,
            kind="metered.subscription_stands_still",
            subject=str(facts["id"]),
            title=f"The subscription of {row.organization} is not collected",
            text=f"At the card processor it is {facts['status']}"
            f"{', and collection is paused' if facts.get('pause_collection') else ''}. Nobody here asked for that: "
            "resume it there, or let the organization pay in another way. Until then its months are not paid.",
            now=now,
        )


@transaction.atomic
def merge_report(*, facts: Facts, now: datetime) -> None:
    """The meter could not count something that it had taken. What that was is looked at, and told in another way."""
    report = meters.report(facts)
    retelling.doubt(report=report, now=now)
    off = "archived_meter" in report.codes
    _tell_daily(
        organization=None,
        kind="metered.not_counted",
        subject=", ".join(sorted(report.codes))[:120],
        title="The card processor's meter is switched off" if off else "The card processor's meter did not count",
        text=f"{'Reactivate it there. ' if off else ''}It says why: {', '.join(sorted(report.codes))}. The amounts are "
        "looked for after an hour, and what is missing is put on the next invoices. What is still in doubt is listed "
        "until the comparison of its day agrees.",
        now=now,
    )


def _tell_ended(organization: Organization, reference: str, now: datetime) -> None:
    counted = told_micros(organization, since=start_of(month_of(now)), until=now)
    record(
        organization=None,
        kind="metered.subscription_ended",
        subject=reference,
        actor=ACTOR,
        at=now,
        data={"organization": organization.public_id, "counted_micros": counted},
        notice={
            "title": f"The subscription of {organization} was ended at the card processor",
            "text": f"Nobody here asked for that; another one is made. {format_micros(counted)} were counted this "
            "month (UTC) before: if no invoice of the old one has them, put them on an invoice by hand.",
            "path": f"/admin/billing/meteredsubscription/{organization.pk}/change/",
        },
    )


def _tell_daily(
    *, organization: Organization | None, kind: str, subject: str, title: str, text: str, now: datetime
) -> None:
    if Event.objects.filter(organization=None, kind=kind, subject=subject, at__gt=now - AGAIN_AFTER).exists():
        return
    path = "/admin/billing/meteredsubscription/" if organization else "/operations/metered/"
    record(
        organization=None,
        kind=kind,
        subject=subject,
        actor=ACTOR,
        at=now,
        data={"organization": organization.public_id} if organization else {},
        notice={"title": title, "text": text, "path": path},
    )
