"""Movements filtered, one by one, as statements and as files: on pages and in the API the same."""

import csv
import json
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Organization
from accounts.templatetags.ui import on_day
from billing import metering
from billing.models import Posting
from billing.queries.statements import movements, statement
from leasing.models import Lease
from leasing.operations import end
from marketplace.models import Offer
from tests.billing.conftest import HOUR, NOON, SECOND, funded, give, invoiced, running
from tests.factories import DAY

pytestmark = pytest.mark.django_db
MARCH = {"since": date(2026, 3, 1), "until": date(2026, 4, 1)}
SPAN = {name: str(day) for name, day in MARCH.items()}


@pytest.fixture
def month(acme: Organization, offer: Offer) -> list[Lease]:
    """$100 on the second of March; leases of 600 s (research) and 300 s (no tag) that day; $5 in April."""
    leases = []
    for seconds, project in ((600, "research"), (300, "")):
        lease = running(acme, offer, project=project)
        end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + seconds * SECOND)
        metering.meter(lease=lease, upto=NOON + HOUR, now=NOON + HOUR + DAY * bool(not project))
        leases.append(lease)
    give(acme, 5, NOON + 40 * DAY)
    funded(7, "Other Ltd")
    return leases


def groups(organization: Organization, by: str) -> dict[str, tuple[int, int]]:
    found = statement(organization=organization, by=by, **MARCH)
    return {group.key: (group.movements, group.net_micros) for group in found.groups}


def test_a_statement_runs_from_balance_to_balance(month: list[Lease], acme: Organization) -> None:
    found = statement(organization=acme, by="lease", **MARCH)
    assert (found.opening_micros, found.closing_micros) == (0, 99_100_000)
    later = statement(organization=acme, since=date(2026, 3, 3), until=date(2026, 5, 1), by="day")
    assert (later.opening_micros, later.closing_micros) == (99_400_000, 104_100_000)


def test_it_is_grouped_by_lease_project_or_day(month: list[Lease], acme: Organization) -> None:
    research, other = month
    assert groups(acme, "lease") == {
        "": (1, 100_000_000),
        research.public_id: (1, -600_000),
        other.public_id: (1, -300_000),
    }
    assert groups(acme, "project") == {"": (2, 99_700_000), "research": (1, -600_000)}
    assert groups(acme, "day") == {"2026-03-02": (2, 99_400_000), "2026-03-03": (1, -300_000)}


@pytest.mark.parametrize("names", [("alpha", "omega"), ("omega", "alpha")])
def test_its_leases_stand_by_name(month: list[Lease], acme: Organization, names: tuple[str, str]) -> None:
    for lease, name in zip(month, names, strict=True):
        Lease.objects.filter(pk=lease.pk).update(name=name)
    found = statement(organization=acme, by="lease", **MARCH)
    assert [group.name for group in found.groups] == ["", "alpha", "omega"]


@pytest.mark.parametrize(
    ("wanted", "amounts"),
    [
        ({}, [5_000_000, -300_000, -600_000, 100_000_000]),
        ({"project": "research"}, [-600_000]),
        ({"project": ""}, [-300_000]),
        ({"day": date(2026, 3, 3)}, [-300_000]),
        ({"kind": "usage"}, [-300_000, -600_000]),
        ({"kind": "usage", "since": date(2026, 3, 3)}, [-300_000]),
        ({"without": "lease"}, [5_000_000, 100_000_000]),
        ({"without": "project"}, [5_000_000, -300_000, 100_000_000]),
        ({"line": "usage"}, [-300_000, -600_000]),
        ({"line": "fee"}, []),
        ({"invoice": "iv_of_nobody"}, []),
    ],
)
def test_movements_are_filtered(
    month: list[Lease], acme: Organization, api: APIClient, wanted: dict[str, Any], amounts: list[int]
) -> None:
    assert [entry.amount_micros for entry in movements(organization=acme, **wanted)] == amounts
    answer = api.get("/api/v1/ledger", {name: str(value) for name, value in wanted.items()}).json()
    assert [row["amount_micros"] for row in answer["results"]] == amounts


def test_the_api_shows_a_statement_and_each_movement(month: list[Lease], api: APIClient) -> None:
    answer = api.get("/api/v1/statements", {**SPAN, "by": "project"}).json()
    assert (answer["opening_micros"], answer["closing_dollars"]) == (0, "99.100000")
    assert [group["net_dollars"] for group in answer["groups"]] == ["99.700000", "-0.600000"]
    newest = api.get("/api/v1/ledger").json()["results"][0]["id"]
    one = api.get(f"/api/v1/ledger/{newest}").json()
    assert sum(entry["amount_micros"] for entry in one["entries"]) == 0
    assert (one["number"], one["hash"]) == (4, bytes(Posting.objects.get(public_id=newest).link.hash).hex())


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({**SPAN, "until": "2026-03-01"}, "until"),
        ({**SPAN, "until": "2028-01-01"}, "until"),
        ({"since": "2024-03-01"}, "until"),
        ({**SPAN, "by": "node"}, "by"),
        ({**SPAN, "since": "yesterday"}, "since"),
    ],
)
def test_a_span_that_cannot_be_is_refused_by_name(
    api: APIClient, browser: Client, wanted: dict[str, str], field: str
) -> None:
    for address in ("/api/v1/statements", "/api/v1/statements.csv"):
        refused = api.get(address, wanted)
        assert (refused.status_code, field in refused.content.decode()) == (400, True)
    assert f"<strong>{field.capitalize()}:</strong>" in browser.get("/wallet/statement/", wanted).content.decode()
    assert browser.get("/wallet/statement.csv", wanted).status_code == 400


