"""What changes the catalogue beside its files: terms, announced ahead, and the power that sites have."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction

from accounts.operations import record
from marketplace.models import ANNOUNCED_AHEAD, Plan, PowerWindow, Site, Terms


class TermsRefused(Exception):
    """The terms cannot be announced. `field` names the input at fault (empty: several), `message` the way out."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field, self.message = field, message


@transaction.atomic
def announce(*, plan: Plan, fields: Mapping[str, Any], starts_at: datetime, actor: str, now: datetime) -> Terms:
    """
    Add terms that hold for what is ordered from `starts_at` on; `fields` are columns of Terms. Leases that were ordered
    before keep theirs. Whoever has one on the plan hears of it from leasing, which reads this row.

    :raises TermsRefused: for a start less than 7 days ahead, unless the plan has no terms yet; or for wrong fields
    """
    Plan.objects.select_for_update().get(pk=plan.pk)  # else two first terms could both be announced for at once
    refuse_short_notice(plan=plan, starts_at=starts_at, now=now)
    terms = Terms(plan=plan, announced_at=now, starts_at=starts_at, **fields)
    try:
        terms.full_clean()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise TermsRefused("" if field == NON_FIELD_ERRORS else field, messages[0]) from error
    terms.save()
    data = {"terms": terms.pk, "starts_at": starts_at}
    record(organization=None, kind="plan.terms_announced", subject=plan.slug, actor=actor, at=now, data=data)
    return terms


def refuse_short_notice(*, plan: Plan, starts_at: datetime, now: datetime) -> None:
    """
    Customers know a change of terms 7 days before it holds. A plan's first terms may hold at once.

    :raises TermsRefused: for an earlier start
    """
    earliest = now + ANNOUNCED_AHEAD if Terms.objects.filter(plan=plan).exists() else now
    if starts_at < earliest:
        why = f"{ANNOUNCED_AHEAD.days} days ahead: customers must know of it" if earliest > now else "not in the past"
        minute = earliest + timedelta(minutes=1, microseconds=-1)  # a whole one, which can be written
        raise TermsRefused("starts_at", f"Choose a start from {minute:%Y-%m-%d %H:%M} UTC on, {why}.")


@transaction.atomic
def set_power(*, site: Site, windows: Sequence[PowerWindow], now: datetime) -> None:
    """
    Write a site's power from now on over what was written before. Leases that are agreed keep what they were sold. A
    firm power that changed is recorded.
    """
    site = Site.objects.select_for_update(no_key=True).get(pk=site.pk)
    before = PowerWindow.objects.filter(site=site, period__contains=now).first()
    PowerWindow.objects.filter(site=site).delete()
    PowerWindow.objects.bulk_create(windows)
    after = next((window for window in windows if now in window.period), None)
    watts = [window.firm_watts if window else None for window in (before, after)]
    if watts[0] != watts[1]:
        data = {"firm_watts": watts[1], "before": watts[0]}
        record(organization=None, kind="site.firm_power", subject=site.slug, actor="system:energy", at=now, data=data)
