"""The log of what happened: only ever appended to, read by those whom it concerns."""

import pytest
from django.db import DatabaseError, connection, transaction
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.ids import PublicIdField
from accounts.models import Event, Organization, User
from accounts.operations import record
from accounts.queries import actor_names
from tests.accounts.cast import a_browser, a_client, a_token


def happened(
    organization: Organization | None, kind: str, subject: str = "ls_1", actor: str = "system:leasing"
) -> Event:
    return record(organization=organization, kind=kind, subject=subject, actor=actor, at=now(), data={"name": "x"})


@pytest.mark.parametrize("statement", ["UPDATE accounts_event SET kind = 'forged'", "DELETE FROM accounts_event"])
def test_the_database_refuses_to_change_or_delete_what_happened(acme: Organization, statement: str) -> None:
    with pytest.raises(DatabaseError, match="Cannot"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    with pytest.raises(DatabaseError), transaction.atomic():
        Event.objects.update(kind="forged")
    assert Event.objects.get().kind == "organization.created"


def test_events_are_found_by_kind_family_and_subject(api: APIClient, acme: Organization, sam: User) -> None:
    happened(acme, "lease.active")
    happened(acme, "lease.ended", subject="ls_2")
    happened(acme, "leasehold.odd")
    happened(sam.organizations.get(), "lease.active")
    happened(None, "lease.active")

    def found(**query: str) -> list[str]:
        return [event["kind"] for event in api.get("/api/v1/events", query).json()["results"]]

    assert found(kind="lease") == ["lease.ended", "lease.active"]
    assert found(kind="lease.active") == ["lease.active"]
    assert found(subject="ls_2") == ["lease.ended"]
    assert found(kind="wallet") == []
    assert api.get("/api/v1/events", {"kinds": "lease"}).json()["errors"][0]["field"] == "kinds"
    first = api.get("/api/v1/events", {"page_size": "1", "kind": "lease"}).json()
    assert [event["kind"] for event in api.get(first["next"]).json()["results"]] == ["lease.active"]


def test_the_activity_page_names_people_tokens_and_the_system(acme: Organization, ada: User) -> None:
    text = a_token(acme, ada)
    a_client(text).post("/api/v1/tokens", {"name": "second", "scopes": ["lease:read"]})
    happened(acme, "lease.active", actor="token:tk_gone")
    shown = a_browser(ada).get("/activity/").content.decode()
    for words in ("Ada Byron", "API token “script”", "New API token “second”", "Organization created", "token:tk_gone"):
        assert words in shown
    assert actor_names(["system:leasing", "odd"]) == {"system:leasing": "Gridlease"}


def test_a_long_activity_has_pages(acme: Organization, ada: User) -> None:
    for number in range(51):
        happened(acme, "lease.active", subject=f"ls_{number}")
    browser = a_browser(ada)
    assert "?page=2" in browser.get("/activity/").content.decode()
    assert "organization.created" in browser.get("/activity/?page=2").content.decode()


def test_public_ids_are_new_each_time_and_typed_by_their_prefix() -> None:
    field = PublicIdField(prefix="ls")
    ids = {field.get_default() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(one.startswith("ls_") and len(one) == 25 and one[3:].isalnum() for one in ids)


def test_the_clock_is_the_databases_and_moves_inside_a_transaction(db: None) -> None:
    first, second = now(), now()
    assert first < second
    assert first.utcoffset() is not None and not first.utcoffset()
