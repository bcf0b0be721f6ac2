"""API tokens: shown once, kept as a digest, dead when they should be."""

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from accounts import tokens
from accounts.clock import now
from accounts.models import APIToken, Event, Membership, Organization, Role, User
from accounts.operations import BadToken, issue_token, revoke_token
from tests.accounts.cast import a_browser, a_client, a_token

KEYS = "/api/v1/ssh-keys"
DAY = timedelta(days=1)


def the_token() -> APIToken:
    return APIToken.objects.get()


def test_a_token_has_a_prefix_43_random_characters_and_a_checksum() -> None:
    text = tokens.new_text()
    assert (text[:8], len(text)) == ("gl_live_", 57)
    assert tokens.well_formed(text)
    wrong = [text[:-1], text + "a", text.replace("live", "test"), text[:20] + "-" + text[21:], text[:-1] + "é", ""]
    wrong += [text[:9] + other + text[10:] for other in "aZ" if other != text[9]]
    assert not any(map(tokens.well_formed, wrong))


def test_only_a_digest_of_a_token_is_kept(acme: Organization, ada: User) -> None:
    text = a_token(acme, ada)
    row = APIToken.objects.values().get()
    assert text[8:] not in str(row) + str(Event.objects.values())
    assert row["digest"] == tokens.digest(text)
    assert text.startswith(row["prefix"]) and text.endswith(row["last4"])
    assert the_token().expires_at - the_token().created_at == 90 * DAY


def test_a_token_opens_the_api_and_its_use_is_noted_now_and_then(acme: Organization, ada: User) -> None:
    script = a_client(a_token(acme, ada))
    assert script.get(KEYS).status_code == 200
    first = the_token().last_used_at
    script.get(KEYS)
    assert the_token().last_used_at == first
    APIToken.objects.update(last_used_at=now() - timedelta(minutes=11))
    script.get(KEYS)
    assert now() - (the_token().last_used_at or first) < timedelta(minutes=1)  # type: ignore[operator]


def refused(script: APIClient) -> str:
    answer = script.get(KEYS)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["Content-Type"] == "application/problem+json"
    return str(answer.json()["code"])


def test_a_token_dies_when_revoked_or_expired_or_when_its_maker_leaves(acme: Organization, eli: User) -> None:
    script = a_client(a_token(acme, eli))
    APIToken.objects.update(expires_at=now())
    assert refused(script) == "token_expired"
    APIToken.objects.update(expires_at=now() + DAY)
    assert script.get(KEYS).status_code == 200
    User.objects.filter(pk=eli.pk).update(is_active=False)
    assert refused(script) == "token_orphaned"
    User.objects.filter(pk=eli.pk).update(is_active=True)
    Membership.objects.filter(user=eli).delete()
    assert refused(script) == "token_orphaned"
    revoke_token(token=the_token(), actor="user:us_ada", now=now())
    revoke_token(token=the_token(), actor="user:us_ada", now=now())
    assert refused(script) == "token_invalid"
    assert Event.objects.filter(kind="token.revoked").count() == 1


def test_what_is_no_token_is_refused_without_asking_the_database(db: None, django_assert_num_queries: object) -> None:
    for text in ("", "hello", "gl_live_" + "a" * 49, tokens.new_text() + " x", "gl_live_\xff"):
        assert refused(a_client(text)) == "token_malformed"
    assert refused(a_client(tokens.new_text())) == "token_invalid"


def test_a_token_in_the_address_is_not_looked_at(acme: Organization, ada: User) -> None:
    assert APIClient().get(KEYS, {"token": a_token(acme, ada), "access_token": a_token(acme, ada)}).status_code == 401


def test_with_a_token_the_session_cookie_is_not_looked_at(acme: Organization, ada: User) -> None:
    browser = APIClient()
    browser.force_login(ada)
    assert browser.get(KEYS).status_code == 200
    assert browser.get(KEYS, HTTP_AUTHORIZATION=f"Bearer {tokens.new_text()}").status_code == 401


