"""Approval, decline, expiry and the customer's own cancelling at one instant: exactly one happens, and all of it."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from accounts.models import Event, IllegalMove, Organization, Stale
from leasing.models import Approval, Claim, Lease, Machine
from leasing.operations import end
from leasing.operations.approving import NotWaiting, approve, ask_approval, decline, expire_unapproved
from leasing.provisioners.fake import World
from leasing.states import LeaseState
from tests import factories
from tests.factories import DAY, NOON
from tests.leasing.conftest import hold
from tests.together import deadlocks, together

pytestmark = pytest.mark.django_db(transaction=True)
LEASES = 6
STAFF = "user:us_pat"
LAST = NOON + DAY - timedelta(seconds=1)


@pytest.fixture
def leases(world: World) -> list[Lease]:
    acme: Organization = factories.an_organization()
    offer = factories.an_offer(factories.a_pool(nodes=LEASES), factories.a_plan(approval_required=True))
    found = [hold(acme, offer) for _ in range(LEASES)]
    for lease in found:
        ask_approval(lease=lease, actor="user:us_tests", now=NOON)
    return found


def act_on(leases: list[Lease], *acts: Callable[[Lease], object]) -> list[object]:
    """Every act on every lease, all at once; each reads the lease for itself, as requests and sweeps do."""

    def one(number: int) -> object:
        return acts[number % len(acts)](Lease.objects.get(pk=leases[number // len(acts)].pk))

    return list(together(len(leases) * len(acts), one))


def yes(lease: Lease) -> None:
    approve(lease=lease, actor=STAFF, now=LAST)


def no(lease: Lease) -> None:
    decline(lease=lease, actor=STAFF, note="No screening.", now=LAST)


def sweep(lease: Lease) -> None:
    expire_unapproved(lease=lease, now=NOON + DAY)


def cancel(lease: Lease) -> None:
    end(lease=lease, reason="returned", actor="user:us_tests", now=LAST)


OUTCOMES = {
    LeaseState.PROVISIONING: "lease.approved",
    LeaseState.RECLAIMING: "lease.approved",  # then cancelled, as any lease may be
    LeaseState.ENDED: "lease.approved",
    LeaseState.CANCELLED: "lease.declined",
    LeaseState.EXPIRED: "lease.not_approved",
}


def test_staff_and_the_sweep_at_the_deadline(leases: list[Lease]) -> None:
    before = deadlocks()
    results = act_on(leases, yes, sweep, no)
    assert all(result is None or isinstance(result, NotWaiting | Stale | IllegalMove) for result in results), results
    assert sum(result is None for result in results) == LEASES
    assert deadlocks() == before
    for lease in Lease.objects.all():
        said = set(OUTCOMES.values()) & set(
            Event.objects.filter(subject=lease.public_id).values_list("kind", flat=True)
        )
        assert said == {OUTCOMES[LeaseState(lease.state)]}
        holds = Claim.objects.filter(lease=lease, released_at=None).exists()
        works = Machine.objects.filter(lease=lease).exists()
        assert holds == works == (lease.state == LeaseState.PROVISIONING)


def test_staff_and_the_customer_who_calls_it_off(leases: list[Lease]) -> None:
    results = act_on(leases, yes, cancel)
    assert all(result is None or isinstance(result, NotWaiting) or hasattr(result, "state") for result in results)
    for lease in Lease.objects.all():
        approved = Approval.objects.get(lease=lease).approved
        assert lease.state in ({LeaseState.RECLAIMING, LeaseState.ENDED} if approved else {LeaseState.CANCELLED})


def test_a_sweep_that_read_before_the_approval_leaves_it_alone(leases: list[Lease]) -> None:
    read_before = Lease.objects.get(pk=leases[0].pk)
    yes(leases[0])
    with pytest.raises(Stale):
        sweep(read_before)
    assert Lease.objects.get(pk=leases[0].pk).state == LeaseState.PROVISIONING


def test_without_the_guarded_update_it_takes_the_nodes_of_an_approved_order(
    leases: list[Lease], monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(lease: Lease, new: str, *, at: datetime, reason: str = "", **_: object) -> None:
        Lease.objects.filter(pk=lease.pk).update(state=new, state_since=at, reason=reason)

    read_before = Lease.objects.get(pk=leases[0].pk)
    yes(leases[0])
    monkeypatch.setattr(Lease, "move_to", careless)
    sweep(read_before)
    assert Approval.objects.get(lease=leases[0]).approved
    assert Lease.objects.get(pk=leases[0].pk).state == LeaseState.EXPIRED
    assert Machine.objects.filter(lease=leases[0]).exists()  # somebody else's node by now
    assert not Claim.objects.filter(lease=leases[0], released_at=None).exists()
