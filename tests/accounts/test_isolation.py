"""Nobody sees or changes what is another organization's: each route with each method, read from the URLconf itself."""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.test import Client
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import APIToken, Organization, User
from accounts.operations import issue_token
from accounts.webhooks import endpoints
from billing import budgets, checkout, operations, settlement, waiting
from billing.models import Budget, CreditNote, Forgery, Invoice
from billing.queries.months import month_of, next_month, previous_month
from leasing.models import MachineLog
from leasing.provisioners import provisioner_for
from leasing.provisioners.fake import Fake
from tests import factories
from tests.accounts.addresses import KIND_OF, METHODS, ROUTES, SAFE, Route, routes
from tests.accounts.cast import a_browser, a_client, a_token
from tests.billing.cards_world import a_card, a_card_page
from tests.leasing import stages
from tests.leasing.conftest import active as lease_of
from tests.leasing.interrupted import announced, surplus

pytestmark = pytest.mark.django_db
APPS = {"accounts", "marketplace", "leasing", "billing", "energy"}
READS = ("lease:read", "money:read", "org:read")
MADE_UP = "zz_0000000000000000000000"
NO_SUCH_PASSKEY = "987654321"

Ids = Mapping[str, list[str]]


@pytest.fixture
def ids(acme: Organization, ada: User) -> Iterator[Ids]:
    """The public ids of what Acme has, one row or more of each kind, by the word that its addresses begin with."""
    fake, moment = provisioner_for("fake"), now()
    assert isinstance(fake, Fake)
    fake.world.reset()
    ended, active = stages.ended(acme, moment), stages.active(acme, moment)
    quote = checkout.quote(organization=acme, offer=active.offer, nodes=1, starts_at=None, ends_at=None, now=moment)
    wish = waiting.Wish(mode="tell", nodes=1)
    waiting_one = waiting.join(
        organization=acme, actor="user:us_tests", created_by=ada, wish=wish, name="wait", setup=None, now=moment
    )
    payment = settlement.request_top_up(
        organization=acme, actor=f"user:{ada.public_id}", created_by=ada, amount_cents=5000, now=moment
    )
    payment.checkout_url = "https://checkout.stripe.com/c/pay/cs_tests"  # opened before: nobody asks the processor
    payment.save()
    shed = announced(lease_of(acme, surplus(), now=moment, starts_at=moment), now=moment)
    a_token(acme, ada)
    tokens = [token.public_id for token in APIToken.objects.filter(organization=acme)]
    key = factories.a_key(acme).public_id
    moved = operations.grant(organization=acme, amount_micros=5, key="ids", memo="gift", now=moment).public_id
    invoice = an_invoice(acme)
    note = CreditNote.objects.create(
        organization=acme, invoice=invoice, number="GC-TEST-1", issued_at=moment, reason="x", total_cents=1
    )
    hook, _ = endpoints.create(
        organization=acme, actor="", url="https://hooks.example/", description="", kinds=[], now=moment
    )
    sent = f"{hook.public_id}/{endpoints.send_test(endpoint=hook, actor='', now=moment).public_id}"
    yield {
        "wallet": [moved],
        "ledger": [moved],
        "leases": [active.public_id, ended.public_id],
        "leases/machines": [f"{one.public_id}/{one.machines.get().public_id}" for one in (active, ended)],
        "leases/interruptions": [f"{shed.lease.public_id}/{shed.public_id}"],
        "leases/files": [f"{active.public_id}/ssh_config"],
        "leases/ssh-keys": [f"{active.public_id}/{key}"],
        "quotes": [quote.public_id],
        "standing-orders": [waiting_one.public_id],
        "quotes/budgets": [quote.public_id],
        "budgets": [a_budget(acme).public_id],
        "top-ups": [payment.public_id],
        "cards": [a_card(acme).public_id],
        "card-pages": [a_card_page(acme).public_id],
        "invoices": [invoice.public_id],
        "credit-notes": [note.public_id],
        "ssh-keys": [key],
        "tokens": tokens,
        "api-tokens": tokens,
        "webhooks": [hook.public_id],
        "webhooks/deliveries": [sent],
        "webhook-endpoints": [hook.public_id],
        "webhook-endpoints/deliveries": [sent],
    }
    fake.world.reset()


