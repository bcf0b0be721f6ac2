"""A site sells no more firm power than it has: orders, extensions and renewals are refused beyond it."""

from datetime import datetime, timedelta
from functools import partial

import pytest
from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from accounts.models import Event, Organization
from leasing import operations, schedule
from leasing.models import Claim, Lease
from leasing.operations import PowerTaken, calendar
from leasing.operations.renewing import renew
from leasing.provisioners.fake import World
from leasing.queries.guarantee import Because, ending_of
from leasing.queries.power import spans_of
from leasing.states import LeaseState
from marketplace.models import Offer, PlanKind, PowerWindow, Site
from marketplace.queries import Window
from tests import factories
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import active, hold, order

pytestmark = pytest.mark.django_db
KW = 10_200  # what the tests' node draws


@pytest.fixture
def reserved(db: None) -> Offer:
    """Six nodes, for a fixed time ahead."""
    return factories.an_offer(factories.a_pool(nodes=6), factories.a_plan(PlanKind.RESERVED))


def a_limit(site: Site, nodes: float, *, starts_at: datetime | None = None, ends_at: datetime | None = None) -> None:
    """Firm power for so many nodes of the tests' type."""
    PowerWindow.objects.create(
        site=site, period=DateTimeTZRange(starts_at, ends_at), firm_watts=int(nodes * KW), likely_watts=0,
        surplus_watts=0, derivation=[], counted_at=NOON,
    )  # fmt: skip


def book(acme: Organization, offer: Offer, start: int, hours: int, nodes: int = 1) -> Lease:
    """A lease from `start` hours after tomorrow's noon on."""
    begin = NOON + DAY + start * HOUR
    return order(acme, offer, starts_at=begin, ends_at=begin + hours * HOUR, nodes=nodes)


def test_an_order_beyond_the_limit_names_it_and_says_when_more_is_free(acme: Organization, reserved: Offer) -> None:
    a_limit(reserved.pool.site, 3.9)
    book(acme, reserved, 0, 4, nodes=2), book(acme, reserved, 2, 4)
    with pytest.raises(PowerTaken) as refused:
        book(acme, reserved, 1, 3)
    words = str(refused.value)
    assert "Macon may sell 39.8 kW of firm power, and 30.6 kW are sold at 2026-03-03 14:00 UTC" in words
    assert "this needs 10.2 kW. More is free from 2026-03-03 16:15 UTC on." in words, "cleaning takes power too"
    assert Lease.objects.count() == 2
    assert book(acme, reserved, -2, 3) and book(acme, reserved, 5, 1, nodes=2), "beside them there is enough"


def test_without_a_window_or_on_a_surplus_plan_there_is_no_limit(acme: Organization, reserved: Offer) -> None:
    book(acme, reserved, 0, 1, nodes=2)
    a_limit(reserved.pool.site, 0)
    assert spans_of(site=reserved.pool.site, window=Window(NOON, NOON + DAY), now=NOON)[0].firm_watts == 0
    with pytest.raises(PowerTaken):
        book(acme, reserved, 10, 1)
    type(reserved.plan).objects.update(kind="surplus")
    reserved.plan.refresh_from_db()
    assert book(acme, reserved, 10, 1), "it takes what is left, and is promised none"


def test_limits_that_change_hold_each_in_its_own_time(acme: Organization, reserved: Offer) -> None:
    site, change = reserved.pool.site, NOON + DAY + 2 * HOUR
    a_limit(site, 3, ends_at=change)
    a_limit(site, 1, starts_at=change, ends_at=change + HOUR)
    assert book(acme, reserved, 0, 1, nodes=3)
    with pytest.raises(PowerTaken, match=r"may sell 10.2 kW .* from 2026-03-03 15:00 UTC on"):
        book(acme, reserved, 2, 1, nodes=2)
    assert book(acme, reserved, 4, 1, nodes=3), "after the last window nothing is said"


def test_an_open_ended_lease_is_guaranteed_no_further_than_there_is_power(acme: Organization, reserved: Offer) -> None:
    on_demand = factories.an_offer(reserved.pool)
    a_limit(reserved.pool.site, 2)
    book(acme, reserved, 0, 2, nodes=2)
    lease = order(acme, on_demand)
    assert lease.guaranteed_until == NOON + DAY - timedelta(minutes=15)
    assert not renew(lease=lease, now=NOON + HOUR), "nor by renewal"


def on_demand_before(reserved: Offer, acme: Organization) -> Lease:
    """On demand, until others have all of the site's power tomorrow."""
    a_limit(reserved.pool.site, 2)
    book(acme, reserved, 0, 2, nodes=2)
    return active(factories.an_organization("On Demand Ltd"), factories.an_offer(reserved.pool))


def told(kind: str = "lease.guarantee_ending") -> list[Event]:
    return list(Event.objects.filter(kind=kind, notice__isnull=False).order_by("pk"))


def test_a_guarantee_that_ends_for_want_of_power_is_told_once_and_as_such(
    acme: Organization, reserved: Offer, world: World
) -> None:
    lease = on_demand_before(reserved, acme)
    for hours in (1, 2, 3):
        schedule.renew_due(now=NOON + hours * HOUR)
    (event,) = told()
    assert event.notice and (event.data["because"], event.data["equal_nodes_free"]) == ("power", 0)
    assert "not enough firm power" in event.notice["text"] and "booked" not in event.notice["text"]
    lease.refresh_from_db()
    ending = ending_of(lease, now=NOON + HOUR)
    assert ending and (ending.because, ending.equal, ending.movable) == (Because.POWER, 0, [])
    schedule.end_due(now=lease.guaranteed_until)
    lease.refresh_from_db()
    assert (lease.state, lease.reason) == (LeaseState.RECLAIMING, "no_firm_power")


