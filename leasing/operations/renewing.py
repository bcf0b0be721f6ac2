"""The shown "guaranteed until" of an open-ended lease: moved on while nothing is booked behind, never moved back."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from accounts.operations import record
from leasing.models import Claim, Lease
from leasing.operations import calendar
from leasing.queries.guarantee import Alternative, Because, elsewhere, horizon, stopped_by
from leasing.queries.machines import equal_nodes
from leasing.states import LEASE_OVER, SERVING, LeaseState
from marketplace.queries import Window


@transaction.atomic
def renew(*, lease: Lease, now: datetime) -> bool:
    """
    Guarantee an open-ended lease for the plan's whole horizon again, or as far as nothing is booked behind it and its
    site has firm power.

    The customer is told once when the horizon cannot be reached, and why. Returns whether the guarantee grew.
    """
    node_ids = calendar.lock_nodes_of(lease)
    lease = (
        Lease.objects.select_for_update(of=("self",))
        .select_related("terms", "organization", "offer__pool")
        .get(pk=lease.pk)
    )
    if lease.ends_at is not None or lease.state in LEASE_OVER or lease.state == LeaseState.RECLAIMING or not node_ids:
        return False
    cleaning = timedelta(seconds=lease.terms.cleaning_seconds)
    wanted = now + timedelta(seconds=lease.terms.guarantee_seconds) + cleaning
    serving = lease.machines.filter(state__in=SERVING).values("node")
    live = list(Claim.objects.filter(lease=lease, released_at=None, node__in=serving))
    # As claimed, whatever the plan says of cleaning by now.
    behind = min((claim.period.upper for claim in live), default=lease.guaranteed_until + cleaning)
    in_use = [claim.node_id for claim in live]
    reach = calendar.reach_until(node_ids=in_use, after=behind, wanted=max(wanted, behind), now=now)
    if reach > behind:
        reach = calendar.take_power(offer=lease.offer, nodes=len(in_use), period=Window(behind, reach), now=now)
    until = max(reach - cleaning, lease.guaranteed_until)
    grew, told = until > lease.guaranteed_until, lease.guarantee_notice_at is not None
    if grew:
        calendar.set_end(claims=live, ends_at=reach)
        lease.guaranteed_until = until
        changed = {"guaranteed_until": until, "end_notice_at": None, "setup_version": F("setup_version") + 1}
        Lease.objects.filter(pk=lease.pk).update(**changed)  # hosts learn of the new deadline by the version
    if reach < wanted:
        _tell_of_end(lease, grew=grew, now=now)
    elif grew and told:
        _tell_renewed(lease, now=now)
    return grew


def _tell_of_end(lease: Lease, *, grew: bool, now: datetime) -> None:
    """
    Once; anew, if it reaches a later booking than it was told of. Power may come back by the hour: that is no news
    until the whole horizon is guaranteed, nor is what a quote holds.
    """
    told = lease.guarantee_notice_at is not None
    if told and not grew:
        return
    because = stopped_by(lease, now=now)
    if because and not (told and because == Because.POWER):
        _tell(lease, because=because, now=now)


def _tell(lease: Lease, *, because: Because, now: datetime) -> None:
    until = lease.guaranteed_until
    equal = 0 if because == Because.POWER else equal_nodes(lease, window=horizon(lease, now), now=now).count()
    others = elsewhere(lease, now=now)
    Lease.objects.filter(pk=lease.pk).update(guarantee_notice_at=now)
    record(
        organization=lease.organization,
        kind="lease.guarantee_ending",
        subject=lease.public_id,
        actor="system:leasing",
        at=now,
        data={
            "name": lease.name,
            "guaranteed_until": until.isoformat(),
            "because": because,
            "equal_nodes_free": equal,
            "elsewhere": [{"offer": row.offer.public_id, "free": row.free} for row in others],
        },
        notice={
            "title": f"{lease.name} is guaranteed until {until:%Y-%m-%d %H:%M} UTC and no longer",
            "text": f"{because.label} It runs on until then. {_alternatives(equal, others)}",
            "path": f"/leases/{lease.public_id}/",
        },
    )


def _alternatives(equal: int, others: Sequence[Alternative]) -> str:
    """Where the work can go, in words: best the same site, where the lease itself can be moved."""
    places = ", ".join(f"{row.free} in {row.offer.pool.site.name}" for row in others)
    if equal:
        here = f"Equal nodes that are free for as long as your plan guarantees: {equal} at the same site."
        move = "On the lease's page you can move to one of them now; what is on the old node is lost."
        return " ".join([here, move, *([f"Elsewhere: {places}."] if places else [])])
    if places:
        return f"Equal nodes that are free for as long as your plan guarantees: {places}. Book there in time."
    return "No equal node is free for as long now. Look in the catalogue for another in time."


def _tell_renewed(lease: Lease, *, now: datetime) -> None:
    until = lease.guaranteed_until
    Lease.objects.filter(pk=lease.pk).update(guarantee_notice_at=None)
    record(
        organization=lease.organization,
        kind="lease.guarantee_renewed",
        subject=lease.public_id,
        actor="system:leasing",
        at=now,
        data={"name": lease.name, "guaranteed_until": until.isoformat()},
        notice={
            "title": f"{lease.name} is guaranteed until {until:%Y-%m-%d %H:%M} UTC, and renewed again",
            "text": "Nothing ends it any more. Its guarantee moves on as before.",
            "path": f"/leases/{lease.public_id}/",
        },
    )
