"""A lease through the API: following it, giving it back, its proof; and that nobody else's can be seen."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Organization
from config.celery import app as celery
from leasing.models import Lease
from leasing.provisioners.fake import World
from leasing.states import LeaseState, MachineState
from leasing.tasks import nudge_sites
from marketplace.models import PlanKind
from tests import factories
from tests.accounts.cast import a_client, a_token
from tests.factories import DAY, HOUR
from tests.leasing import stages
from tests.leasing.conftest import work_all

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_rate_limits() -> None:
    cache.clear()


def a_script(organization: Organization, *scopes: str) -> APIClient:
    owner = organization.members.get()
    return a_client(a_token(organization, owner, *scopes))


@pytest.fixture
def api(acme: Organization) -> APIClient:
    return a_script(acme)


def address(lease: Lease | str, what: str) -> str:
    return f"/api/v1/leases/{lease}/{what}"


@contextmanager
def broker_down() -> Iterator[None]:
    """A Celery whose messages go to a port where nobody listens."""
    before = celery.conf.broker_url
    for address in ("redis://127.0.0.1:1/0", before):
        celery.conf.broker_url = address
        celery._after_fork()  # what a new process does: forget open connections
        if address != before:
            yield


CALLS: dict[str, Callable[[APIClient, str], Any]] = {
    "transitions": lambda api, lease: api.get(address(lease, "transitions")),
    "wipe-certificate": lambda api, lease: api.get(address(lease, "wipe-certificate")),
    "return": lambda api, lease: api.post(address(lease, "return")),
    "rename": lambda api, lease: api.post(address(lease, "rename"), {"name": "mine now"}),
    "rename to nothing": lambda api, lease: api.post(address(lease, "rename"), {}),
}


@pytest.mark.parametrize("call", CALLS)
def test_another_organizations_lease_is_as_if_it_were_not_there(acme: Organization, world: World, call: str) -> None:
    lease = stages.active(acme, now())
    stranger = a_script(factories.an_organization("Stranger Ltd"))
    answer, nothing = CALLS[call](stranger, lease.public_id), CALLS[call](stranger, "ls_0000000000000000000000")
    assert (answer.status_code, answer.json()) == (404, nothing.json())
    lease.refresh_from_db()
    assert (lease.state, lease.name) == (LeaseState.ACTIVE, "fine-tune run 4")


def test_a_token_that_may_only_read_cannot_return_a_lease(acme: Organization, world: World) -> None:
    lease = stages.active(acme, now())
    answer = a_script(acme, "lease:read").post(address(lease, "return"))
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_returning_stops_the_meter_and_shows_the_lease(api: APIClient, acme: Organization, world: World) -> None:
    lease = stages.active(acme, now())
    answer = api.post(address(lease, "return"))
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["id"], shown["state"], shown["reason"]) == (lease.public_id, "reclaiming", "returned")
    assert [machine["ssh"] for machine in shown["machines"]] == [None]


def test_returning_twice_answers_the_same_and_ends_the_lease_once(
    api: APIClient, acme: Organization, world: World
) -> None:
    lease = stages.active(acme, now())
    first, second = api.post(address(lease, "return")), api.post(address(lease, "return"))
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert lease.transitions.filter(new=LeaseState.RECLAIMING).count() == 1


@pytest.mark.parametrize("stage", stages.STAGES)
def test_returning_is_accepted_in_every_state(api: APIClient, acme: Organization, world: World, stage: str) -> None:
    lease = stages.STAGES[stage](acme, now())
    answer = api.post(address(lease, "return"))
    assert answer.status_code == 200
    assert answer.json()["state"] in {"reclaiming", "ended", "cancelled", "failed", "expired"}


def test_who_returned_it_is_in_the_transitions(api: APIClient, acme: Organization, world: World) -> None:
    lease = stages.active(acme, now())
    api.post(address(lease, "return"))
    rows = api.get(address(lease, "transitions")).json()["results"]
    assert [row["new"] for row in rows] == ["held", "scheduled", "provisioning", "active", "reclaiming"]
    assert [row["seq"] for row in rows] == [0, 1, 2, 3, 4]
    assert rows[-1]["actor"].startswith("token:tk_")


def test_a_machine_says_where_to_log_in_once_it_is_ready(acme: Organization, world: World) -> None:
    lease = stages.provisioning_two(acme, now())
    shown = a_script(acme).post(address(lease, "rename"), {"name": "run 5"}).json()
    ready, waiting = shown["machines"]
    assert set(ready["ssh"]) == {"host", "port", "user", "host_key"}
    assert ready["ssh"]["host_key"].startswith("ssh-ed25519 ")
    assert (waiting["ssh"], waiting["step"]) == (None, "checking its health")
    assert (shown["name"], shown["step"]) == ("run 5", "checking its health")


def test_a_replaced_machines_wipe_is_not_taken_for_the_leases_step(acme: Organization, world: World) -> None:
    lease = stages.replaced(acme, now())
    shown = a_script(acme).post(address(lease, "rename"), {"name": "run 5"}).json()
    assert {machine["state"] for machine in shown["machines"]} == {"wiping", "preparing"}
    assert shown["step"] == "waiting for the site's worker"


def test_a_lease_whose_node_is_not_free_yet_says_that_it_waits(acme: Organization, world: World) -> None:
    lease = stages.active(acme, now())
    lease.machines.update(state=MachineState.PENDING, step="")
    Lease.objects.update(state=LeaseState.PROVISIONING)
    assert a_script(acme).post(address(lease, "rename"), {"name": "x"}).json()["step"] == "waiting for its start"


def test_a_name_too_long_names_the_field_and_the_limit(api: APIClient, acme: Organization, world: World) -> None:
    answer = api.post(address(stages.active(acme, now()), "rename"), {"name": "x" * 81})
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["field"] == "name"
    assert "80" in error["message"]


def test_the_certificate_follows_the_wipe(api: APIClient, acme: Organization, world: World) -> None:
    lease = stages.active(acme, now())
    before = api.get(address(lease, "wipe-certificate"))
    assert (before.status_code, before.json()["code"]) == (404, "not_wiped_yet")
    assert "not over" in before.json()["detail"]
    api.post(address(lease, "return"))
    during = api.get(address(lease, "wipe-certificate"))
    assert (during.json()["code"], "being wiped" in during.json()["detail"]) == ("not_wiped_yet", True)
    work_all(lease.offer, now=now())
    certificate = api.get(address(lease, "wipe-certificate")).json()
    (wipe,) = certificate["wipes"]
    assert (certificate["verified"], certificate["lease"], wipe["verified"]) == (True, lease.public_id, True)
    assert wipe["checks"][0] == {"name": "files", "passed": True, "detail": "none left"}
    assert wipe["started_at"] and wipe["completed_at"] and wipe["method"]


def test_a_wipe_that_was_not_proven_says_so(api: APIClient, acme: Organization, world: World) -> None:
    lease = stages.wipe_failed(acme, now())
    certificate = api.get(address(lease, "wipe-certificate")).json()
    assert (certificate["verified"], certificate["wipes"][0]["verified"]) == (False, False)


def test_a_lease_that_never_began_had_nothing_to_wipe(api: APIClient, acme: Organization, world: World) -> None:
    lease = stages.cancelled(acme, now())
    answer = api.get(address(lease, "wipe-certificate"))
    assert (answer.status_code, answer.json()["code"]) == (404, "nothing_to_wipe")


def test_returning_works_while_the_broker_is_down(
    api: APIClient, acme: Organization, world: World, django_capture_on_commit_callbacks: Any, caplog: Any
) -> None:
    lease = stages.active(acme, now())
    with broker_down(), django_capture_on_commit_callbacks(execute=True):
        assert api.post(address(lease, "return")).status_code == 200
    assert "nudge_sites" in caplog.text
    nudge_sites()  # the broker is back: the message goes out now


def test_reading_the_transitions_takes_the_same_statements_however_many_leases_there_are(
    api: APIClient, acme: Organization, world: World, django_assert_max_num_queries: Any
) -> None:
    moment = now()
    begins = (moment + DAY).replace(minute=0, second=0, microsecond=0)
    offer = stages.an_offer(moment, kind=PlanKind.RESERVED, nodes=4)
    window = {"starts_at": begins, "ends_at": begins + HOUR, "nodes": 4}
    lease = stages.ordered(acme, offer, moment, **window)  # type: ignore[arg-type]
    with django_assert_max_num_queries(10):
        api.get(address(lease, "transitions"))
