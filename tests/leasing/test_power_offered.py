"""What is offered can be ordered: search, windows, calendar and holds know what power a site has left, as orders do."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.clock import now
from accounts.models import Organization
from billing import keeping
from leasing import operations
from leasing.operations import NodesTaken, PowerTaken
from marketplace.models import Offer, PlanKind
from marketplace.queries import (
    Criteria,
    OfferRow,
    Window,
    calendar,
    free_windows,
    offer_row,
    openings,
    search,
    terms_of,
)
from tests import factories
from tests.billing.conftest import a_quote, funded, place
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import hold
from tests.leasing.test_firm_power import a_limit

pytestmark = pytest.mark.django_db
NODES, CLEANING, TOMORROW = 4, timedelta(minutes=15), NOON + DAY


@pytest.fixture
def reserved(db: None) -> Offer:
    """Four nodes, for a fixed time ahead, which a quote can hold."""
    plan = factories.a_plan(PlanKind.RESERVED, hold_seconds=600)
    return factories.an_offer(factories.a_pool(nodes=NODES), plan)


@pytest.fixture
def surplus(reserved: Offer) -> Offer:
    """The same nodes, on what power is left."""
    return factories.an_offer(reserved.pool, factories.a_plan(PlanKind.SURPLUS, hold_seconds=600))


def book(acme: Organization, offer: Offer, start: int, hours: int, nodes: int) -> None:
    begin = TOMORROW + start * HOUR
    hold(acme, offer, starts_at=begin, ends_at=begin + hours * HOUR, nodes=nodes)


def offered(offer: Offer, start: int, hours: int, nodes: int = 1) -> OfferRow:
    begin = TOMORROW + start * HOUR
    wanted = Criteria(starts_at=begin, ends_at=begin + hours * HOUR, nodes=nodes, plan="reserved")
    (found,) = search(criteria=wanted, now=NOON)
    alone = offer_row(offer=offer, criteria=wanted, now=NOON)
    assert (found.free, found.free_from, found.power_short) == (alone.free, alone.free_from, alone.power_short)
    return found


def free(offer: Offer, nodes: int, until: datetime) -> list[Window]:
    """The windows that are shown from then on."""
    terms = terms_of(plan=offer.plan, at=NOON)
    return free_windows(offer=offer, terms=terms, nodes=nodes, starts_at=TOMORROW, until=until, now=NOON)


def can_be_booked(acme: Organization, offer: Offer, start: int, hours: int, nodes: int) -> bool:
    with undone():
        try:
            book(acme, offer, start, hours, nodes)
        except NodesTaken:
            return False
        return True


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize(
    ("start", "hours", "nodes", "free", "lacks", "later"),
    [
        (0, 2, 1, 3, "", 0),  # four nodes, power for three
        (0, 2, 3, 3, "", 0),
        (0, 2, 4, 3, "power", 12),
        (4, 2, 1, 1, "", 4),  # two are booked from 5 to 7
        (4, 1, 2, 1, "power", 8),  # a node is free too, but has no power until the others are clean
        (6, 7, 2, 0, "power", 12),
        (10, 4, 1, 0, "power", 12),  # no power from 10 to 12
        (8, 2, 1, 0, "power", 12),  # its cleaning would be in that time
        (12, 1, 4, 4, "", 12),  # nobody limits it any more
    ],
)
def test_an_offer_has_as_many_free_nodes_as_an_order_would_get(
    acme: Organization, reserved: Offer, start: int, hours: int, nodes: int, free: int, lacks: str, later: int
) -> None:
    site = reserved.pool.site
    a_limit(site, 3, ends_at=TOMORROW + 10 * HOUR)
    a_limit(site, 0.5, starts_at=TOMORROW + 10 * HOUR, ends_at=TOMORROW + 12 * HOUR)
    book(acme, reserved, 5, 2, 2)
    found = offered(reserved, start, hours, nodes)
    assert (found.free, found.power_short, found.free_from) == (free, lacks == "power", TOMORROW + later * HOUR)
    assert can_be_booked(acme, reserved, start, hours, nodes) == found.enough
    assert can_be_booked(acme, reserved, later, hours, nodes)


spans = st.tuples(st.integers(0, 20), st.integers(1, 12), st.integers(1, NODES))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limits=st.lists(st.integers(0, 2 * NODES), min_size=3, max_size=3),
    booked=st.lists(st.tuples(spans, st.sampled_from(["firm", "firm", "surplus", "held"])), max_size=5),
    wish=spans,
)
def test_whatever_is_offered_can_be_ordered_and_nothing_else(
    acme: Organization,
    reserved: Offer,
    surplus: Offer,
    limits: list[int],
    booked: list[tuple[tuple[int, int, int], str]],
    wish: tuple[int, int, int],
) -> None:
    with undone():
        for number, halves in enumerate(limits):
            begin = TOMORROW + number * 8 * HOUR
            a_limit(reserved.pool.site, halves / 2, starts_at=begin, ends_at=begin + 8 * HOUR)
        for number, ((start, hours, nodes), how) in enumerate(booked):
            if how == "held":
                keep(f"qt_{number}", reserved, start, hours, nodes)
            else:
                try_to_book(acme, surplus if how == "surplus" else reserved, start, hours, nodes)
        start, hours, nodes = wish
        row = offered(reserved, start, hours, nodes)
        for some in range(1, NODES + 1):
            assert can_be_booked(acme, reserved, start, hours, some) == (some <= row.free)
        assert row.free_from, "behind it all nothing is limited or booked"
        first = (row.free_from - TOMORROW) // HOUR
        fits = [can_be_booked(acme, reserved, at, hours, nodes) for at in range(start, first + 1)]
        assert fits == [False] * (first - start) + [True]
        for window in free(reserved, nodes, TOMORROW + DAY):
            since, end = -((TOMORROW - window.starts_at) // HOUR), (window.ends_at - TOMORROW) // HOUR
            if since < end:
                assert can_be_booked(acme, reserved, since, end - since, nodes)


def try_to_book(acme: Organization, offer: Offer, start: int, hours: int, nodes: int) -> None:
    with suppress(NodesTaken), transaction.atomic():
        book(acme, offer, start, hours, nodes)


def keep(quote: str, offer: Offer, start: int, hours: int, nodes: int) -> None:
    begin = TOMORROW + start * HOUR
    with suppress(NodesTaken):
        operations.keep(
            offer=offer, terms=terms_of(plan=offer.plan, at=NOON), nodes=nodes, same_fabric=False,
            starts_at=begin, ends_at=begin + hours * HOUR, quote=quote, instead_of="", until=NOON + HOUR, now=NOON,
        )  # fmt: skip


def test_a_hold_keeps_the_power_too_and_none_is_taken_that_could_not_be_ordered(reserved: Offer) -> None:
    acme, other = funded(100), funded(100, "Other Ltd")
    a_limit(reserved.pool.site, 2)
    window: dict[str, Any] = {"starts_at": TOMORROW, "ends_at": TOMORROW + 2 * HOUR}
    quote = keeping.hold_nodes(quote=a_quote(acme, reserved, nodes=2, **window), now=NOON)
    with pytest.raises(PowerTaken, match=r"20\.4 kW are sold"):
        keeping.hold_nodes(quote=a_quote(other, reserved, **window), now=NOON)
    with pytest.raises(PowerTaken):
        place(a_quote(other, reserved, **window))
    assert (offered(reserved, 0, 2).free, offered(reserved, 0, 2).power_short) == (0, True)
    assert place(quote).node_count == 2


def test_what_is_held_without_firm_power_takes_none(acme: Organization, reserved: Offer, surplus: Offer) -> None:
    a_limit(reserved.pool.site, 2)
    keep("qt_surplus", surplus, 0, 2, 2)
    assert offered(reserved, 0, 2).free == 2
    assert can_be_booked(acme, reserved, 0, 2, 2)


def test_windows_openings_and_the_calendar_leave_out_what_has_no_power(acme: Organization, reserved: Offer) -> None:
    a_limit(reserved.pool.site, 1, ends_at=TOMORROW + 2 * HOUR)
    book(acme, reserved, 0, 1, 1)
    windows = free(reserved, 1, TOMORROW + 9 * HOUR)
    assert [window.starts_at - TOMORROW for window in windows] == [HOUR + CLEANING]
    more = openings(criteria=Criteria(nodes=2), length=HOUR, until=TOMORROW + DAY, now=NOON)
    assert [opening.starts_at for opening in more] == [TOMORROW + 2 * HOUR]
    (day,) = calendar(offer=reserved, starts_on=TOMORROW.date(), days=1, zone=ZoneInfo("UTC"), now=NOON)
    assert [hour.free for hour in day.hours[11:16]] == [1, 0, 0, 4, 4]


def test_the_page_and_the_api_say_that_power_is_short_and_when_it_is_not(reserved: Offer) -> None:
    moment = now().replace(minute=0, second=0, microsecond=0) + 5 * HOUR
    a_limit(reserved.pool.site, 1, ends_at=moment + 9 * HOUR)
    asked = {
        "nodes": "2",
        "starts_at": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "ends_at": f"{moment + HOUR:%Y-%m-%dT%H:%M:%SZ}",
    }
    (found,) = Client().get("/api/v1/offers", asked).json()["results"]
    assert (found["free"], found["power_short"]) == (1, True)
    assert found["free_from"] == f"{moment + 9 * HOUR:%Y-%m-%dT%H:%M:%SZ}"
    assert Client().get(f"/api/v1/offers/{found['id']}", asked).json()["power_short"] is True
    shown = {"nodes": "2", "plan": "reserved", "zone": "UTC"} | {
        name: f"{at:%Y-%m-%dT%H:%M}" for name, at in (("starts_at", moment), ("ends_at", moment + HOUR))
    }
    page = Client().get("/", shown).content.decode()
    assert "Power, not nodes, is short here" in page and "Free from" in page