def test_a_browser_must_show_its_csrf_token_before_it_changes_anything(acme: Organization, ada: User) -> None:
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(ada)
    assert browser.post("/api/v1/tokens", {"name": "x", "scopes": ["lease:read"]}).status_code == 403
    assert not APIToken.objects.exists()


@pytest.mark.parametrize("days", [-1, 0, 366])
def test_a_life_beyond_365_days_or_before_now_is_refused(acme: Organization, ada: User, days: int) -> None:
    moment = now()
    with pytest.raises(BadToken, match="365"):
        issue_token(
            organization=acme,
            user=ada,
            name="x",
            scopes=["lease:read"],
            expires_at=moment + days * DAY,
            now=moment,
        )


def test_a_token_cannot_do_more_than_its_maker(acme: Organization, fay: User, sam: User) -> None:
    for user, scopes in ((fay, ["lease:write"]), (sam, ["lease:read"]), (fay, []), (fay, ["everything"])):
        with pytest.raises(BadToken) as no:
            issue_token(organization=acme, user=user, name="x", scopes=scopes, expires_at=None, now=now())
        assert no.value.field == "scopes"


def test_a_token_follows_its_makers_role(acme: Organization, eli: User) -> None:
    script = a_client(a_token(acme, eli))
    assert script.post(KEYS, {}).status_code == 400
    Membership.objects.filter(user=eli).update(role=Role.FINANCE)
    assert script.post(KEYS, {}).json()["code"] == "role_forbids"


def test_a_token_makes_only_tokens_that_can_do_no_more_than_itself(acme: Organization, ada: User) -> None:
    script = a_client(a_token(acme, ada, "org:write", "lease:read"))
    more = script.post("/api/v1/tokens", {"name": "more", "scopes": ["money:write"]})
    assert (more.status_code, more.json()["errors"][0]["field"]) == (400, "scopes")
    made = script.post("/api/v1/tokens", {"name": "less", "scopes": ["lease:read"]})
    assert made.status_code == 201
    assert a_client(made.json()["token"]).get(KEYS).status_code == 200


def test_the_text_is_in_the_answer_that_makes_a_token_and_in_no_other(api: APIClient) -> None:
    made = api.post("/api/v1/tokens", {"name": "second", "scopes": ["lease:read"]}).json()
    assert tokens.well_formed(made["token"])
    listed = api.get("/api/v1/tokens").json()["results"][0]
    assert listed == {key: value for key, value in made.items() if key != "token"}
    assert api.delete(f"/api/v1/tokens/{made['id']}").status_code == 204
    assert api.get(f"/api/v1/tokens/{made['id']}").json()["revoked_at"]


def test_the_page_shows_a_new_token_once(acme: Organization, eli: User) -> None:
    browser = a_browser(eli)
    form = browser.get("/api-tokens/create/").context["form"]
    offered = [value for value, _ in form.fields["scopes"].choices]
    assert offered == ["lease:read", "lease:write", "money:read", "org:read"]
    made = browser.post("/api-tokens/create/", {"name": "training", "scopes": ["lease:read"], "days": "365"})
    text = made.context["text"]
    assert text in made.content.decode()
    assert "no-store" in made.headers["Cache-Control"]
    assert text not in browser.get("/api-tokens/").content.decode()
    too_much = browser.post("/api-tokens/create/", {"name": "x", "scopes": ["money:write"], "days": "7"})
    assert "scopes" in too_much.context["form"].errors


def test_one_revokes_ones_own_tokens_and_an_owner_any(acme: Organization, ada: User, eli: User, fay: User) -> None:
    a_token(acme, eli)
    page = f"/api-tokens/{the_token().public_id}/revoke/"
    assert a_browser(fay).post(page).status_code == 403
    assert a_browser(ada).get(page).status_code == 200
    assert the_token().revoked_at is None
    a_browser(eli).post(page)
    assert the_token().revoked_at
