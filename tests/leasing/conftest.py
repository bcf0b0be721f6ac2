"""A lease in each of its states, without a worker: the test is the worker."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from accounts.models import Organization, User
from leasing import enrolling, operations, provisioning
from leasing.models import Lease
from leasing.provisioners import provisioner_for
from leasing.provisioners.base import ProvisionerError
from leasing.provisioners.fake import Fake, World
from marketplace.models import Node, Offer, Site
from marketplace.queries import current_rate
from tests import factories
from tests.factories import NOON
from tests.leasing.scripted import Scripted, a_whole


@pytest.fixture
def world() -> Iterator[World]:
    """The fake nodes, clean before and after."""
    fake = provisioner_for("fake")
    assert isinstance(fake, Fake)
    fake.world.reset()
    yield fake.world
    fake.world.reset()


@pytest.fixture
def inspector(db: None, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """Hosts of every kind are whole machines of the tests' node type, until the test says otherwise."""
    scripted = Scripted(a_whole(factories.a_node_type()))
    monkeypatch.setattr(enrolling, "inspector_for", lambda _: scripted)
    return scripted


@pytest.fixture
def acme(db: None) -> Organization:
    return factories.an_organization()


@pytest.fixture
def offer(db: None) -> Offer:
    """On demand, one node."""
    return factories.an_offer()


@pytest.fixture
def node(offer: Offer) -> Node:
    return offer.pool.nodes.get()


def hold(organization: Organization, offer: Offer, **wanted: Any) -> Lease:
    """A hold with sensible defaults: one node, from noon, open-ended."""
    defaults: dict[str, Any] = {
        "organization": organization,
        "actor": "user:us_tests",
        "created_by": None,
        "offer": offer,
        "rate": current_rate(offer=offer, at=NOON),
        "nodes": 1,
        "starts_at": NOON,
        "ends_at": None,
        "now": NOON,
    }
    keys, image = [factories.a_key(organization)], factories.an_image()
    setup = operations.Setup(wanted.pop("name", "training"), keys, image, wanted.pop("startup_script", ""))
    return operations.hold(**{**defaults, "setup": setup, **wanted})


def order(organization: Organization, offer: Offer, **wanted: Any) -> Lease:
    """A confirmed lease; begun, if it begins now."""
    lease = hold(organization, offer, **wanted)
    operations.confirm(lease=lease, actor="user:us_tests", now=wanted.get("now", NOON))
    lease.refresh_from_db()
    return lease


def work_all(offer: Offer, *, now: datetime) -> None:
    """Do all work that is due at `now` at the offer's site, as a worker would."""
    while (machine := provisioning.take(site=offer.pool.site, now=now)) is not None:
        try:
            outcome = provisioning.act(machine, now=now)
        except ProvisionerError as error:
            provisioning.apply_error(machine=machine, error=error, now=now)
        else:
            provisioning.apply(machine=machine, outcome=outcome, now=now)


def active(organization: Organization, offer: Offer, **wanted: Any) -> Lease:
    """A lease in the customer's hands."""
    lease = order(organization, offer, **wanted)
    work_all(offer, now=wanted.get("now", NOON))
    lease.refresh_from_db()
    return lease


def enrol_all(*, now: datetime) -> None:
    """Do all work on enrolments that is due at `now`, as the sites' workers would."""
    for site in Site.objects.all():
        while (mine := enrolling.take(site=site, now=now)) is not None:
            try:
                outcome = enrolling.act(mine)
            except ProvisionerError as error:
                enrolling.apply_error(enrolment=mine, error=error, now=now)
            else:
                enrolling.apply(enrolment=mine, outcome=outcome, now=now)


@pytest.fixture
def staff_browser(db: None) -> Client:
    """Somebody of the operator's staff who may do everything, with a second factor."""
    user = User.objects.create_superuser("staff@example.com", "correct horse battery", name="Grace")
    TOTP.activate(user, generate_totp_secret())
    client = Client()
    client.force_login(user)
    return client
