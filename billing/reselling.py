"""
Time that was handed back and that others use: a part of its fee comes back. As with usage, each posting is what is due
to date less what was credited before, so running it twice, late or in other slices never changes a total.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.operations import Words, record
from billing import operations
from billing.metering import slice_end
from billing.models import AccountKind, HandBack, Meter, PostingKind
from billing.queries.billed import stamp
from billing.queries.freed import agreed_price, used_by_others
from billing.queries.meters import LAG
from marketplace.money import format_micros

ACTOR = "system:billing"


def due(*, now: datetime) -> QuerySet[HandBack]:
    """Those whose freed time has gone on by a full hour, or is past."""
    moved_on = Q(credited_until__lt=slice_end(now)) | Q(change__old_ends_at__lte=now - LAG)
    open_ones = HandBack.objects.filter(moved_on, closed_at=None)
    return open_ones.select_related("change__lease__organization").order_by("pk")


@transaction.atomic
def credit(*, hand_back: HandBack, now: datetime) -> int:
    """
    Credit what others' use brings up to the last full UTC hour, or up to the end of the freed time, and then close.

    Returns the micro-dollars credited by this call.
    """
    operations.lock_wallet(organization=hand_back.change.lease.organization)
    locked = HandBack.objects.select_for_update(of=("self",))
    row = locked.select_related("change__lease__terms", "change__lease__organization").get(pk=hand_back.pk)
    end = row.change.old_ends_at
    past = end <= now - LAG
    upto = end if past else slice_end(now)
    if row.closed_at or (upto <= row.credited_until and not past):
        return 0
    micros = max(0, _due_micros(row, upto) - row.credited_micros)
    first = micros > 0 and not row.credited_micros
    row.credited_micros += micros
    row.credited_until, row.closed_at = upto, now if past else None
    row.save(update_fields=["credited_micros", "credited_until", "closed_at"])
    if micros:
        _post(row, micros, now)
    if first or past:
        _tell(row, now)
    return micros


def _due_micros(row: HandBack, upto: datetime) -> int:
    """What others' use up to then brings in all; never more than was kept."""
    lease = row.change.lease
    meter = Meter.objects.select_related("lease").get(lease=lease)
    used = agreed_price(meter, used_by_others(row.change, upto=upto), at=row.change.at)
    return min(row.most_credit_micros, used * lease.terms.resale_percent // 100)


def _post(row: HandBack, micros: int, now: datetime) -> None:
    lease = row.change.lease
    operations.post(
        organization=lease.organization,
        kind=PostingKind.RESALE_CREDIT,
        key=f"resale:{row.change.public_id}:{stamp(row.credited_until)}",
        at=now,
        amounts={AccountKind.REVENUE: -micros, AccountKind.WALLET: micros},
        lease=lease,
        memo=f"{lease.name}: others use time that was handed back"[:200],
    )


def _tell(row: HandBack, now: datetime) -> None:
    """Told at the first credit, and at the end if there was any."""
    lease, over = row.change.lease, row.closed_at is not None
    record(
        organization=lease.organization,
        kind="lease.resale_ended" if over else "lease.resale_began",
        subject=lease.public_id,
        actor=ACTOR,
        at=now,
        data={"name": lease.name, "change": row.change.public_id, "credited_micros": row.credited_micros},
        notice=_notice(row, over=over) if row.credited_micros else None,
    )


def _notice(row: HandBack, *, over: bool) -> Words:
    lease, so_far = row.change.lease, format_micros(row.credited_micros)
    begun = f"So far {so_far} came back to your wallet, hour by hour up to {format_micros(row.most_credit_micros)}."
    return {
        "title": f"{lease.name}: {so_far} came back in all"
        if over
        else f"{lease.name}: others use time that you handed back",
        "text": f"The time that you handed back is past. Others used it for {so_far} of its fee." if over else begun,
        "path": f"/leases/{lease.public_id}/receipt/",
    }