def a_budget(organization: Organization) -> Budget:
    return budgets.create(
        organization=organization, actor="", created_by=None, project="", limit_micros=10**12, now=now()
    )


def an_invoice(organization: Organization) -> Invoice:
    month = previous_month(month_of(now()))
    return Invoice.objects.create(
        organization=organization,
        number="GL-TEST-1",
        period_start=month,
        period_end=next_month(month),
        issued_at=now(),
        total_cents=0,
    )


def ids_for(route: Route, ids: Ids) -> list[str]:
    """The real ids that fit into the route's address; of a part of something, both ids."""
    parts = route.path.removeprefix("api/v1/").split("/")
    word = "/".join(parts[:4:2]) if "<" in "".join(parts[3:]) else parts[0]
    assert word in ids, f"{route.path} has an id of a new kind: make a row of that kind in the fixture `ids` here"
    return ids[word]


def database() -> dict[str, list[dict[str, Any]]]:
    """Every row of the product, and every second factor. When a token was last used is not looked at."""
    own = [model for model in apps.get_models() if model._meta.app_label in APPS]
    rows = {model.__name__: list(model._default_manager.order_by("pk").values()) for model in [*own, Authenticator]}
    for token in rows["APIToken"]:
        del token["last_used_at"]
    return rows


def call(client: Client, method: str, address: str) -> tuple[int, str]:
    """Status and body of an answer; the body without the address itself and without the form's secret."""
    data = {"name": "mine now"} if method == "POST" else {}
    answer: Any = getattr(client, method.lower())(address, data)
    raw = answer.getvalue() if answer.streaming else answer.content
    body = raw.decode(errors="replace").replace(address, "ADDRESS")  # a PDF is no text
    body = re.sub(r"\b[A-Za-z0-9]{64}\b", "SECRET", body)
    return answer.status_code, body


@pytest.fixture
def strangers(sam: User) -> dict[str, Client]:
    """Sam of Stranger Ltd, who may do everything there: in a browser, by a script, and by a script with his session."""
    with_session = APIClient()
    with_session.force_login(sam)
    script = a_client(a_token(sam.organizations.get(), sam))
    return {"browser": a_browser(sam), "token": script, "session": with_session}


def test_every_route_is_in_the_table_of_who_may_open_it() -> None:
    unknown = [route.path for route in ROUTES if not route.kind]
    assert unknown == [], f"say in KINDS of tests/accounts/addresses.py who may open {unknown}, by the route's name"
    gone = set(KIND_OF) - {route.name for route in ROUTES}
    assert gone == set(), f"no route has these names any more: remove {gone} from KINDS of tests/accounts/addresses.py"


def test_public_routes_and_no_others_have_an_api_view_without_permissions() -> None:
    for route in routes("public", "member", "person", "staff", "operator", api=True):
        open_to_all = {"AllowAny"} == {permission.__name__ for permission in route.view.cls.permission_classes}
        assert open_to_all == (route.kind == "public"), f"{route.path} is {route.kind} in tests/accounts/addresses.py"


def test_the_api_answers_401_without_credentials_whatever_the_route_and_the_method(ids: Ids) -> None:
    forged = a_client(f"gl_live_{'0' * 49}")
    before, wrong = database(), []
    for route in routes("member", api=True):
        for one in ids_for(route, ids) if route.has_id else [""]:
            for method in METHODS:
                answers = [call(nobody, method, route.address(one)) for nobody in (APIClient(), forged)]
                wrong += [(method, route.path, *answer) for answer in answers if answer[0] != 401]
    assert wrong == []
    assert database() == before


