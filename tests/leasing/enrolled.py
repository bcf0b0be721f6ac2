"""What staff and workers do in tests of enrolments."""

from datetime import datetime
from typing import Any

from leasing import enrolling
from leasing.models import Enrolment
from leasing.operations.enrolment import Asked, request
from leasing.provisioners.base import ProvisionerError
from marketplace.models import Node, Offer, Pool
from tests import factories
from tests.factories import NOON


def asked(**changed: Any) -> Asked:
    wanted = {
        "site": factories.a_site(),
        "name": "macon-h100x8-9001",
        "provisioner": "fake",
        "plan": factories.a_plan(),
        "address": "10.4.0.17",
        "password": "first-login",
        "node_type": factories.a_node_type(),
        "micros_per_node_hour": 19_200_000,
    }
    return Asked(**{**wanted, **changed})


def ask(now: datetime = NOON, **changed: Any) -> Enrolment:
    return request(asked=asked(**changed), actor="user:us_staff", now=now)


def one_step(now: datetime = NOON) -> Enrolment | None:
    """What a worker does with the enrolment that waits longest."""
    mine = enrolling.take(site=factories.a_site(), now=now)
    if mine is not None:
        try:
            outcome = enrolling.act(mine)
        except ProvisionerError as error:
            enrolling.apply_error(enrolment=mine, error=error, now=now)
        else:
            enrolling.apply(enrolment=mine, outcome=outcome, now=now)
    return mine


def all_steps(enrolment: Enrolment, now: datetime = NOON) -> Enrolment:
    while one_step(now):
        pass
    enrolment.refresh_from_db()
    return enrolment


def assert_nothing_is_left(enrolment: Enrolment) -> None:
    assert not Node.objects.exists() and not Pool.objects.exists() and not Offer.objects.exists()
    assert (enrolment.credentials, enrolment.bmc_password, enrolment.next_attempt_at) == ("", "", None)
