"""Leases that extend themselves: when, up to which price, and what their owner hears where it cannot be."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection

import leasing.operations
from accounts.models import Event, Organization
from billing import extending, handing_back, tasks
from leasing.models import Lease, LeaseChange
from leasing.operations import WindowRefused
from marketplace.models import Offer, Plan, PlanKind, Rate
from tests import factories
from tests.billing.agreed import ACTOR, END, START, active, behind, costs_from_now_on, extend
from tests.billing.conftest import HOUR, NOON, SECOND, a_quote, funded, give, place
from tests.factories import DAY

pytestmark = pytest.mark.django_db


def by_itself(lease: Lease, *, step: timedelta = HOUR, most: int = 3_600_000) -> None:
    seconds = step // SECOND
    extending.extend_itself(lease=lease, seconds=seconds, max_micros_per_node_hour=most, actor=ACTOR, now=NOON)


def by_no_more(lease: Lease) -> None:
    extending.extend_itself(lease=lease, seconds=None, max_micros_per_node_hour=None, actor=ACTOR, now=NOON)


def sweep(now: datetime) -> None:
    for lease in extending.due(now=now):
        extending.extend_by_itself(lease=lease, now=now)


def test_a_lease_extends_itself_an_hour_before_each_end(acme: Organization, reserved: Offer) -> None:
    lease = active(acme, reserved)
    by_itself(lease)
    sweep(END - HOUR - SECOND)
    assert Lease.objects.get().ends_at == END
    sweep(END - HOUR)
    sweep(END - HOUR)
    assert Lease.objects.get().ends_at == END + HOUR
    sweep(END)
    assert Lease.objects.get().ends_at == END + 2 * HOUR
    by_no_more(lease)
    sweep(END + HOUR)
    assert Lease.objects.get().ends_at == END + 2 * HOUR


def test_a_lease_that_is_shortened_extends_itself_no_more(acme: Organization, reserved: Offer) -> None:
    """It would take back the time that was just handed back, and pay for it once more."""
    lease = active(acme, reserved)
    by_itself(lease)
    handing_back.shorten(lease=lease, ends_at=END - HOUR, actor=ACTOR, now=START)
    sweep(END - 2 * HOUR)
    lease.refresh_from_db()
    assert (lease.ends_at, lease.auto_extend_seconds, lease.auto_extend_max_micros) == (END - HOUR, None, None)
    assert Event.objects.get(kind="lease.shortened").data["auto_extend_off"] is True


def test_two_sweeps_at_once_extend_it_by_one_step(acme: Organization, reserved: Offer) -> None:
    by_itself(active(acme, reserved))
    first, second = extending.due(now=END - HOUR), extending.due(now=END - HOUR)
    for found in (*first, *second):
        extending.extend_by_itself(lease=found, now=END - HOUR)
    assert Lease.objects.get().ends_at == END + HOUR and LeaseChange.objects.count() == 1


def test_terms_that_ask_early_move_the_moment(acme: Organization, reserved: Offer) -> None:
    factories.the_terms(reserved.plan, starts_at=NOON - DAY, extend_until_seconds=1800)
    by_itself(active(acme, reserved))
    assert extending.due(now=END - HOUR - 1801 * SECOND) == []
    assert len(extending.due(now=END - HOUR - 1800 * SECOND)) == 1


def test_terms_that_allow_it_late_do_too(acme: Organization, reserved: Offer) -> None:
    factories.the_terms(reserved.plan, starts_at=NOON - DAY, extend_from_seconds=600)
    by_itself(active(acme, reserved))
    assert extending.due(now=END - 601 * SECOND) == []
    sweep(END - 600 * SECOND)
    assert Lease.objects.get().ends_at == END + HOUR


def not_extended() -> list[str]:
    return [event.data["why"] for event in Event.objects.filter(kind="lease.not_extended").order_by("pk")]


def test_above_the_ceiling_it_is_not_extended_and_the_customer_hears_why_once(
    acme: Organization, reserved: Offer
) -> None:
    by_itself(active(acme, reserved))
    costs_from_now_on(reserved, 4_000_000)
    for minute in range(3):
        sweep(END - HOUR + minute * 60 * SECOND)
    assert Lease.objects.get().ends_at == END
    assert not_extended() == ["More time costs $4.000000 per node-hour now, and you take $3.600000 at most."]
    Rate.objects.create(offer=reserved, micros_per_node_hour=3_000_000, starts_at=END - HOUR)
    sweep(END - SECOND)  # cheap again, in time
    assert Lease.objects.get().ends_at == END + HOUR


def test_without_money_or_nodes_it_hears_too_and_again_for_the_next_end(single: Offer) -> None:
    poor = funded(8)
    lease = active(poor, single)
    by_itself(lease)
    sweep(END - HOUR)
    assert not_extended() == ["$2.80 are missing in the wallet for 1 hour more."]
    give(poor, 10)
    sweep(END - SECOND)
    assert Lease.objects.get().ends_at == END + HOUR
    behind(single, END + 2 * HOUR)
    sweep(END + SECOND)
    sweep(END + 2 * SECOND)
    assert "Somebody has booked" in not_extended()[1] and len(not_extended()) == 2


@pytest.mark.parametrize(("seconds", "words"), [(1800, "multiples of 1 hour"), (61 * 86_400, "60 days at most")])
def test_a_step_that_the_terms_do_not_know_is_refused(
    acme: Organization, reserved: Offer, seconds: int, words: str
) -> None:
    lease = active(acme, reserved)
    with pytest.raises(WindowRefused, match=words):
        extending.extend_itself(lease=lease, seconds=seconds, max_micros_per_node_hour=1, actor=ACTOR, now=START)


def test_the_task_extends_what_is_due(acme: Organization) -> None:
    at = datetime.now(tz=NOON.tzinfo).replace(minute=0, second=0, microsecond=0)
    plan: Plan = factories.a_plan(PlanKind.RESERVED)
    offer = factories.an_offer(factories.a_pool(nodes=1), plan)
    begun = at - 2 * HOUR
    lease = place(a_quote(acme, offer, now=begun, starts_at=begun + HOUR, ends_at=at + HOUR), now=begun)
    by_itself(lease)
    tasks.extend_leases()
    assert Lease.objects.get().ends_at == at + 2 * HOUR


def test_a_sweep_heeds_what_was_chosen_since_it_began(acme: Organization, reserved: Offer) -> None:
    lease = active(acme, reserved)
    by_itself(lease)
    (found,) = extending.due(now=END - HOUR)
    Lease.objects.update(auto_extend_max_micros=3_599_999)
    extending.extend_by_itself(lease=found, now=END - HOUR)
    assert Lease.objects.get().ends_at == END
    assert not_extended() == ["More time costs $3.600000 per node-hour now, and you take $3.599999 at most."]
    by_itself(lease, step=2 * HOUR)
    extending.extend_by_itself(lease=found, now=END - HOUR)
    assert Lease.objects.get().ends_at == END + 2 * HOUR
    (found,) = extending.due(now=END + HOUR)
    by_no_more(lease)
    extending.extend_by_itself(lease=found, now=END + HOUR)
    assert Lease.objects.get().ends_at == END + 2 * HOUR and len(not_extended()) == 1


def test_a_sweep_that_found_another_end_leaves_the_lease_to_the_next(acme: Organization, reserved: Offer) -> None:
    lease = active(acme, reserved)
    extend(lease, END + HOUR)
    by_itself(lease)
    (found,) = extending.due(now=END)
    handing_back.shorten(lease=lease, ends_at=END, actor=ACTOR, now=END - HOUR)
    extending.extend_by_itself(lease=found, now=END - HOUR)
    assert Lease.objects.get().ends_at == END


@pytest.mark.django_db(transaction=True)
def test_who_switches_it_off_while_a_sweep_extends_waits_for_its_end(
    monkeypatch: pytest.MonkeyPatch, acme: Organization, reserved: Offer
) -> None:
    """Once it is off, nothing is extended any more: a sweep has ended before, or reads that it is off."""
    lease = active(acme, reserved)
    by_itself(lease)
    (found,) = extending.due(now=END - HOUR)
    off, ends = Thread(target=in_a_thread, args=[lambda: by_no_more(lease)]), list[datetime | None]()

    def extend_slowly(**how: Any) -> LeaseChange:
        off.start()
        while off.is_alive() and not somebody_waits():
            off.join(timeout=0.01)
        ends.append(Lease.objects.get().ends_at if not off.is_alive() else None)
        return extended(**how)

    extended = leasing.operations.extend
    monkeypatch.setattr(leasing.operations, "extend", extend_slowly)
    extending.extend_by_itself(lease=found, now=END - HOUR)
    off.join()
    fresh = Lease.objects.get()
    assert (ends, fresh.ends_at, fresh.auto_extend_seconds) == ([None], END + HOUR, None)


def somebody_waits() -> bool:
    """For a lock in the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        (found,) = cursor.fetchone()
    return bool(found)


def in_a_thread(act: Callable[[], None]) -> None:
    """With a connection of its own."""
    try:
        act()
    finally:
        connection.close()
