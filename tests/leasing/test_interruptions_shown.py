"""What a tenant sees of an interruption, and answers: on the page, through the API; and what staff may do."""

import re
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.test import Client
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Event, Organization
from leasing.models import Interruption, Lease, LeaseKey
from leasing.operations import call_off
from leasing.states import InterruptionState, LeaseState
from marketplace.models import PowerWindow
from tests import factories
from tests.accounts.cast import a_browser, a_client, a_token
from tests.factories import DAY
from tests.leasing.conftest import active
from tests.leasing.interrupted import MINUTE, NOTICE, STAFF, a_surplus_lease, announced, pass_to, surplus

pytestmark = pytest.mark.usefixtures("world")


@pytest.fixture
def lease(acme: Organization) -> Lease:
    moment = now()
    return a_surplus_lease(acme, now=moment, starts_at=moment)


@pytest.fixture
def row(lease: Lease) -> Interruption:
    return announced(lease, now=now())


@pytest.fixture
def browser(acme: Organization) -> Client:
    owner = acme.members.first()
    assert owner
    return a_browser(owner)


@pytest.fixture
def api(acme: Organization) -> APIClient:
    owner = acme.members.first()
    assert owner
    return a_client(a_token(acme, owner))


def text(browser: Client, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_lease_page_counts_down_and_offers_both_answers(browser: Client, lease: Lease, row: Interruption) -> None:
    page = text(browser, f"/leases/{lease.public_id}/")
    assert "Paused for power in" in page and 'data-count="down"' in page
    assert "I am ready" in page and "Ask for 15 more minutes" in page
    call_off(interruption=row, actor=STAFF, now=now())
    assert "Paused for power" not in text(browser, f"/leases/{lease.public_id}/")


def test_ready_in_the_browser_pauses_at_once_and_the_page_says_so(
    browser: Client, lease: Lease, row: Interruption
) -> None:
    address = f"/leases/{lease.public_id}/interruptions/"
    page = text(browser, address)
    assert "I am ready: pause it now" in page and "4 of 4" not in page and "3 of 4" in page
    assert browser.post(f"{address}answer/", {"answer": "ready"}).status_code == 302
    pass_to(lease, now())
    assert lease.state == LeaseState.PAUSED
    page = text(browser, f"/leases/{lease.public_id}/")
    assert "<strong>Paused for power.</strong>" in page and "wallet" not in page.split("Paused for power.")[1][:300]
    row.refresh_from_db()
    assert f"{row.short_seconds} s" in text(browser, address)
    assert browser.get(f"{address}answer/").status_code == 302


def test_more_minutes_in_the_browser_are_checked_beside_the_field(
    browser: Client, lease: Lease, row: Interruption
) -> None:
    address, begins_at = f"/leases/{lease.public_id}/interruptions/answer/", row.begins_at
    refused = browser.post(address, {"minutes": "16"}).content.decode()
    assert "Ask for 15 minutes at most." in re.sub("<[^>]+>", "", refused)
    assert browser.post(address, {"minutes": "10"}).status_code == 302
    row.refresh_from_db()
    assert row.begins_at == begins_at + 10 * MINUTE
    assert "Ask for" not in text(browser, f"/leases/{lease.public_id}/")


def test_the_script_lists_asks_for_more_and_is_ready(api: APIClient, lease: Lease, row: Interruption) -> None:
    address = f"/api/v1/leases/{lease.public_id}/interruptions"
    (shown,) = api.get(address).json()["results"]
    assert (shown["id"], shown["state"], shown["more_seconds_left"]) == (row.public_id, "scheduled", 900)
    wrong = api.post(f"{address}/{row.public_id}/more-time", {"seconds": 901}, format="json")
    assert (wrong.status_code, wrong.json()["detail"]) == (409, "Ask for 1 to 900 s more, or for none.")
    for _ in range(2):
        assert api.post(f"{address}/{row.public_id}/more-time", {"seconds": 900}, format="json").status_code == 200
    for _ in range(2):
        said = api.post(f"{address}/{row.public_id}/ready").json()
        assert (said["state"], said["more_seconds_left"]) == (InterruptionState.PAUSING, 0)
    assert NOTICE - MINUTE < timedelta(seconds=said["short_seconds"]) <= NOTICE  # of what was promised, not of the gift


def test_a_lease_that_is_not_surplus_is_never_interrupted_and_says_so(browser: Client, acme: Organization) -> None:
    moment = now()
    lease = active(acme, factories.an_offer(), now=moment, starts_at=moment)
    assert "Never interrupted" in text(browser, f"/leases/{lease.public_id}/interruptions/")


def test_everybody_technical_is_told_by_mail_with_the_ways_to_answer(lease: Lease, row: Interruption) -> None:
    event = Event.objects.get(kind="lease.interrupt_scheduled")
    assert event.notice is not None
    assert event.notice["title"] == f"training will be paused at {row.begins_at:%Y-%m-%d %H:%M} UTC"
    for words in ("nothing is charged", "ask once for up to 15 minutes more", "credited for the rest of the notice"):
        assert words in event.notice["text"]
    assert LeaseKey.objects.filter(lease=lease).exists()


def test_what_may_be_taken_is_said_before_one_orders(browser: Client, acme: Organization) -> None:
    offer = surplus()
    page = text(browser, f"/order/?offer={offer.public_id}").replace("\xa0", " ")
    assert "It runs on spare power" in page
    assert "1 hour after a notice, 15 minutes later if you ask; at most 4 interruptions and 12 hours in 30 days" in page
    assert "credited by rule" in page
    firm = factories.an_offer(offer.pool, factories.a_plan())
    assert "spare power" not in text(browser, f"/order/?offer={firm.public_id}")


def test_the_hours_of_power_are_shown_where_the_site_has_said_them(browser: Client, acme: Organization) -> None:
    offer, moment = surplus(), now()
    addresses = [f"/offers/{offer.public_id}/", f"/order/?offer={offer.public_id}"]
    assert not any("Power for this node" in text(browser, address) for address in addresses)
    PowerWindow.objects.create(
        site=offer.pool.site,
        period=DateTimeTZRange(moment - DAY, moment + 3 * DAY),
        firm_watts=5_000,
        likely_watts=6_000,
        surplus_watts=0,
        derivation=[],
        counted_at=moment,
    )
    for address in addresses:
        assert "<strong>Likely power</strong>" in text(browser, address)


def test_the_terminal_interrupts_a_lease_and_ends_that(lease: Lease, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("interrupt", lease.public_id, "--lasts", "30", "--cause", "grid")
    row = Interruption.objects.get()
    assert (row.cause, row.ends_at - row.begins_at) == ("grid", 30 * MINUTE)
    with pytest.raises(CommandError, match="already"):
        call_command("interrupt", lease.public_id)
    call_command("interrupt", lease.public_id, "--over")
    assert f"{row.public_id} is called off." in capsys.readouterr().out
    with pytest.raises(CommandError, match="no interruption"):
        call_command("interrupt", lease.public_id, "--over")
    with pytest.raises(CommandError, match="There is no lease"):
        call_command("interrupt", "ls_none")


def test_staff_announces_one_and_ends_it(staff_browser: Client, lease: Lease) -> None:
    address, moment = f"/api/v1/operations/leases/{lease.public_id}/interruptions", now()
    asked = {"begins_at": moment + NOTICE / 2, "ends_at": moment + 2 * NOTICE, "cause": "grid"}
    refused = staff_browser.post(address, asked, content_type="application/json")
    assert refused.status_code == 409
    assert "Its notice is 1 hour" in refused.json()["detail"]
    asked["begins_at"] = moment + NOTICE + MINUTE
    made = staff_browser.post(address, asked, content_type="application/json")
    assert (made.status_code, made.json()["state"]) == (201, "scheduled")
    one = f"/api/v1/operations/interruptions/{made.json()['id']}"
    assert staff_browser.post(f"{one}/call-off").json()["state"] == "called_off"
    assert staff_browser.post(f"{one}/call-off").status_code == 409
    assert staff_browser.post(f"{one}/power-back").json()["state"] == "called_off"


def test_staff_announces_one_and_calls_it_off_on_the_leases_page(
    staff_browser: Client, acme: Organization, lease: Lease
) -> None:
    address, moment = f"/operations/leases/{lease.public_id}/interruptions/", now()

    def post(begins_in: int, lasts: int) -> str:
        begins = moment + begins_in * MINUTE
        wanted = {"begins_at": f"{begins:%Y-%m-%dT%H:%M}", "ends_at": f"{begins + lasts * MINUTE:%Y-%m-%dT%H:%M}"}
        return staff_browser.post(address, wanted | {"cause": "grid"}, follow=True).content.decode()

    for minutes, field, words in (
        ((30, 60), "begins_at", "Its notice is"),
        ((90, -5), "ends_at", "after the beginning"),
        ((90, 60 * 24), "ends_at", "interruption budget of 30 days has"),
    ):
        page = post(*minutes)
        assert words in re.sub("<[^>]+>", "", page) and f'id="id_{field}_error"' in page, field
    assert not Interruption.objects.exists()
    assert "Announced: by event" in post(90, 60)
    row = Interruption.objects.get()
    assert (row.cause, row.state, row.requested_by[:5]) == ("grid", "scheduled", "user:")
    page = staff_browser.post(address, {"ending": "call_off"}, follow=True).content.decode()
    assert "Called off" in page and "Announce one" in page
    late = announced(lease, now=now())
    pass_to(lease, now() + NOTICE)
    assert "It has begun" in staff_browser.post(address, {"ending": "call_off"}, follow=True).content.decode()
    staff_browser.post(address, {"ending": "power_back"})
    late.refresh_from_db()
    assert late.power_back_at is not None
    firm = active(acme, factories.an_offer(), name="firm")
    assert "Never interrupted" in text(staff_browser, address.replace(lease.public_id, firm.public_id))
