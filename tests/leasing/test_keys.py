"""Who may log in to a running lease is changed while it runs; and what a tenant brings in secret stays secret."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client as Browser
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Event, Organization, SSHKey
from accounts.seal import unseal
from billing.forms import Details
from leasing import operations, schedule
from leasing.hosts import tenancy_of
from leasing.models import ENVIRONMENT_BYTES, ENVIRONMENT_PURPOSE, Lease, Machine, OnFailure
from leasing.operations import BadEnvironment, SetupRefused, check_environment
from leasing.provisioners.fake import World
from tests import factories
from tests.accounts.cast import ED25519, ED25519_PRINT, a_browser, a_client, a_token
from tests.billing.conftest import give
from tests.factories import NOON
from tests.leasing import stages
from tests.leasing.conftest import active, hold, work_all
from tests.together import together

pytestmark = pytest.mark.django_db
CANARY = "canary-7f3a91-never-to-be-seen"


@pytest.fixture(autouse=True)
def _fresh_rate_limits() -> None:
    cache.clear()


@pytest.fixture
def api(acme: Organization) -> APIClient:
    return a_client(a_token(acme, acme.members.get()))


@pytest.fixture
def browser(acme: Organization) -> Browser:
    return a_browser(acme.members.get())


@pytest.fixture
def second(acme: Organization) -> SSHKey:
    """Another key of the organization; its fingerprint has a "/" in it, as many have."""
    return SSHKey.objects.create(
        organization=acme,
        created_by=acme.members.get(),
        name="workstation",
        algorithm="ssh-ed25519",
        public_key=ED25519 + "x",
        fingerprint=ED25519_PRINT,
        created_at=NOON,
    )


def apply_all(lease: Lease) -> None:
    """What sweep and worker do next."""
    schedule.refresh_machines(now=now())
    work_all(lease.offer, now=now())


def admitted(world: World, lease: Lease) -> list[tuple[str, ...]]:
    return [world.machines[machine.public_id].admits for machine in lease.machines.all()]


def test_a_key_that_is_added_is_admitted_by_machines_that_run(
    api: APIClient, acme: Organization, world: World, second: SSHKey
) -> None:
    lease = stages.active(acme, now())
    answer = api.post(f"/api/v1/leases/{lease.public_id}/ssh-keys", {"ssh_key": second.public_id})
    assert answer.status_code == 201
    assert [key["name"] for key in answer.json()["ssh_keys"]] == ["laptop", "workstation"]
    assert answer.json()["ssh_keys_applied"] is False
    apply_all(lease)
    assert admitted(world, lease) == [(factories.PUBLIC_KEY, second.public_key)]
    assert api.get(f"/api/v1/leases/{lease.public_id}").json()["ssh_keys_applied"] is True
    event = Event.objects.get(kind="lease.key_added")
    assert (event.subject, event.data["fingerprint"]) == (lease.public_id, ED25519_PRINT)
    assert event.notice


def test_adding_a_key_twice_changes_it_once(acme: Organization, world: World, second: SSHKey) -> None:
    lease = stages.active(acme, now())
    for _ in range(2):
        operations.add_key(lease=lease, ssh_key=second, actor="user:us_tests", now=now())
    lease.refresh_from_db()
    assert (lease.keys.count(), lease.setup_version) == (2, 2)


@pytest.mark.parametrize("named", ["fingerprint", "public_id"])
def test_a_key_that_is_removed_is_admitted_no_longer(
    api: APIClient, acme: Organization, world: World, second: SSHKey, named: str
) -> None:
    lease = stages.active(acme, now())
    operations.add_key(lease=lease, ssh_key=second, actor="user:us_tests", now=now())
    apply_all(lease)
    answer = api.delete(f"/api/v1/leases/{lease.public_id}/ssh-keys/{getattr(second, named)}")
    assert (answer.status_code, [key["name"] for key in answer.json()["ssh_keys"]]) == (200, ["laptop"])
    apply_all(lease)
    assert admitted(world, lease) == [(factories.PUBLIC_KEY,)]
    assert api.delete(f"/api/v1/leases/{lease.public_id}/ssh-keys/{second.public_id}").status_code == 404


def test_the_last_key_goes_only_when_that_is_meant(api: APIClient, acme: Organization, world: World) -> None:
    lease = stages.active(acme, now())
    address = f"/api/v1/leases/{lease.public_id}/ssh-keys/{factories.a_key(acme).public_id}"
    refused = api.delete(address)
    assert (refused.status_code, refused.json()["code"]) == (409, "last_key")
    assert "even_the_last=true" in refused.json()["detail"]
    assert api.delete(f"{address}?even_the_last=true").json()["ssh_keys"] == []
    apply_all(lease)
    assert admitted(world, lease) == [()]


def test_of_two_who_each_remove_one_of_the_last_two_keys_one_is_told(
    transactional_db: None, acme: Organization, world: World, second: SSHKey
) -> None:
    lease = stages.active(acme, now())
    operations.add_key(lease=lease, ssh_key=second, actor="user:us_tests", now=now())
    keys = list(lease.keys.all())
    outcomes = together(
        2, lambda place: operations.remove_key(lease=lease, key=keys[place], actor="user:us_tests", now=now())
    )
    assert [outcome.code for outcome in outcomes if isinstance(outcome, SetupRefused)] == ["last_key"]
    assert lease.keys.count() == 1


def test_nothing_is_changed_on_a_lease_that_is_over(
    api: APIClient, acme: Organization, world: World, second: SSHKey
) -> None:
    lease = stages.ended(acme, now())
    calls = [
        api.post(f"/api/v1/leases/{lease.public_id}/ssh-keys", {"ssh_key": second.public_id}),
        api.delete(f"/api/v1/leases/{lease.public_id}/ssh-keys/SHA256:tests"),
        api.post(f"/api/v1/leases/{lease.public_id}/on-failure", {"on_failure": "swap"}),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in calls} == {(409, "lease_over")}
    assert lease.keys.count() == 1


def test_another_organizations_key_is_as_if_made_up(api: APIClient, acme: Organization, world: World) -> None:
    lease = stages.active(acme, now())
    theirs = factories.a_key(factories.an_organization("Stranger Ltd"))
    address = f"/api/v1/leases/{lease.public_id}/ssh-keys"
    answers = [api.post(address, {"ssh_key": one}) for one in (theirs.public_id, "sk_0000000000000000000000")]
    assert answers[0].status_code == 400
    assert answers[0].json() == answers[1].json()


def test_keys_are_changed_on_a_page_that_says_when_they_are_applied(
    browser: Browser, acme: Organization, world: World, second: SSHKey
) -> None:
    lease = stages.active(acme, now())
    address = f"/leases/{lease.public_id}/keys/"
    assert "workstation" in browser.get(address).content.decode()
    shown = browser.post(address, {"ssh_key": second.public_id}, follow=True).content.decode()
    assert "Being applied" in shown
    assert "Being applied" in browser.get(f"/leases/{lease.public_id}/").content.decode()
    apply_all(lease)
    assert "Being applied" not in browser.get(address).content.decode()
    assert "Being applied" not in browser.get(f"/leases/{lease.public_id}/").content.decode()


def test_the_page_asks_before_a_key_goes_and_warns_of_the_last(
    browser: Browser, acme: Organization, world: World
) -> None:
    lease = stages.active(acme, now())
    address = f"/leases/{lease.public_id}/keys/remove/"
    assert "nobody can log in" in browser.get(f"{address}?key=SHA256:tests").content.decode()
    refused = browser.post(address, {"key": "SHA256:tests"}, follow=True).content.decode()
    assert "only key" in refused and lease.keys.count() == 1
    browser.post(address, {"key": "SHA256:tests", "even_the_last": "on"})
    assert lease.keys.count() == 0
    assert "does not admit this key" in browser.get(f"{address}?key=SHA256:tests", follow=True).content.decode()


def test_the_failure_policy_is_changed_by_page_and_by_api(
    browser: Browser, api: APIClient, acme: Organization, world: World
) -> None:
    lease = stages.active(acme, now())
    assert browser.post(f"/leases/{lease.public_id}/on-failure/", {"on_failure": "swap"}).status_code == 302
    assert "Swap to an equal node" in browser.get(f"/leases/{lease.public_id}/").content.decode()
    answer = api.post(f"/api/v1/leases/{lease.public_id}/on-failure", {"on_failure": "ask"})
    assert answer.json()["on_failure"] == "ask"
    assert Event.objects.filter(kind="lease.on_failure_chosen").count() == 2
    assert api.post(f"/api/v1/leases/{lease.public_id}/on-failure", {"on_failure": "pray"}).status_code == 400


def test_variables_reach_the_host_and_are_sealed_in_the_database(acme: Organization, world: World) -> None:
    variables = {"TOKEN": "s3cret", "lines": "one\ntwo", "empty": ""}
    setup = operations.Setup(
        "training", [factories.a_key(acme)], factories.an_image(), environment=variables, on_failure=OnFailure.SWAP
    )
    lease = active(acme, factories.an_offer(), setup=setup)
    machine = Machine.objects.select_related("lease__image").get(lease=lease)
    assert tenancy_of(machine, now=NOON).environment == variables
    assert (lease.environment_names, lease.on_failure) == (["TOKEN", "empty", "lines"], "swap")
    assert "s3cret" not in lease.environment
    assert "s3cret" in unseal(lease.environment, purpose=ENVIRONMENT_PURPOSE)
    assert "s3cret" not in repr(setup)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"2ND": CANARY}, "begin with a letter"),
        ({"A-B": CANARY}, "letters, digits and _"),
        ({"": CANARY}, "is not a name"),
        ({"NAME\n": CANARY}, "is not a name"),
        ({"ÄNAME": CANARY}, "is not a name"),
        ({"NAME": CANARY + "\0"}, "NUL"),
        ({"NAME": CANARY + "\ud800"}, "is not text"),
        ({"NAME": CANARY * ENVIRONMENT_BYTES}, "16,384 bytes"),
    ],
)
def test_variables_that_no_host_can_set_are_refused_without_saying_their_value(
    acme: Organization, variables: dict[str, str], said: str
) -> None:
    with pytest.raises(BadEnvironment) as refused:
        check_environment(variables)
    assert said in str(refused.value) and CANARY not in str(refused.value)
    setup = operations.Setup("x", [factories.a_key(acme)], factories.an_image(), environment=variables)
    with pytest.raises(BadEnvironment):
        hold(acme, factories.an_offer(), setup=setup)


def test_as_much_as_fits_is_taken() -> None:
    check_environment({"N": "x" * (ENVIRONMENT_BYTES - 1)})
    with pytest.raises(BadEnvironment):
        check_environment({"N": "x" * ENVIRONMENT_BYTES})


def test_a_lease_that_is_over_has_forgotten_its_variables(acme: Organization, world: World) -> None:
    setup = operations.Setup("x", [factories.a_key(acme)], factories.an_image(), environment={"TOKEN": "s3cret"})
    for lease in (active(acme, factories.an_offer(), setup=setup), hold(acme, factories.an_offer(), setup=setup)):
        operations.end(lease=lease, reason="returned", actor="user:us_tests", now=NOON)
        work_all(lease.offer, now=NOON)
        lease.refresh_from_db()
        assert (lease.over, lease.environment, lease.environment_names) == (True, "", ["TOKEN"])


def test_a_secret_is_nowhere_but_in_its_sealed_column(
    browser: Browser, api: APIClient, acme: Organization, world: World, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    lease = ordered_by_api(api, acme, {"HF_TOKEN": CANARY})
    work_all(lease.offer, now=now())
    world.fail("prepare")
    operations.service(machine=lease.machines.get(), what="rebuild", actor="user:us_tests", now=now())
    work_all(lease.offer, now=now())
    machine = lease.machines.get().public_id
    pages = ["/leases/", "/activity/", *(f"/leases/{lease.public_id}/{what}" for what in ("", "panel/", "keys/"))]
    answers = ["leases", "events", *(f"leases/{lease.public_id}{what}" for what in ("", "/events", "/transitions"))]
    seen = [browser.get(path).content.decode() for path in [*pages, f"/leases/{lease.public_id}/machines/{machine}/"]]
    seen += [api.get(f"/api/v1/{path}").content.decode() for path in answers]
    staff = a_browser(factories.a_user("root@example.com", is_staff=True, is_superuser=True))
    seen.append(staff.get(f"/admin/leasing/lease/{lease.pk}/change/").content.decode())
    assert any("HF_TOKEN" in text for text in seen)
    assert [text for text in [*seen, caplog.text] if CANARY in text] == []
    assert tables_with(CANARY) == []
    assert CANARY in unseal(lease.environment, purpose=ENVIRONMENT_PURPOSE)


def ordered_by_api(api: APIClient, acme: Organization, environment: dict[str, str]) -> Lease:
    """Ordered as a customer's script does; the second answer comes from the store of answers."""
    offer = stages.an_offer(now())
    give(acme, 100)
    factories.an_image()
    quote = api.post("/api/v1/quotes", {"offer": offer.public_id}).json()["id"]
    key = factories.a_key(acme).public_id
    order = {"quote": quote, "name": "run", "ssh_keys": [key], "image": "base", "environment": environment}
    answers = [api.post("/api/v1/leases", order, format="json", headers={"Idempotency-Key": "once"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201], answers[0].content
    assert answers[0].json()["environment_names"] == sorted(environment)
    assert CANARY not in answers[0].content.decode() + answers[1].content.decode()
    return Lease.objects.get(public_id=answers[0].json()["id"])


def tables_with(text: str) -> list[str]:
    """Tables in which a row, written out, contains the text."""
    with connection.cursor() as cursor:
        found = []
        for table in connection.introspection.table_names(cursor):
            quoted = connection.ops.quote_name(table)
            cursor.execute(f"SELECT count(*) FROM {quoted} AS row WHERE row::text LIKE %s", [f"%{text}%"])
            if cursor.fetchone()[0]:
                found.append(table)
    return found


def test_what_the_search_for_a_secret_looks_through_is_everything(acme: Organization) -> None:
    Organization.objects.update(name=f"Acme {CANARY}")
    assert tables_with(CANARY) == ["accounts_organization"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (f"TOKEN {CANARY}", "Line 1 has no “=”"),
        (f"A=1\n\nA={CANARY}", "Line 3 sets A a second time"),
        (f"2ND={CANARY}", "begin with a letter"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_beside_the_field(acme: Organization, typed: str, said: str) -> None:
    from_page = details(acme, typed)
    assert not from_page.is_valid()
    (error,) = from_page.errors["environment"]
    assert said in error and CANARY not in error


def test_lines_become_variables_with_every_character_of_their_value(acme: Organization) -> None:
    form = details(acme, "A= padded \r\nB=x=y\r\n\r\n C=3")
    assert form.is_valid(), form.errors
    assert form.cleaned_data["environment"] == {"A": " padded ", "B": "x=y", "C": "3"}
    assert form.cleaned_data["on_failure"] == "ask"


def test_two_orders_are_not_proposed_one_name(acme: Organization) -> None:
    proposed = [Details(None, organization=acme, now=NOON + timedelta(seconds=n))["name"].value() for n in (0, 1)]
    assert proposed == ["lease-20260302-120000", "lease-20260302-120001"]


def details(acme: Organization, environment: str) -> Details:
    key = factories.a_key(acme)
    factories.an_image()
    typed = {"name": "x", "ssh_keys": [key.public_id], "image": "base", "environment": environment}
    return Details(typed, organization=acme, now=NOON)