def test_where_nothing_is_said_it_is_of_this_month(api: APIClient) -> None:
    found = api.get("/api/v1/statements").json()
    assert (found["since"], found["until"]) == (f"{now().date().replace(day=1)}", f"{now().date() + DAY}")


def test_files_say_amounts_both_ways_and_times_in_utc(
    month: list[Lease], browser: Client, api: APIClient, acme: Organization
) -> None:
    text = browser.get("/wallet/statement.csv", SPAN).content.decode()
    streamed: Any = api.get("/api/v1/statements.csv", SPAN)
    assert b"".join(streamed.streaming_content).decode() == text
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["amount_micros"] for row in rows] == ["-300000", "-600000", "100000000"]
    assert (rows[1]["amount_dollars"], rows[1]["project"]) == ("-0.600000", "research")
    assert rows[0]["at"] == "2026-03-03T13:00:00Z"
    answer = json.loads(browser.get("/wallet/statement.json", SPAN).content)
    assert answer["closing_micros"] - answer["opening_micros"] == sum(
        row["amount_micros"] for row in answer["movements"]
    )
    assert [row["hash"] for row in answer["movements"]] == [row["hash"] for row in rows]


def test_words_of_customers_are_no_formulas_in_a_spreadsheet(acme: Organization, offer: Offer, browser: Client) -> None:
    lease = running(acme, offer)
    Lease.objects.filter(pk=lease.pk).update(name="=HYPERLINK(1)")
    metering.meter(lease=lease, upto=NOON + HOUR, now=NOON + HOUR)
    (row, _) = csv.DictReader(browser.get("/wallet/statement.csv", SPAN).content.decode().splitlines())
    assert row["memo"].startswith("'=HYPERLINK(1)")


def test_pages_lead_from_amounts_to_the_entries_behind_them(month: list[Lease], browser: Client) -> None:
    research = month[0].public_id
    posting = Posting.objects.get(lease=month[0])
    filtered = browser.get("/wallet/ledger/", {"lease": research, "kind": "usage"}).content.decode()
    assert f"/wallet/ledger/{posting.public_id}/" in filtered and filtered.count('data-label="Amount"') == 1
    page = browser.get(f"/wallet/ledger/{posting.public_id}/").content.decode()
    for words in ("Revenue", bytes(posting.link.hash).hex(), f"/leases/{research}/usage/"):
        assert words in page
    assert f"/wallet/ledger/?lease={research}" in browser.get(f"/leases/{research}/receipt/").content.decode()
    assert f"?lease={research}" in browser.get("/wallet/statement/", SPAN).content.decode()
    by_day = browser.get("/wallet/statement/", {**SPAN, "by": "day"}).content.decode()
    assert f">{on_day(posting.at)}</a>" in by_day
    assert "No such movement" in browser.get("/wallet/ledger/", {"day": "2020-01-01"}).content.decode()
    assert "All movements are shown." in browser.get("/wallet/ledger/", {"day": "someday"}).content.decode()


@pytest.mark.parametrize("by", ["lease", "project"])
def test_what_a_statement_says_is_the_sum_of_the_movements_that_it_leads_to(
    month: list[Lease], acme: Organization, browser: Client, by: str
) -> None:
    give(acme, 3, NOON - 2 * DAY)
    page = browser.get("/wallet/statement/", {**SPAN, "by": by}).content.decode()
    found = statement(organization=acme, by=by, **MARCH)
    said: list[tuple[int, dict[str, Any]]] = [(found.closing_micros, {"until": MARCH["until"]})]
    said += [(found.opening_micros, {"until": MARCH["since"]})]
    said += [
        (group.net_micros, {**({by: group.key} if group.key else {"without": by}), **MARCH}) for group in found.groups
    ]
    for micros, asked in said:
        assert f'/wallet/ledger/?{urlencode(asked).replace("&", "&amp;")}"' in page
        assert sum(movements(organization=acme, **asked).values_list("amount_micros", flat=True)) == micros


def test_an_invoice_bills_exactly_the_movements_of_its_total(acme: Organization, offer: Offer) -> None:
    """Use in the last hour of March is on its invoice, though it is posted in April; April's own is not."""
    april = datetime(2026, 4, 1, tzinfo=UTC)
    late = april - HOUR / 2
    lease = running(acme, offer, now=late)
    metering.meter(lease=lease, upto=april, now=april + 120 * SECOND)
    end(lease=lease, reason="returned", actor="user:us_tests", now=april + 605 * SECOND)
    metering.meter(lease=lease, upto=april + HOUR, now=april + HOUR)
    march = invoiced(acme, now=april + DAY)
    assert march and march.total_cents == 180
    billed = movements(organization=acme, invoice=march.public_id)
    assert [entry.amount_micros for entry in billed] == [-1_800_000]
    assert not movements(organization=acme, invoice=march.public_id, line="fee").exists()
    assert not movements(organization=funded(0, "Other Ltd"), invoice=march.public_id).exists()