def test_more_power_moves_a_guarantee_on_and_only_its_whole_time_is_news(
    acme: Organization, reserved: Offer, world: World
) -> None:
    lease = on_demand_before(reserved, acme)
    schedule.renew_due(now=NOON + HOUR)
    PowerWindow.objects.update(firm_watts=3 * KW, period=DateTimeTZRange(None, NOON + 3 * DAY))
    a_limit(reserved.pool.site, 0, starts_at=NOON + 3 * DAY)
    schedule.renew_due(now=NOON + 2 * HOUR)
    lease.refresh_from_db()
    assert lease.guaranteed_until == NOON + 3 * DAY - timedelta(minutes=15)
    assert (len(told()), told("lease.guarantee_renewed")) == (1, [])
    PowerWindow.objects.update(firm_watts=3 * KW)
    schedule.renew_due(now=NOON + 3 * HOUR)
    lease.refresh_from_db()
    assert (lease.guaranteed_until, lease.guarantee_notice_at) == (NOON + 3 * HOUR + 7 * DAY, None)
    assert (len(told()), len(told("lease.guarantee_renewed"))) == (1, 1)


def test_power_that_a_quote_holds_for_some_minutes_is_no_news(
    acme: Organization, reserved: Offer, world: World
) -> None:
    a_limit(reserved.pool.site, 2)
    nodes = list(reserved.pool.nodes.order_by("pk").values_list("pk", flat=True))[-2:]
    window, until = Window(NOON + DAY, NOON + DAY + HOUR), NOON + 2 * HOUR
    calendar.hold(node_ids=nodes, period=window, quote="qt_other", until=until, firm=True)
    lease = active(acme, factories.an_offer(reserved.pool))
    schedule.renew_due(now=NOON + HOUR)
    assert lease.guaranteed_until == NOON + DAY - timedelta(minutes=15) and told() == []
    schedule.renew_due(now=until)
    lease.refresh_from_db()
    assert lease.guaranteed_until == until + 7 * DAY


def test_an_extension_needs_power_too(acme: Organization, reserved: Offer) -> None:
    begin = NOON + DAY
    a_limit(reserved.pool.site, 3, ends_at=begin + 4 * HOUR)
    a_limit(reserved.pool.site, 2, starts_at=begin + 4 * HOUR)
    lease = book(acme, reserved, 0, 2)
    book(acme, reserved, 1, 5, nodes=2)
    extend = partial(operations.extend, lease=lease, actor="user:us_tests", price="", now=NOON + HOUR)
    extend(ends_at=begin + 3 * HOUR)
    with pytest.raises(PowerTaken, match=r"Macon may sell 20.4 kW .* can go on until 2026-03-03 15:00 UTC") as refused:
        extend(ends_at=begin + 5 * HOUR)
    assert refused.value.furthest == begin + 3 * HOUR, "cleaning takes power too"


def test_the_database_and_the_page_count_the_same(acme: Organization, reserved: Offer) -> None:
    site, begin = reserved.pool.site, NOON + DAY
    a_limit(site, 6, ends_at=begin + 5 * HOUR)
    a_limit(site, 4, starts_at=begin + 5 * HOUR)
    for start, hours, nodes in ((0, 4, 1), (1, 6, 2), (2, 1, 3), (8, 2, 4)):
        hold(acme, reserved, starts_at=begin + start * HOUR, ends_at=begin + (start + hours) * HOUR, nodes=nodes)
    assert Claim.objects.count() == 10
    window = Window(begin - HOUR, begin + 12 * HOUR)
    spans = spans_of(site=site, window=window, now=NOON)
    assert [span.sold_watts // KW for span in spans] == [0, 1, 3, 6, 3, 2, 2, 0, 4, 0]
    assert (spans[0].starts_at, spans[-1].ends_at) == (window.starts_at, window.ends_at)
    for nodes in range(1, 7):
        first = next((span.starts_at for span in spans if not span.has(nodes * KW)), window.ends_at)
        with connection.cursor() as cursor:
            wanted = DateTimeTZRange(window.starts_at, window.ends_at)
            cursor.execute(
                "SELECT leasing_take_power(%s, %s, %s::tstzrange, '', %s)", [reserved.pk, nodes, wanted, NOON]
            )
            assert cursor.fetchone() == (first,)


def test_a_lease_moves_only_to_where_there_is_power_its_own_counted_as_free(
    acme: Organization, reserved: Offer
) -> None:
    site, begin = reserved.pool.site, NOON + DAY
    a_limit(site, 3)
    lease = book(acme, reserved, 0, 4, nodes=2)
    book(acme, reserved, 8, 4, nodes=2)
    move = partial(
        operations.move, lease=lease, offer=reserved, terms=lease.terms, rate=lease.rate, quote="", actor="user:us_x",
        price="", now=NOON,
    )  # fmt: skip
    with pytest.raises(PowerTaken, match=r"may sell 30.6 kW of firm power, and 20.4 kW are sold at 2026-03-03 20:00"):
        move(starts_at=begin + 7 * HOUR, ends_at=begin + 9 * HOUR)
    move(starts_at=begin + 2 * HOUR, ends_at=begin + 5 * HOUR)
    assert {claim.period.lower for claim in lease.claims.filter(released_at=None)} == {begin + 2 * HOUR}
