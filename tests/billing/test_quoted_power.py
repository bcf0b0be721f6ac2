"""A quote for more than a site has power for is refused at once, in the words of the order and the hold."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.test import Client
from rest_framework.test import APIClient

from accounts.clock import now as database_now
from accounts.models import Event, Organization
from accounts.templatetags.ui import unbroken
from billing import extending, keeping, moving
from billing.models import Quote
from leasing.models import Lease
from leasing.operations import NodesTaken, PowerTaken
from marketplace.models import Offer, PlanKind, PowerWindow
from tests import factories
from tests.billing.agreed import ACTOR, END, START
from tests.billing.conftest import HOUR, NOON, a_quote, funded, place
from tests.billing.test_api import an_order, post
from tests.billing.test_pages import hidden, see
from tests.leasing.test_firm_power import a_limit

pytestmark = pytest.mark.django_db
AHEAD: Mapping[str, Any] = {"starts_at": START, "ends_at": END}


@pytest.fixture
def reserved(db: None) -> Offer:
    """Three nodes that a quote can hold, where there is power for two."""
    plan = factories.a_plan(PlanKind.RESERVED, hold_seconds=600)
    offer = factories.an_offer(factories.a_pool(nodes=3), plan)
    a_limit(offer.pool.site, 2)
    return offer


@pytest.fixture
def other(db: None) -> Organization:
    return funded(100, "Other Ltd")


@pytest.fixture
def begin(db: None) -> datetime:
    """A full hour, tomorrow by the clock that the API has."""
    return database_now().replace(minute=0, second=0, microsecond=0) + timedelta(days=1)


def sold(reserved: Offer, organization: Organization, *, nodes: int = 2, **window: Any) -> Lease:
    """Power that is gone."""
    return place(a_quote(organization, reserved, nodes=nodes, **{**AHEAD, **window}))


def test_quote_hold_and_order_are_refused_in_the_same_words(
    api: APIClient, acme: Organization, other: Organization, reserved: Offer, begin: datetime
) -> None:
    window = {"starts_at": begin.isoformat(), "ends_at": (begin + 2 * HOUR).isoformat()}
    wish = {"offer": reserved.public_id, "nodes": 1, **window}
    quoted = [post(api, "quotes", wish).json() for _ in range(2)]
    now = database_now()
    place(a_quote(other, reserved, now=now, nodes=2, starts_at=begin, ends_at=begin + 2 * HOUR), now=now)
    answers = [
        post(api, "quotes", wish),
        post(api, "quotes", {**wish, "hold": True}),
        post(api, "leases", an_order(acme, quoted[0])),
    ]
    problem, *others = [answer.json() for answer in answers]
    assert [answer.status_code for answer in answers] == [409] * 3
    assert others == [problem, problem]
    assert problem["code"] == "power_taken" and problem["wanted_watts"] == 10_200
    again = f"{begin + 2 * HOUR + timedelta(minutes=15):%Y-%m-%d %H:%M} UTC"
    assert problem["detail"] == (
        f"Macon may sell 20.4 kW of firm power, and 20.4 kW are sold at {begin:%Y-%m-%d %H:%M} UTC; this needs 10.2 kW."
        f" More is free from {again} on. Choose then, fewer nodes, or another site."
    )
    with pytest.raises(PowerTaken) as held:
        keeping.hold_nodes(quote=Quote.objects.get(public_id=quoted[1]["id"]), now=now)
    assert str(held.value) == problem["detail"]
    assert Quote.objects.filter(organization=acme).count() == 2, "what is refused is not kept"


def test_less_another_time_or_a_plan_that_is_promised_none_is_quoted(
    acme: Organization, other: Organization, reserved: Offer
) -> None:
    on_demand = factories.an_offer(reserved.pool)
    surplus = factories.an_offer(reserved.pool, factories.a_plan(PlanKind.SURPLUS))
    sold(reserved, other, nodes=1)
    sold(reserved, other, nodes=2, starts_at=NOON + 9 * HOUR, ends_at=NOON + 10 * HOUR)
    with pytest.raises(PowerTaken, match=r"10\.2 kW are sold at 2026-03-02 13:00 UTC; this needs 20\.4 kW"):
        a_quote(acme, reserved, nodes=2, **AHEAD)
    assert a_quote(acme, reserved, nodes=1, **AHEAD)
    with pytest.raises(PowerTaken, match=r"may sell 20\.4 kW"):
        a_quote(acme, reserved, nodes=1, starts_at=NOON + 8 * HOUR, ends_at=NOON + 9 * HOUR)  # and cleaning behind
    assert a_quote(acme, reserved, nodes=2, starts_at=NOON + 5 * HOUR, ends_at=NOON + 7 * HOUR)
    with pytest.raises(PowerTaken, match=r"0\.0 kW are sold at 2026-03-02 12:00 UTC; this needs 30\.6 kW"):
        a_quote(acme, on_demand, nodes=3)
    assert a_quote(acme, on_demand, nodes=2)
    assert a_quote(acme, surplus, nodes=3)


def test_nodes_that_are_taken_do_not_keep_anybody_from_a_price(acme: Organization, other: Organization) -> None:
    single = factories.an_offer(factories.a_pool(nodes=1), factories.a_plan(PlanKind.RESERVED))
    sold(single, other, nodes=1)
    assert a_quote(acme, single, **AHEAD), "others may give them back while it is kept"


def whose_power_ends(organization: Organization, offer: Offer, begin: datetime) -> Lease:
    """A lease of two hours at a site that may sell none of its power two hours later."""
    PowerWindow.objects.update(period=DateTimeTZRange(None, begin + 4 * HOUR))
    a_limit(offer.pool.site, 0, starts_at=begin + 4 * HOUR)
    window: dict[str, Any] = {"starts_at": begin, "ends_at": begin + 2 * HOUR}
    return place(a_quote(organization, offer, now=database_now(), **window), now=database_now())


def test_an_extension_without_power_is_refused_as_an_order_is_with_how_far_it_can_go_on(
    api: APIClient, browser: Client, acme: Organization, reserved: Offer, begin: datetime
) -> None:
    lease = whose_power_ends(acme, reserved, begin)
    address = f"/api/v1/leases/{lease.public_id}/extend"
    answer = api.post(address, {"ends_at": begin + 5 * HOUR}, format="json")
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["wanted_watts"]) == (409, "power_taken", 10_200)
    assert problem["furthest_ends_at"] == f"{begin + 3 * HOUR:%Y-%m-%dT%H:%M:%SZ}"
    words = f"this needs 10.2 kW. The lease can go on until {begin + 3 * HOUR:%Y-%m-%d %H:%M} UTC."
    assert problem["detail"].endswith(words)
    typed = {"ends_at": f"{begin + 5 * HOUR:%Y-%m-%dT%H:%M}"}
    page = browser.post(f"/leases/{lease.public_id}/extend/", typed).content.decode()
    assert "Nothing was changed" in page and typed["ends_at"] in page and " disabled>Extend" in page
    extending.extend_itself(
        lease=lease, seconds=3 * 3600, max_micros_per_node_hour=None, actor=ACTOR, now=database_now()
    )
    extending.extend_by_itself(lease=extending.extendable().get(), now=begin)
    assert Event.objects.get(kind="lease.not_extended").data["why"] == problem["detail"]
    assert api.post(address, {"ends_at": begin + 3 * HOUR}, format="json").status_code == 200


def test_how_far_a_lease_can_go_on_is_said_ahead_with_its_sites_power_counted(
    api: APIClient, browser: Client, acme: Organization, reserved: Offer, begin: datetime
) -> None:
    lease = whose_power_ends(acme, reserved, begin)
    shown = api.get(f"/api/v1/leases/{lease.public_id}/extension").json()
    why = f"Macon may sell 0.0 kW of firm power, and 0.0 kW are sold at {begin + 4 * HOUR:%Y-%m-%d %H:%M} UTC; this"
    assert (shown["furthest_ends_at"], shown["behind"]) == (f"{begin + 3 * HOUR:%Y-%m-%dT%H:%M:%SZ}", [])
    assert shown["why_not_further"] == f"{why} needs 10.2 kW."
    address = f"/leases/{lease.public_id}/extend/?ends_at={begin:%Y-%m-%d}T"
    page = see(browser, f"{address}{begin + 4 * HOUR:%H:%M}")
    assert page.count(unbroken(why)) == 2 and "Not free until then." in page and " disabled>Extend" in page
    assert " disabled>Extend" not in see(browser, f"{address}{begin + 3 * HOUR:%H:%M}")


def test_the_power_that_ones_own_quote_holds_behind_is_there_for_the_extension_that_uses_it_up(
    acme: Organization, reserved: Offer
) -> None:
    lease = sold(reserved, acme, nodes=1)
    later = {"starts_at": END + 2 * HOUR, "ends_at": END + 3 * HOUR}
    keeping.hold_nodes(quote=a_quote(acme, reserved, nodes=2, **later), now=NOON)
    assert "lasts 60 days at most" in extending.ahead(lease=lease, now=NOON).reach.why
    extending.extend(lease=lease, ends_at=END + 3 * HOUR, actor=ACTOR, now=NOON)
    assert Lease.objects.get().ends_at == END + 3 * HOUR


def test_what_ones_own_quote_holds_may_be_held_for_more_instead(acme: Organization, reserved: Offer) -> None:
    keeping.hold_nodes(quote=a_quote(acme, reserved, **AHEAD), now=NOON)
    more = keeping.hold_nodes(quote=a_quote(acme, reserved, nodes=2, **AHEAD), now=NOON)
    assert place(more).node_count == 2


def test_the_power_that_an_agreed_lease_has_is_there_for_its_move(
    acme: Organization, other: Organization, reserved: Offer
) -> None:
    lease = sold(reserved, acme)
    later = {"starts_at": START + HOUR, "ends_at": END + HOUR}
    with pytest.raises(PowerTaken):
        a_quote(other, reserved, nodes=2, **later)
    with pytest.raises(PowerTaken):
        a_quote(acme, reserved, nodes=1, **later)  # no lease of one node
    moving.move(lease=lease, quote=a_quote(acme, reserved, nodes=2, **later), actor=ACTOR, now=NOON)
    lease.refresh_from_db()
    assert (lease.starts_at, lease.ends_at) == (START + HOUR, END + HOUR)
    with pytest.raises(NodesTaken):
        place(a_quote(acme, reserved, nodes=2, **later))


def test_the_order_page_says_so_beside_what_can_be_changed_and_prices_fewer_nodes(
    browser: Client, acme: Organization, other: Organization, reserved: Offer, begin: datetime
) -> None:
    now, end = database_now(), begin + 2 * HOUR
    place(a_quote(other, reserved, now=now, starts_at=begin, ends_at=end), now=now)
    with pytest.raises(PowerTaken) as refused:
        a_quote(acme, reserved, now=now, nodes=2, starts_at=begin, ends_at=end)
    address = (
        f"/order/?offer={reserved.public_id}&starts_at={begin:%Y-%m-%dT%H:%M}&ends_at={end:%Y-%m-%dT%H:%M}&zone=UTC"
    )
    page = see(browser, f"{address}&nodes=2")
    assert page.count(unbroken(str(refused.value))) > 1, "at the field, and where the price would be"
    assert f'name="take" value="{end + timedelta(hours=1):%Y-%m-%dT%H:%M}' in page and "tell me when free" in page
    assert 'id="id_nodes_error"' in page and "Nothing is priced or ordered until this is corrected" in page
    assert hidden(see(browser, f"{address}&nodes=1"), "quote")


def test_the_page_of_a_move_says_so_too(
    browser: Client, acme: Organization, other: Organization, reserved: Offer, begin: datetime
) -> None:
    now, end = database_now(), begin + 2 * HOUR
    lease = place(a_quote(acme, reserved, now=now, starts_at=begin, ends_at=end), now=now)
    begin, end = begin + 9 * HOUR, end + 9 * HOUR
    place(a_quote(other, reserved, now=now, nodes=2, starts_at=begin, ends_at=end), now=now)
    window = f"starts_at={begin:%Y-%m-%dT%H:%M}&ends_at={end:%Y-%m-%dT%H:%M}&zone=UTC"
    page = see(browser, f"/leases/{lease.public_id}/move/?offer={reserved.public_id}&{window}")
    assert unbroken("Macon may sell 20.4 kW of firm power") in page and 'name="quote"' not in page
