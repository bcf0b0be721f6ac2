"""What every answer says to the browser, and that `next` never leads away from here."""

from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from accounts.models import Organization, SSHKey, User
from tests.accounts.addresses import ROUTES, Route
from tests.accounts.cast import ED25519, a_browser, a_client, a_token

pytestmark = pytest.mark.django_db
LOOSE_STYLES = ("/admin/", "/api/v1/docs/")  # pages of other people's making, which set styles in the page
WANTED = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY"}
ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "https:evil.example",
    "http://testserver@evil.example/",
    "http://testserver.evil.example/",
    "\t//evil.example/",
    "/\t/evil.example/",
    "javascript:alert(1)",
    "data:text/html,evil",
    "no-such-place",
]


def policy(answer: Any) -> dict[str, str]:
    """The answer's Content-Security-Policy: directive -> sources."""
    parts = [part.split(maxsplit=1) for part in answer.headers["Content-Security-Policy"].split(";") if part.strip()]
    return {words[0]: words[1] if len(words) > 1 else "" for words in parts}


def assert_hardened(route: Route, answer: Any) -> None:
    found, loose = policy(answer), route.address().startswith(LOOSE_STYLES)
    assert {name: answer.headers.get(name) for name in WANTED} == WANTED, route.path
    assert (found["default-src"], found["frame-ancestors"], found["base-uri"]) == ("'none'",) * 3, route.path
    assert "unsafe-inline" not in found.get("script-src", found["default-src"]), route.path
    unsafe = [name for name, sources in found.items() if "unsafe" in sources or "*" in sources or "http:" in sources]
    assert loose or unsafe == [], f"{route.path}: {unsafe}"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_answer_carries_the_security_headers(acme: Organization, ada: User) -> None:
    visitor, script, browser = Client(), a_client(a_token(acme, ada)), a_browser(ada)
    for route in ROUTES:
        for method in ("get", "post"):
            for client in (visitor, script if route.api else browser):
                assert_hardened(route, getattr(client, method)(route.address()))


def test_an_address_that_does_not_exist_carries_them_too() -> None:
    for path in ("no/such/page", "api/v1/no/such/thing"):
        assert_hardened(Route("", path, None), Client().get(f"/{path}"))


def is_here(location: str) -> bool:
    """Whether a browser stays on this host: it drops tabs and takes a backslash for a slash."""
    seen = location.replace("\t", "").replace("\\", "/").strip()
    target = urlsplit(urljoin("http://testserver/account/", seen))
    return (target.scheme, target.netloc, seen.startswith("//")) == ("http", "testserver", False)


@pytest.mark.parametrize("wanted", ELSEWHERE)
def test_logging_in_and_out_never_leads_to_another_host(wanted: str, acme: Organization, ada: User) -> None:
    EmailAddress.objects.create(user=ada, email=ada.email, verified=True, primary=True)
    browser, typed = Client(), {"login": ada.email, "password": "correct horse battery"}
    assert "evil.example" not in browser.get("/account/login/", {"next": wanted}).headers.get("Location", "")
    for path in ("/account/login/", "/account/logout/"):
        answer = browser.post(path, {**typed, "next": wanted})
        assert (answer.status_code, is_here(answer.headers["Location"])) == (302, True), answer.headers["Location"]
    browser.force_login(ada)
    assert is_here(browser.get("/account/login/", {"next": wanted}).headers["Location"])


def test_logging_in_leads_to_where_one_wanted_to_go(acme: Organization, ada: User) -> None:
    EmailAddress.objects.create(user=ada, email=ada.email, verified=True, primary=True)
    typed = {"login": ada.email, "password": "correct horse battery", "next": "/wallet/?page=2"}
    assert Client().post("/account/login/", typed).headers["Location"] == "/wallet/?page=2"


@pytest.mark.parametrize("wanted", ELSEWHERE)
def test_adding_a_key_never_leads_to_another_host(wanted: str, acme: Organization, ada: User) -> None:
    browser = a_browser(ada)
    assert "evil.example" not in browser.get("/ssh-keys/add/", {"next": wanted}).content.decode()
    for place in ("query", "body"):
        SSHKey.objects.all().delete()
        typed = {"name": "laptop", "public_key": ED25519}
        query, body = ({"next": wanted}, typed) if place == "query" else ({}, {**typed, "next": wanted})
        answer = browser.post("/ssh-keys/add/", body, query_params=query)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/ssh-keys/"), place


def test_adding_a_key_leads_back_to_the_order_that_needs_it(acme: Organization, ada: User) -> None:
    typed = {"name": "laptop", "public_key": ED25519, "next": "/order/?offer=of_x&nodes=2"}
    assert a_browser(ada).post("/ssh-keys/add/", typed).headers["Location"] == "/order/?offer=of_x&nodes=2"