def test_pages_send_whoever_is_not_logged_in_to_log_in_whatever_the_method(ids: Ids) -> None:
    before, wrong = database(), []
    for route in routes("member", "person", api=False):
        for one in ids_for(route, ids) if route.has_id else [""]:
            for method in METHODS:
                answer: Any = getattr(Client(), method.lower())(route.address(one))
                if not answer.headers.get("Location", "").startswith("/account/login/?next=/"):
                    wrong.append((method, route.path, answer.status_code))
    assert wrong == []
    assert database() == before


def test_the_owner_opens_every_address_that_is_refused_to_strangers(ids: Ids, acme: Organization, ada: User) -> None:
    script, browser = a_client(a_token(acme, ada)), a_browser(ada)
    for route in routes("member", has_id=True):
        client, method = (
            (script, "GET" if "GET" in route.methods else max(route.methods)) if route.api else (browser, "GET")
        )
        statuses = {call(client, method, route.address(one))[0] for one in ids_for(route, ids)}
        found = statuses & {200, 202, 302, 400, 409}  # done, or refused for what was asked, not for whose it is
        assert found, f"{method} {route.path} answered {statuses}: the ids of these tests would prove nothing"


@pytest.mark.parametrize("callers", [("token", "session"), ("browser",)], ids=["API", "pages"])
def test_another_organizations_row_is_as_if_it_had_never_been(
    ids: Ids, strangers: dict[str, Client], callers: tuple[str, ...]
) -> None:
    before, api = database(), "browser" not in callers
    for route in routes("member", has_id=True, api=api):
        for method, who in product(METHODS, callers):
            client, asked = strangers[who], f"{method} {route.path} by {who}"
            nothing = call(client, method, route.address(MADE_UP))
            for one in ids_for(route, ids):
                answer = call(client, method, route.address(one))
                assert answer == nothing, f"{asked} tells a row that is there from one that is not"
                assert MADE_UP not in answer[1]
            if not api or method in route.methods:
                assert nothing[0] == 404, f"{asked}: {nothing}"
        assert database() == before, f"{route.path} changed something"


def test_no_page_and_no_list_of_a_stranger_names_anything_of_acme(ids: Ids, strangers: dict[str, Client]) -> None:
    secret = [part for ones in ids.values() for one in ones for part in one.split("/")]
    named = [(route.path, one) for route, body in own_answers(strangers) for one in secret if one in body]
    assert named == []


def own_answers(strangers: dict[str, Client]) -> Iterator[tuple[Route, str]]:
    """What Sam reads at each address without an id."""
    for route in routes("member", "person", "public", has_id=False):
        status, body = call(strangers["token" if route.api else "browser"], "GET", route.address())
        assert status in {200, 302, 400, 404, 405}, f"{route.path} answered {status}"
        yield route, body


@pytest.mark.parametrize("field", ["quote", "ssh_keys"])
def test_another_organizations_ids_in_an_order_are_as_if_made_up(
    ids: Ids, strangers: dict[str, Client], sam: User, field: str
) -> None:
    own = factories.a_key(sam.organizations.get()).public_id
    before, order = database(), {"quote": MADE_UP, "name": "x", "ssh_keys": [own], "image": "base"}
    real = ids["quotes"][0] if field == "quote" else ids["ssh-keys"][0]
    real_id, made_up = [
        strangers["token"].post(
            "/api/v1/leases",
            {**order, field: one if field == "quote" else [one]},
            headers={"Idempotency-Key": f"k{one}"},
        )
        for one in (real, MADE_UP)
    ]
    assert real_id.json()["errors"][0]["field"] == field
    assert (real_id.status_code, real_id.content.decode().replace(real, MADE_UP)) == (400, made_up.content.decode())
    assert database() == before


def test_a_token_that_may_only_read_reads_everything_and_changes_nothing(
    ids: Ids, acme: Organization, ada: User
) -> None:
    reader = a_client(a_token(acme, ada, *READS))
    before, wrong = database(), []
    for route in routes("member", api=True):
        for one in ids_for(route, ids) if route.has_id else [""]:
            for method in sorted(route.methods):
                status, body = call(reader, method, route.address(one))
                refused = status == 403 and '"code":"scope_missing"' in body
                if refused == (method in SAFE) or status == 401:
                    wrong.append((method, route.path, status, body))
    assert wrong == []
    MachineLog.objects.all().delete()  # that somebody wants to read one is written down for the site's worker
    assert database() == before


