"""The life of a lease as intervals: what was charged, what was free and why, and that they are what the meter says."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Organization
from billing import metering
from billing.queries.intervals import Interval, IntervalKind, Intervals, Stream, intervals
from leasing import schedule
from leasing.models import Lease, Machine
from leasing.operations import end, fail_start, move_machine, pause
from leasing.operations.maintaining import plan_maintenance
from leasing.states import LeaseState
from marketplace.models import Offer
from tests.billing.conftest import HOUR, NOON, SECOND, a_quote, agree, place, running
from tests.billing.test_outages import out
from tests.leasing.conftest import work_all

pytestmark = pytest.mark.django_db
K = IntervalKind


def consumed(found: Intervals) -> list[tuple[str, float, float | None, int, int, int]]:
    """Kind, from, until (seconds after noon), nodes, node-seconds, micro-dollars."""
    return [
        (row.kind, at(row.since), at(row.until) if row.until else None, row.nodes, row.node_seconds, row.micros)
        for row in found.of(Stream.CONSUMPTION)
    ]


def kept(found: Intervals) -> list[tuple[str, float, float | None]]:
    return [(row.kind, at(row.since), at(row.until) if row.until else None) for row in found.of(Stream.ALLOCATION)]


def at(moment: datetime) -> float:
    return (moment - NOON) / SECOND


@pytest.fixture
def eventful(acme: Organization, offer: Offer) -> Lease:
    """Two nodes: an outage of one, another price, a pause, the end and the wipe."""
    lease = running(acme, offer, nodes=2)
    out(lease, NOON + 100 * SECOND, NOON + 160 * SECOND)
    agree(lease, 7_200_000, from_at=NOON + 300 * SECOND)
    pause(lease=lease, reason="out_of_funds", until=NOON + HOUR, actor="system:billing", now=NOON + 400 * SECOND)
    work_all(offer, now=NOON + 400 * SECOND)
    lease.move_to(LeaseState.ACTIVE, at=NOON + 1000 * SECOND)
    end(lease=lease, reason="returned", actor="user:us_tests", now=NOON + 1100 * SECOND)
    work_all(offer, now=NOON + 1200 * SECOND)
    metering.meter(lease=lease, upto=NOON + HOUR, now=NOON + HOUR)
    return lease


def test_use_is_cut_where_its_price_or_its_nodes_change_and_outages_say_that_they_are_free(eventful: Lease) -> None:
    found = intervals(lease=eventful, at=NOON + 2 * HOUR)
    assert consumed(found) == [
        (K.USE, 0, 100, 2, 200, 200_000),
        (K.USE, 100, 160, 1, 60, 60_000),
        (K.OUTAGE, 100, 160, 1, 60, 0),
        (K.USE, 160, 300, 2, 280, 280_000),
        (K.USE, 300, 400, 2, 200, 400_000),
        (K.USE, 1000, 1100, 2, 200, 400_000),
    ]
    (outage,) = [row for row in found.all if row.kind == K.OUTAGE]
    assert outage.free and outage.why == "Free: host and tenant's SSH do not answer." and outage.node
    assert found.due_micros == found.charged_micros == sum(row.micros for row in found.all) == 1_340_000


def test_a_move_that_its_customer_asked_for_is_no_outage_and_is_free(
    api: APIClient, browser: Client, acme: Organization, offer: Offer
) -> None:
    lease = running(acme, offer)
    old = lease.machines.get()
    begins = lease.guaranteed_until + timedelta(minutes=15)
    work: dict[str, Any] = {"node": old.node, "kind": "power", "reason": "Power.", "actor": "user:us_staff"}
    plan_maintenance(starts_at=begins, ends_at=begins + HOUR, now=NOON, **work)
    schedule.renew_due(now=NOON + 60 * SECOND)
    move_machine(machine=Machine.objects.get(pk=old.pk), actor="user:us_ana", now=NOON + 100 * SECOND)
    work_all(offer, now=NOON + 160 * SECOND)
    found = intervals(lease=lease, at=NOON + 300 * SECOND)
    assert consumed(found) == [
        (K.USE, 0, 100, 1, 100, 100_000),
        (K.MOVE, 100, 160, 1, 60, 0),
        (K.USE, 160, None, 1, 140, 140_000),
    ]
    (move,) = [row for row in found.all if row.kind == K.MOVE]
    assert (move.free, move.why) == (True, "Free: it is being moved to another node, as you asked.")
    (shown,) = api.get(f"/api/v1/leases/{lease.public_id}/outages").json()["results"]
    assert (shown["cause"], shown["called_at"]) == ("moving", None)
    receipt = browser.get(f"/leases/{lease.public_id}/receipt/").content.decode()
    assert "It is being moved to another node, as you asked" in receipt and "Outage" not in receipt


def test_nodes_are_kept_until_they_are_wiped_and_that_is_free(eventful: Lease) -> None:
    found = intervals(lease=eventful, at=NOON + 2 * HOUR)
    one_node = [(K.USE, 0, 400), (K.PAUSE, 400, 1100), (K.WIPE, 1100, 1200)]
    assert sorted(kept(found)) == sorted(one_node * 2)
    assert all(row.free and row.why.startswith("Free: ") for row in found.of(Stream.ALLOCATION))


def test_a_start_that_failed_is_told_and_free(acme: Organization, offer: Offer) -> None:
    lease = place(a_quote(acme, offer))
    for attempt in range(2):
        machine = lease.machines.order_by("-pk")[0]
        fail_start(machine=machine, reason="no_answer", now=NOON + (attempt + 1) * 60 * SECOND)
    found = intervals(lease=lease, at=NOON + HOUR)
    assert sorted(kind for kind, *_ in kept(found)) == [K.FAILED_START] * 2 + [K.WIPE] * 2
    assert (consumed(found), found.due_micros) == ([], 0)


def test_what_goes_on_is_told_up_to_now(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    open_one = intervals(lease=lease, at=NOON + 90 * SECOND)
    assert consumed(open_one) == [(K.USE, 0, None, 1, 90, 90_000)]
    assert kept(open_one)[-1] == (K.USE, 0, None)


def test_a_correction_says_what_it_corrects(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    metering.meter(lease=lease, upto=NOON + HOUR, now=NOON + HOUR)
    out(lease, NOON + 600 * SECOND, NOON + 1000 * SECOND, known=NOON + HOUR + SECOND)
    metering.meter(lease=lease, upto=NOON + 2 * HOUR, now=NOON + 2 * HOUR)
    found = intervals(lease=lease, at=NOON + 2 * HOUR)
    (correction,) = found.corrections
    assert (correction.kind, correction.node_seconds, correction.micros) == (K.CORRECTION, -400, -400_000)
    assert "Of the use from 2026-03-02 12:00:00 UTC" in correction.why
    assert found.charged_micros == found.due_micros == sum(row.micros for row in found.all)


def test_fractions_of_seconds_are_not_lost(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    for second in (10, 20, 30):
        out(lease, NOON + timedelta(seconds=second + 0.3), NOON + timedelta(seconds=second + 0.7))
    found = intervals(lease=lease, at=NOON + timedelta(seconds=40.5))
    rows: list[Interval] = found.of(Stream.CONSUMPTION)
    assert found.due_micros == sum(row.micros for row in rows) == 38_000
    assert sum(row.node_seconds for row in rows if row.kind == K.OUTAGE) == 2


def test_the_page_and_the_api_show_both_streams(eventful: Lease, browser: Client, api: APIClient) -> None:
    answer = api.get(f"/api/v1/leases/{eventful.public_id}/intervals").json()
    assert (answer["due_micros"], len(answer["intervals"])) == (1_340_000, 12)
    only = api.get(f"/api/v1/leases/{eventful.public_id}/intervals", {"stream": "consumption"}).json()
    assert {row["stream"] for row in only["intervals"]} == {"consumption"}
    wrong = api.get(f"/api/v1/leases/{eventful.public_id}/intervals", {"stream": "both"})
    assert (wrong.status_code, "stream" in wrong.content.decode()) == (400, True)
    page = browser.get(f"/leases/{eventful.public_id}/usage/").content.decode()
    for words in ("Serving the tenant", "Kept for the lease", "host and tenant&#x27;s SSH do not answer", "$1.34"):
        assert words in page
    (used,) = {row["kind"] for row in api.get(f"/api/v1/leases/{eventful.public_id}/usage").json()["results"]}
    assert used == "use"
