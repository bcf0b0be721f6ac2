"""Endpoints in the API and on their pages: the same things, for the same people, with the same limits."""

import re
from pathlib import Path

import pytest
from django.conf import LazySettings
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Event, Organization, User, WebhookDelivery, WebhookEndpoint
from accounts.webhooks import endpoints, sending, spreading
from accounts.webhooks.kinds import FAMILIES
from accounts.webhooks.sending import Outcome
from tests.accounts.cast import a_browser, a_client, a_token
from tests.accounts.hooks import ACTOR, an_endpoint, happened

BASE = "/api/v1/webhook-endpoints"
GOOD = {"url": "https://hooks.example/x", "kinds": ["lease.*", "wallet.empty"]}
# Families of events that are the operator's, and never an organization's.
OPERATORS = {
    "adjustment", "approval", "battery", "closing", "dispute", "enrolment", "feed", "ledger", "metered", "miners",
    "node", "power", "power_command", "promise", "site",
}  # fmt: skip


def recorded() -> list[str]:
    return [kind.removeprefix("webhook_endpoint.") for kind in _kinds() if kind.startswith("webhook_endpoint.")]


def _kinds() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("kind", flat=True))


def failed(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """A delivery that has failed for good."""
    happened(endpoint.organization)
    spreading.spread(now=now())
    delivery = sending.take(endpoint=endpoint.pk, now=now())
    assert delivery
    sending.apply(delivery=delivery, outcome=Outcome(12, status=500, error="It answered 500.", answer="<b>"), now=now())
    spreading.give_up(endpoint=endpoint, error="It answered 500.", now=now())
    return delivery


def test_every_family_of_events_can_be_chosen_or_is_the_operators() -> None:
    code = "".join(
        path.read_text()
        for app in ("accounts", "marketplace", "leasing", "billing", "energy")
        for path in Path(__file__).parents[2].joinpath(app).rglob("*.py")
    )
    used = set(re.findall(r'kind=f?"([a-z_]+)\.[a-z_{]', code))
    assert len(used) > 20
    assert used - OPERATORS - set(FAMILIES) == set(), "say in FAMILIES of accounts/webhooks/kinds.py what they are"


def test_a_life_through_the_api(api: APIClient) -> None:
    made = api.post(BASE, GOOD)
    secret, address = made.json().pop("secret"), f"{BASE}/{made.json()['id']}"
    assert (made.status_code, secret[:6], len(secret)) == (201, "whsec_", 50)
    shown = api.get(address).json()
    assert shown == {key: value for key, value in made.json().items() if key != "secret"}
    assert (shown["kinds"], shown["enabled"]) == (["lease.*", "wallet.empty"], True)
    assert api.get(BASE).json()["results"] == [shown]
    changed = api.patch(address, {"kinds": [], "description": "scheduler"}).json()
    assert changed == {**shown, "kinds": [], "description": "scheduler"}
    rotated = api.post(f"{address}/rotate-secret").json()
    assert rotated["secret"] != secret and rotated["former_secret_signs_until"]
    test = api.post(f"{address}/test")
    assert (test.status_code, test.json()["kind"], test.json()["state"]) == (202, "webhook_endpoint.tested", "pending")
    assert api.get(f"{address}/deliveries", {"state": "pending"}).json()["results"] == [test.json()]
    assert api.patch(address, {"enabled": False}).json()["disabled_reason"] == "chosen"
    assert api.post(f"{address}/test").json()["errors"][0]["field"] == "enabled"
    assert api.get(f"{address}/deliveries/{test.json()['id']}").json()["state"] == "failed"
    assert api.patch(address, {"enabled": True}).json()["enabled"] is True
    again = api.post(f"{address}/deliveries/{test.json()['id']}/send-again")
    assert (again.status_code, again.json()["state"]) == (202, "pending")
    assert api.post(f"{address}/send-again").json() == {"deliveries": 0}
    assert api.delete(address).status_code == 204
    assert api.get(address).status_code == api.get(f"{address}/deliveries").status_code == 404
    assert recorded() == [
        "created", "changed", "secret_rotated", "tested", "changed", "changed", "sent_again", "removed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "field", "words"),
    [
        ({"url": "http://hooks.example/"}, "url", "https://"),
        ({"url": "https://127.0.0.1/"}, "url", "public internet"),
        ({"url": "https://hooks.example:25/"}, "url", "port 443"),
        ({"url": "https://hooks.example/", "kinds": ["lease"]}, "kinds", "lease.ended"),
        ({"url": "https://hooks.example/", "kinds": ["leases.*"]}, "kinds", "lease.*"),
        ({"url": "https://hooks.example/", "secret": "mine"}, "secret", "Unknown field"),
    ],
)
def test_what_cannot_be_is_refused_by_field_on_the_page_and_in_the_api(
    api: APIClient, ada: User, wanted: dict[str, object], field: str, words: str
) -> None:
    (error,) = api.post(BASE, wanted).json()["errors"]
    assert error["field"] == field and words in error["message"]
    if field != "secret":
        kinds = wanted.get("kinds", [])
        assert isinstance(kinds, list)
        page = a_browser(ada).post("/webhooks/create/", {**wanted, "single": " ".join(kinds)})
        assert words in page.context["form"].errors["single" if field == "kinds" else field][0]
    assert not WebhookEndpoint.objects.exists()


def test_the_demonstration_may_call_itself(api: APIClient, settings: LazySettings) -> None:
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    assert api.post(BASE, {"url": "http://127.0.0.1:9000/"}).status_code == 201
    assert api.post(BASE, {"url": "http://10.0.0.1:9000/"}).status_code == 400


def test_there_are_limits(api: APIClient, acme: Organization, ada: User) -> None:
    made = [an_endpoint(acme) for _ in range(endpoints.MOST_ENDPOINTS)]
    refused = api.post(BASE, GOOD)
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_limit_reached")
    page = a_browser(ada).post("/webhooks/create/", {"url": "https://hooks.example/"})
    assert "may have 10 endpoints" in page.content.decode()
    for _ in range(endpoints.TESTS_PER_HOUR):
        endpoints.send_test(endpoint=made[0], actor=ACTOR, now=now())
    assert api.post(f"{BASE}/{made[0].public_id}/test").json()["code"] == "webhook_limit_reached"
    endpoints.remove(endpoint=made[0], actor=ACTOR, now=now())
    endpoints.remove(endpoint=made[0], actor=ACTOR, now=now())
    assert api.post(BASE, GOOD).status_code == 201


def test_owners_and_admins_change_and_everybody_else_looks(acme: Organization, ada: User, eli: User) -> None:
    endpoint = an_endpoint(acme)
    assert a_client(a_token(acme, ada, "org:read")).post(BASE, GOOD).json()["code"] == "scope_missing"
    engineer = APIClient()
    engineer.force_login(eli)
    assert engineer.post(BASE, GOOD).json()["code"] == "role_forbids"
    browser, page = a_browser(eli), f"/webhooks/{endpoint.public_id}/"
    assert "Replace secret" not in browser.get(page).content.decode()
    for action in ("change", "secret", "remove", "test", "send-again"):
        assert browser.post(f"{page}{action}/").status_code == 403
    assert recorded() == ["created"]


def test_a_life_on_the_pages(acme: Organization, ada: User) -> None:
    browser = a_browser(ada)
    made = browser.post(
        "/webhooks/create/", {"url": GOOD["url"], "families": ["lease.*"], "single": "wallet.empty, wallet.low"}
    )
    endpoint, secret = made.context["endpoint"], made.context["secret"]
    assert secret in made.content.decode() and "no-store" in made.headers["Cache-Control"]
    assert endpoint.kinds == ["lease.*", "wallet.empty", "wallet.low"]
    page = f"/webhooks/{endpoint.public_id}/"
    assert "Nothing was sent yet" in browser.get(page).content.decode()
    browser.post(f"{page}test/")
    live = browser.get(page, headers={"HX-Request": "true"}).content.decode()
    assert "webhook_endpoint.tested" in live and 'hx-trigger="every 2s"' in live and "<html" not in live
    delivery = failed(endpoint)
    shown = browser.get(page).content.decode()
    assert "It answered 500." in shown and 'hx-trigger="every 2s"' not in shown and secret not in shown
    assert "&lt;b&gt;" in browser.get(f"{page}deliveries/{delivery.public_id}/").content.decode()
    browser.post(f"{page}deliveries/{delivery.public_id}/send-again/")
    browser.post(f"{page}send-again/")
    assert set(endpoint.deliveries.values_list("state", flat=True)) == {"pending"}
    form = browser.get(f"{page}change/").context["form"]
    assert form.initial["single"] == "wallet.empty wallet.low"
    browser.post(f"{page}change/", {"url": GOOD["url"]})
    assert "Switched off" in browser.get("/webhooks/").content.decode()
    assert "Switch it on first" in browser.post(f"{page}test/", follow=True).content.decode()
    assert "Switch it on first" in browser.post(f"{page}send-again/", follow=True).content.decode()
    assert browser.get(f"{page}secret/").status_code == browser.get(f"{page}remove/").status_code == 200
    assert browser.post(f"{page}secret/").context["secret"] != secret
    assert browser.post(f"{page}remove/").headers["Location"] == "/webhooks/"
    assert "No webhooks yet" in browser.get("/webhooks/").content.decode()
