"""What happened to a lease, as its customer reads it: states and events together, each thing once, by whom."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Event, Organization, User
from accounts.operations import record
from billing import extending, handing_back, moving
from leasing import operations
from leasing.models import Lease
from leasing.provisioners.fake import World
from leasing.queries.history import TOLD_BY_STATE, history_of
from marketplace.models import Offer
from tests.billing.agreed import END, START, active, scheduled
from tests.billing.conftest import HOUR, NOON, SECOND, a_quote
from tests.billing.test_pages import see
from tests.leasing.conftest import work_all
from tests.leasing.test_health import TURN
from tests.leasing.test_swapping import DOWN, down

pytestmark = pytest.mark.django_db


def told(browser: Client, lease: Lease) -> list[str]:
    """The rows of "What happened", newest first, without tags: "27 Nov …, 12:00:00 UTC Moved: … Ada"."""
    part = see(browser, f"/leases/{lease.public_id}/").split('<ol class="events card">')[1].split("</ol>")[0]
    rows = part.split("<li>")[1:]
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in rows]


def test_what_the_customer_did_stands_among_the_states_in_order_of_time_with_the_name(
    browser: Client, acme: Organization, ada: User, reserved: Offer
) -> None:
    lease, later = scheduled(acme, reserved), a_quote(acme, reserved, starts_at=START + HOUR, ends_at=END + HOUR)
    moving.move(lease=lease, quote=later, actor=ada.actor, now=NOON + SECOND)
    by: dict[str, Any] = {"actor": ada.actor, "lease": lease}
    extending.extend(ends_at=END + 2 * HOUR, now=NOON + 2 * SECOND, **by)
    operations.extend_itself(seconds=3600, max_micros_per_node_hour=4_000_000, now=NOON + 3 * SECOND, **by)
    operations.extend_itself(seconds=None, max_micros_per_node_hour=None, now=NOON + 4 * SECOND, **by)
    operations.rename(name="run 5", now=NOON + 5 * SECOND, **by)
    operations.tag(project="speech", now=NOON + 6 * SECOND, **by)
    said = [
        "Counts for the project speech.",
        "Renamed: “training” is “run 5” now.",
        "Does not extend itself.",
        "Extends itself by 1 h 00 min before each end, while a node-hour costs $4.00 at most.",
        "Extended: it ends 2 Mar 2026, 17:00 UTC now.",
        "Moved: it runs in Macon, Georgia from 2 Mar 2026, 14:00 UTC until 2 Mar 2026, 16:00 UTC now.",
        "Order confirmed.",
        "Nodes held for your order.",
    ]
    rows = told(browser, lease)
    assert [words for words, row in zip(said, rows, strict=True) if words not in row] == []
    assert all(row.endswith(ada.get_full_name()) for row in rows[:6])


def test_a_change_of_state_and_its_event_are_one_row(browser: Client, acme: Organization, reserved: Offer) -> None:
    lease = active(acme, reserved)
    handing_back.hand_back(lease=lease, actor="system:billing", now=START + HOUR)
    kinds = {row.kind for row in history_of(Lease.objects.get()) if isinstance(row, Event)}
    assert kinds == {"lease.handed_back"} and Event.objects.filter(kind__in=TOLD_BY_STATE).count() >= 4
    rows = told(browser, lease)
    assert [sum(words in row for row in rows) for words in ("Given back.", "The meter started", "Order confirmed")] == [
        1,
        1,
        1,
    ]


def test_an_outage_and_the_swap_that_ended_it_are_told_without_the_name_of_the_lease(
    browser: Client, acme: Organization, ada: User, world: World
) -> None:
    failed = down(acme)
    operations.swap(machine=failed, actor=ada.actor, now=DOWN + TURN)
    work_all(failed.lease.offer, now=DOWN + 4 * TURN)
    node, (whole, swapped, out, *_) = failed.node.name, told(browser, failed.lease)
    assert "Whole again. The 105 s of the outage are not charged. Gridlease" in whole
    assert f"UTC {node} is being replaced. {ada.get_full_name()}" in swapped
    assert f"UTC {node} is down. Gridlease" in out


def test_what_staff_alone_knows_of_it_and_what_others_did_stays_out(
    browser: Client, acme: Organization, reserved: Offer
) -> None:
    lease = scheduled(acme, reserved)
    about: dict[str, Any] = {"kind": "lease.watched", "actor": "user:us_staff", "at": NOON, "data": {"name": "x"}}
    record(organization=None, subject=lease.public_id, **about)
    record(organization=acme, subject="ls_another", **about)
    assert not any("watched" in row for row in told(browser, lease))


def test_a_long_history_costs_no_more_questions(browser: Client, acme: Organization, reserved: Offer) -> None:
    lease = scheduled(acme, reserved)
    operations.rename(lease=lease, name="0", actor="user:us_1", now=NOON)
    few = questions(browser, lease)
    for number in range(1, 10):
        operations.rename(lease=lease, name=str(number), actor=f"user:us_{number}", now=NOON)
    assert questions(browser, lease) == few


def questions(browser: Client, lease: Lease) -> int:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        see(browser, f"/leases/{lease.public_id}/")
    return len(asked)


def test_a_page_that_is_open_hears_of_an_event_that_changes_nothing_else(
    browser: Client, acme: Organization, reserved: Offer
) -> None:
    lease = scheduled(acme, reserved)
    found = re.search(r'hx-get="([^"]+seen=[^"]+)"', see(browser, f"/leases/{lease.public_id}/"))
    assert found and browser.get(found[1]).status_code == 204
    record(organization=acme, kind="lease.credited", subject=lease.public_id, actor="system:billing", at=NOON, data={})
    assert "Lease credited" in see(browser, found[1])


def test_its_own_name_is_no_news(acme: Organization, reserved: Offer) -> None:
    lease = scheduled(acme, reserved)
    operations.rename(lease=lease, name=lease.name, actor="user:us_1", now=NOON)
    assert not Event.objects.filter(kind="lease.renamed").exists()