def test_a_method_that_an_api_route_does_not_have_is_405_for_every_token(acme: Organization, ada: User) -> None:
    for scopes in ((), READS):
        client = a_client(a_token(acme, ada, *scopes))
        for route in routes("member", api=True):
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - route.methods:
                status, body = call(client, method, route.address())
                assert (status, '"code":"method_not_allowed"' in body) == (405, True), f"{method} {route.path}: {body}"


def test_another_persons_passkey_is_as_if_it_were_not_there(ada: User, sam: User) -> None:
    passkey = Authenticator.objects.create(user=ada, type=Authenticator.Type.WEBAUTHN, data={"name": "Ada's"})
    browser = a_browser(sam)
    assert browser.post("/account/reauthenticate/", {"password": "correct horse battery"}).status_code == 302
    found, before = routes("allauth", has_id=True), database()
    for route in (route for route in found if "<int:pk>" in route.path):
        for method in METHODS:
            answer = call(browser, method, route.address(str(passkey.pk)))
            assert answer == call(browser, method, route.address(NO_SUCH_PASSKEY)), f"{method} {route.path}"
            assert answer[0] in ({404} if method in {"GET", "HEAD", "POST"} else {404, 405, 200})
    assert database() == before


def test_the_admin_opens_for_no_customer_whatever_the_address(ids: Ids, ada: User) -> None:
    browser, before = a_browser(ada), database()
    admin = [route for route in routes("staff") if route.name != "logout"]
    assert len(admin) > 20
    for route in admin:
        for method in ("GET", "POST"):
            status, _ = call(browser, method, route.address())
            assert status in {302, 403, 404}, f"{method} {route.path} answered {status}"
    assert database() == before


def test_the_operators_pages_and_api_open_for_no_customer_and_no_token(ids: Ids, acme: Organization, ada: User) -> None:
    with_session, script, browser = APIClient(), a_client(a_token(acme, ada)), a_browser(ada)
    with_session.force_login(ada)
    before = database()
    assert len(routes("operator")) > 10
    for route in routes("operator"):
        for client in (with_session, script) if route.api else (browser,):
            for method in ("GET", "POST"):
                status, _ = call(client, method, route.address())
                assert status == 403, f"{method} {route.path} answered {status}"
        assert call(Client(), "GET", route.address())[0] == (401 if route.api else 302), route.path
    assert database() == before


def test_a_webhook_without_the_processors_signature_changes_nothing(ids: Ids) -> None:
    before = database()
    for route in routes("webhook"):
        for method in METHODS:
            assert call(Client(), method, route.address())[0] in {400, 405}
    Forgery.objects.all().delete()  # that there was one is counted
    assert database() == before


def test_a_revoked_token_opens_nothing(acme: Organization, ada: User) -> None:
    token, text = issue_token(organization=acme, user=ada, name="old", scopes=READS, expires_at=None, now=now())
    APIToken.objects.filter(pk=token.pk).update(revoked_at=now())
    answers = {call(a_client(text), "GET", route.address())[0] for route in routes("member", api=True)}
    assert answers == {401}


def test_another_sites_form_changes_nothing_although_the_browser_is_logged_in(ids: Ids, ada: User) -> None:
    browser, json = Client(enforce_csrf_checks=True), APIClient(enforce_csrf_checks=True)
    for client in (browser, json):
        client.force_login(ada)
    before, wrong = database(), []
    for route in routes("member", "person"):
        for one in ids_for(route, ids) if route.has_id else [""]:
            for method in set(METHODS) - SAFE:
                client = json if route.api else browser
                if (status := call(client, method, route.address(one))[0]) != 403:
                    wrong.append((method, route.path, status))
    assert wrong == []
    assert database() == before
