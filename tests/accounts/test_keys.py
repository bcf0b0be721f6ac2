"""SSH keys of an organization: added once, removed when wanted, never seen by others."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Event, Organization, SSHKey, User
from accounts.operations import SSHKeyExists, add_ssh_key, remove_ssh_key
from accounts.sshkeys import BadSSHKey
from tests.accounts.cast import ED25519, ED25519_PRINT, a_browser, a_client, a_token


def added(organization: Organization, user: User, **changes: Any) -> SSHKey:
    values = {"name": "laptop", "text": f"{ED25519} ada@laptop", "now": now(), "actor": "user:us_ada", **changes}
    return add_ssh_key(organization=organization, user=user, **values)


def test_a_key_is_kept_as_parsed_and_the_log_says_who_added_it(acme: Organization, ada: User) -> None:
    key = added(acme, ada)
    assert (key.public_key, key.fingerprint, key.algorithm) == (ED25519, ED25519_PRINT, "ssh-ed25519")
    assert Event.objects.get(subject=key.public_id).actor == "user:us_ada"


def test_the_same_key_twice_is_refused_but_may_come_back_after_it_was_removed(acme: Organization, ada: User) -> None:
    first = added(acme, ada)
    with pytest.raises(SSHKeyExists):
        added(acme, ada, name="again")
    remove_ssh_key(key=first, actor="user:us_ada", now=now())
    remove_ssh_key(key=first, actor="user:us_ada", now=now())
    again = added(acme, ada, name="again")
    assert list(SSHKey.objects.all()) == [again]
    assert Event.objects.filter(kind="ssh_key.removed").count() == 1


def test_two_organizations_may_have_the_same_key(acme: Organization, ada: User, sam: User) -> None:
    added(acme, ada)
    added(sam.organizations.get(), sam)
    assert SSHKey.objects.count() == 2


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "two\nlines", "bell\a"])
def test_a_name_is_one_short_printable_line(acme: Organization, ada: User, name: str) -> None:
    with pytest.raises(BadSSHKey) as refused:
        added(acme, ada, name=name)
    assert refused.value.field == "name"


def test_the_api_adds_shows_and_removes_a_key(api: APIClient) -> None:
    made = api.post("/api/v1/ssh-keys", {"name": "laptop", "public_key": ED25519})
    assert made.status_code == 201, made.content
    key = made.json()
    assert key["fingerprint"] == ED25519_PRINT
    assert api.get("/api/v1/ssh-keys").json()["results"] == [key] == [api.get(f"/api/v1/ssh-keys/{key['id']}").json()]
    assert api.delete(f"/api/v1/ssh-keys/{key['id']}").status_code == 204
    assert api.get("/api/v1/ssh-keys").json()["results"] == []
    assert api.get(f"/api/v1/ssh-keys/{key['id']}").status_code == 404


def test_the_api_says_which_field_is_wrong_and_refuses_fields_it_does_not_know(api: APIClient) -> None:
    refused = api.post("/api/v1/ssh-keys", {"name": "x", "public_key": "ssh-dss AAAA", "organization": "og_other"})
    assert refused.status_code == 400
    assert [error["field"] for error in refused.json()["errors"]] == ["organization"]
    refused = api.post("/api/v1/ssh-keys", {"name": "x", "public_key": "ssh-dss AAAA"})
    assert [error["field"] for error in refused.json()["errors"]] == ["public_key"]


def test_adding_a_key_that_is_there_answers_409(api: APIClient) -> None:
    body = {"name": "laptop", "public_key": ED25519}
    assert [api.post("/api/v1/ssh-keys", body).status_code for _ in range(2)] == [201, 409]


def test_a_stranger_finds_nothing_at_the_address_of_the_key(acme: Organization, ada: User, sam: User) -> None:
    key = added(acme, ada)
    stranger = a_client(a_token(sam.organizations.get(), sam))
    address = f"/api/v1/ssh-keys/{key.public_id}"
    for answer in (stranger.get(address), stranger.delete(address)):
        assert answer.status_code == 404
        assert answer.json() == stranger.get("/api/v1/ssh-keys/sk_never").json()
    assert a_browser(sam).post(f"/ssh-keys/{key.public_id}/remove/").status_code == 404
    assert SSHKey.objects.count() == 1


def test_the_page_shows_the_error_beside_the_field_and_loses_nothing(acme: Organization, ada: User) -> None:
    browser = a_browser(ada)
    wrong = browser.post("/ssh-keys/add/", {"name": "<b>laptop</b>", "public_key": "ssh-dss AAAA"})
    assert "public_key" in wrong.context["form"].errors
    assert "&lt;b&gt;laptop&lt;/b&gt;" in wrong.content.decode()
    right = browser.post("/ssh-keys/add/", {"name": "laptop", "public_key": ED25519, "next": "/order?offer=of_1"})
    assert right.headers["Location"] == "/order?offer=of_1"
    elsewhere = browser.post("/ssh-keys/add/", {"name": "x", "public_key": ED25519, "next": "https://evil.example"})
    assert "already" in str(elsewhere.context["form"].errors)


def test_a_key_is_removed_on_its_page_after_a_question(acme: Organization, ada: User) -> None:
    key, browser = added(acme, ada), a_browser(ada)
    assert key.fingerprint in browser.get("/ssh-keys/").content.decode()
    assert browser.get(f"/ssh-keys/{key.public_id}/remove/").status_code == 200
    assert SSHKey.objects.count() == 1
    assert browser.post(f"/ssh-keys/{key.public_id}/remove/", follow=True).status_code == 200
    assert SSHKey.objects.count() == 0
