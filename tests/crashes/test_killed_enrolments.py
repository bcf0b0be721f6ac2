"""A real Celery worker is killed at each named place of each step; another one goes on, and there is one node."""

from datetime import timedelta

import pytest

from accounts import clock, failpoints
from leasing import enrolling
from leasing.models import Enrolment, Inspection
from leasing.operations.enrolment import Asked, request
from leasing.states import ENROLMENT_FAILED_TWIN, EnrolmentState
from marketplace.models import Node, NodeCalendar, Offer, Pool, Provisioner, Rate, Site
from marketplace.states import NodeState
from tests import factories
from tests.crashes.test_killed_workers import host, kill_a_worker_at

__all__ = ["host"]
pytestmark = pytest.mark.django_db(transaction=True)

PLACES = sorted(place for place in failpoints.REGISTERED if place.startswith("enrolment."))


def kill_in_each_step(enrolment: Enrolment, place: str, host: dict[str, str]) -> Enrolment:
    """A worker dies in the step, its time as the holder runs out, and another one does one more; until it is over."""
    while enrolment.state in ENROLMENT_FAILED_TWIN:
        kill_a_worker_at(place, host)
        Enrolment.objects.filter(work_until__isnull=False).update(work_until=clock.now() - timedelta(seconds=1))
        enrolling.work(site=Site.objects.get(slug="macon"))
        enrolment.refresh_from_db()
    return enrolment


def one_node_in_stock() -> Node:
    node = Node.objects.get()
    assert node.state == NodeState.AVAILABLE
    assert Pool.objects.count() == Offer.objects.count() == Rate.objects.count() == NodeCalendar.objects.count() == 1
    return node


@pytest.mark.parametrize("place", PLACES)
def test_an_enrolment_survives_its_worker(host: dict[str, str], place: str) -> None:
    asked = Asked(
        site=factories.a_site(),
        name="macon-h100x8-9001",
        provisioner=Provisioner.SANDBOX,
        plan=factories.a_plan(),
        node_type=factories.a_node_type(),
        micros_per_node_hour=19_200_000,
    )
    enrolment = request(asked=asked, actor="user:us_staff", now=clock.now())
    assert kill_in_each_step(enrolment, place, host).state == EnrolmentState.PASSED
    node = one_node_in_stock()
    assert Inspection.objects.get(node=node).passed
