"""A lease of each kind that a page can show, made as it comes about in life: by operations and a worker's work."""

from collections.abc import Callable
from datetime import datetime, timedelta

from accounts.models import Organization
from billing.models import Meter
from leasing import operations, provisioning, schedule, working
from leasing.models import Lease
from leasing.operations.approving import ask_approval, decline
from leasing.provisioners import provisioner_for
from leasing.provisioners.base import ProvisionerError
from leasing.provisioners.fake import Fake, World
from marketplace.models import Offer, PlanKind, Rate
from tests import factories
from tests.factories import DAY, HOUR
from tests.leasing.conftest import hold, work_all

SCRIPT = "#!/bin/sh\npip install --quiet vllm\nmkdir -p /scratch/run-4\n"


def an_offer(now: datetime, *, nodes: int = 1, kind: str = PlanKind.ON_DEMAND, site: str = "macon") -> Offer:
    offer = factories.an_offer(factories.a_pool(nodes=nodes, site=factories.a_site(site)), factories.a_plan(kind))
    Rate.objects.get_or_create(offer=offer, starts_at=now - DAY, defaults={"micros_per_node_hour": 23_920_000})
    return offer


def ordered(organization: Organization, offer: Offer, now: datetime, *, nodes: int = 1, **wanted: object) -> Lease:
    """Confirmed, with the meter that a checkout opens."""
    rate = offer.rates.order_by("-starts_at")[0]
    terms = {"starts_at": now, "rate": rate, "nodes": nodes, "now": now, "created_by": organization.members.first()}
    lease = hold(organization, offer, **{**terms, **wanted})
    micros = rate.micros_per_node_hour
    Meter.objects.create(lease=lease, micros_per_node_hour=micros, nodes=nodes, hold_micros=micros * nodes)
    operations.confirm(lease=lease, actor=_actor(organization), now=now)
    return _fresh(lease)


def _fresh(lease: Lease) -> Lease:
    lease.refresh_from_db()
    return lease


def _world() -> World:
    fake = provisioner_for("fake")
    assert isinstance(fake, Fake)
    return fake.world


def _actor(organization: Organization) -> str:
    return f"user:{organization.members.first().public_id}"  # type: ignore[union-attr]


def scheduled(organization: Organization, now: datetime) -> Lease:
    begins = (now + DAY).replace(minute=0, second=0, microsecond=0)
    offer = an_offer(now, kind=PlanKind.RESERVED, nodes=2)
    return ordered(
        organization, offer, now, nodes=2, starts_at=begins, ends_at=begins + 8 * HOUR, name="nightly evaluation"
    )


def provisioning_two(organization: Organization, now: datetime) -> Lease:
    offer = an_offer(now, nodes=2)
    lease = ordered(organization, offer, now - timedelta(seconds=48), nodes=2, name="fine-tune run 4")
    first = provisioning.take(site=offer.pool.site, now=now)
    assert first is not None
    provisioning.apply(machine=first, outcome=provisioning.act(first, now=now), now=now)
    second = provisioning.take(site=offer.pool.site, now=now)
    assert second is not None
    working.note(second, "checking its health")
    return _fresh(lease)


def replaced(organization: Organization, now: datetime) -> Lease:
    begun = now - timedelta(minutes=4)
    offer = an_offer(begun, nodes=2)
    _world().fail("prepare", times=provisioning.START_ATTEMPTS)
    lease = ordered(organization, offer, begun)
    for attempt in range(provisioning.START_ATTEMPTS - 1):
        work_all(offer, now=begun + timedelta(seconds=40 * attempt))
    machine = provisioning.take(site=offer.pool.site, now=now)
    assert machine is not None
    error = ProvisionerError("the host does not answer")
    provisioning.apply_error(machine=machine, error=error, now=now)
    return _fresh(lease)


def active(organization: Organization, now: datetime) -> Lease:
    offer = an_offer(now - HOUR)
    lease = ordered(organization, offer, now - HOUR, startup_script=SCRIPT, name="fine-tune run 4")
    work_all(offer, now=now - HOUR + timedelta(seconds=41))
    return _fresh(lease)


def guarantee_ending(organization: Organization, now: datetime) -> Lease:
    offer = an_offer(now - HOUR, nodes=2, site="valdosta")
    lease = ordered(organization, offer, now - HOUR, nodes=2, name="inference pool")
    work_all(offer, now=now - HOUR)
    begins = lease.guaranteed_until + HOUR
    behind = factories.an_offer(offer.pool, factories.a_plan(PlanKind.RESERVED))
    somebody = factories.an_organization("Somebody Else")
    hold(somebody, behind, nodes=2, starts_at=begins, ends_at=begins + DAY, rate=behind.rates.last(), now=now)
    operations.renew(lease=lease, now=now + DAY)
    return _fresh(lease)


def paused(organization: Organization, now: datetime) -> Lease:
    lease = active(organization, now)
    operations.pause(lease=lease, reason="out_of_funds", until=now + DAY, actor="system:billing", now=now)
    work_all(lease.offer, now=now)
    return _fresh(lease)


def reclaiming(organization: Organization, now: datetime) -> Lease:
    return give_back(active(organization, now), now)


def give_back(lease: Lease, now: datetime) -> Lease:
    operations.end(lease=lease, reason="returned", actor=_actor(lease.organization), now=now)
    return _fresh(lease)


def ended(organization: Organization, now: datetime) -> Lease:
    lease = reclaiming(organization, now)
    work_all(lease.offer, now=now)
    return _fresh(lease)


def wipe_failed(organization: Organization, now: datetime) -> Lease:
    lease = reclaiming(organization, now)
    _world().lying_wipes = 1
    work_all(lease.offer, now=now)
    return _fresh(lease)


def failed(organization: Organization, now: datetime) -> Lease:
    begun = now - timedelta(minutes=12)
    offer = an_offer(begun, nodes=3)
    _world().fail("prepare", times=2 * provisioning.START_ATTEMPTS)
    lease = ordered(organization, offer, begun)
    for minute in range(12):
        work_all(offer, now=begun + timedelta(minutes=minute))
    return _fresh(lease)


def cancelled(organization: Organization, now: datetime) -> Lease:
    return give_back(scheduled(organization, now), now)


def expired(organization: Organization, now: datetime) -> Lease:
    begun = now - HOUR
    lease = hold(organization, an_offer(begun), starts_at=begun, now=begun)
    schedule.expire_holds(now=now)
    return _fresh(lease)


def waiting(organization: Organization, now: datetime) -> Lease:
    lease = hold(organization, an_offer(now), starts_at=now, now=now)
    ask_approval(lease=lease, actor=_actor(organization), now=now)
    return _fresh(lease)


def declined(organization: Organization, now: datetime) -> Lease:
    lease = waiting(organization, now)
    decline(lease=lease, actor="user:us_staff", note="Your screening is not done yet.", now=now)
    return _fresh(lease)


STAGES: dict[str, Callable[[Organization, datetime], Lease]] = {
    "scheduled": scheduled,
    "provisioning": provisioning_two,
    "replaced": replaced,
    "active": active,
    "guarantee_ending": guarantee_ending,
    "paused": paused,
    "reclaiming": reclaiming,
    "ended": ended,
    "wipe_failed": wipe_failed,
    "failed": failed,
    "cancelled": cancelled,
    "expired": expired,
    "waiting": waiting,
    "declined": declined,
}
