"""A quote holds its nodes for some minutes when asked to: nobody else gets them, and nobody has to end it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import pytest
from django.test import Client

from accounts.clock import now as database_now
from accounts.models import Organization
from billing import handing_back, keeping, moving
from billing.keeping import CannotHold, HeldLately
from billing.models import Quote
from leasing.models import Claim, Lease
from leasing.operations import NodesTaken, renew
from leasing.operations.maintaining import WindowTaken, plan_maintenance
from leasing.operations.upkeep import cordon
from marketplace.models import NodeCalendar, Offer, PlanKind
from marketplace.queries import Criteria, free_windows, offer_row, terms_of
from tests import factories
from tests.accounts.cast import a_browser, a_client, a_token
from tests.billing.conftest import HOUR, NOON, a_quote, funded, give, place, running
from tests.factories import DAY

pytestmark = pytest.mark.django_db

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
TOMORROW: Mapping[str, Any] = {"starts_at": NOON + DAY, "ends_at": NOON + DAY + HOUR}


@pytest.fixture
def offer(db: None) -> Offer:
    """Three on-demand nodes that a quote can hold for ten minutes."""
    return factories.an_offer(factories.a_pool(nodes=3), factories.a_plan(hold_seconds=600))


@pytest.fixture
def reserved(offer: Offer) -> Offer:
    """The same nodes, ahead."""
    return factories.an_offer(offer.pool, factories.a_plan(PlanKind.RESERVED, hold_seconds=600))


@pytest.fixture
def other(db: None) -> Organization:
    return funded(100, "Other Ltd")


def held(organization: Organization, offer: Offer, *, now: datetime = NOON, **wish: Any) -> Quote:
    return keeping.hold_nodes(quote=a_quote(organization, offer, now=now, **wish), now=now)


def held_nodes(quote: Quote) -> set[int]:
    return set(NodeCalendar.objects.filter(held_for=quote.public_id).values_list("pk", flat=True))


def free(offer: Offer, now: datetime, **criteria: Any) -> int:
    return offer_row(offer=offer, criteria=Criteria(**criteria), now=now).free


def test_held_nodes_are_free_for_nobody_else_until_the_minutes_are_over(
    acme: Organization, other: Organization, offer: Offer
) -> None:
    quote = held(acme, offer, nodes=3)
    assert quote.holds_until == NOON + 10 * MINUTE
    assert free(offer, NOON) == 0
    with pytest.raises(NodesTaken):
        place(a_quote(other, offer, now=NOON + 9 * MINUTE), now=NOON + 9 * MINUTE)
    assert free(offer, NOON + 10 * MINUTE) == 3
    place(a_quote(other, offer, now=NOON + 10 * MINUTE), now=NOON + 10 * MINUTE)


def test_an_order_takes_exactly_the_nodes_that_its_quote_holds(
    acme: Organization, other: Organization, offer: Offer
) -> None:
    first = place(a_quote(other, offer))
    quote = held(acme, offer)
    nodes = held_nodes(quote)
    Claim.objects.filter(lease=first).update(released_at=NOON)  # a node with a smaller id is free again
    lease = place(quote, now=NOON + 9 * MINUTE)
    assert set(Claim.objects.filter(lease=lease).values_list("node_id", flat=True)) == nodes
    quote.refresh_from_db()
    assert (quote.holds_until, held_nodes(quote)) == (None, set())


def test_an_order_whose_hold_has_lapsed_takes_what_is_free(
    acme: Organization, other: Organization, offer: Offer
) -> None:
    factories.the_terms(offer.plan, hold_seconds=60, starts_at=NOON)
    quote, late = held(acme, offer, nodes=3), NOON + 5 * MINUTE
    place(a_quote(other, offer, now=late), now=late)
    with pytest.raises(NodesTaken):
        place(quote, now=late)
    assert place(a_quote(acme, offer, nodes=2, now=late), now=late).node_count == 2


def test_an_order_gets_another_node_where_a_held_one_broke_down(acme: Organization, offer: Offer) -> None:
    quote = held(acme, offer)
    (broken,) = held_nodes(quote)
    cordon(node=NodeCalendar.objects.get(pk=broken).node, reason="smells", actor="user:us_pat", now=NOON)
    lease = place(quote)
    assert broken not in Claim.objects.filter(lease=lease).values_list("node_id", flat=True)


def test_an_order_that_gets_other_nodes_leaves_none_held(acme: Organization, offer: Offer) -> None:
    quote = held(acme, offer, nodes=2)
    broken = min(held_nodes(quote))
    cordon(node=offer.pool.nodes.get(pk=broken), reason="It smokes.", actor="user:us_ops", now=NOON)
    lease = place(quote, now=NOON + MINUTE)
    assert len(live_nodes(lease)) == 2 and broken not in live_nodes(lease)
    assert held_nodes(quote) == set()


def test_a_lease_that_moves_and_keeps_its_nodes_leaves_none_held(acme: Organization, reserved: Offer) -> None:
    lease = place(a_quote(acme, reserved, **TOMORROW))
    quote = held(acme, reserved, starts_at=NOON + DAY, ends_at=NOON + DAY + 2 * HOUR)
    mine = set(lease.claims.values_list("node", flat=True))
    assert not held_nodes(quote) & mine
    moving.move(lease=lease, quote=quote, actor="user:us_tests", now=NOON + MINUTE)
    assert set(live_nodes(lease)) == mine and held_nodes(quote) == set()


def test_a_lease_that_moves_takes_the_nodes_that_its_quote_holds_before_others(
    acme: Organization, other: Organization, reserved: Offer
) -> None:
    later: Mapping[str, Any] = {"starts_at": NOON + 2 * DAY, "ends_at": NOON + 2 * DAY + HOUR}
    lease = place(a_quote(acme, reserved, **TOMORROW))
    _, called_off = (place(a_quote(other, reserved, **later)) for _ in range(2))
    quote = held(acme, reserved, **later)
    kept = held_nodes(quote)
    handing_back.hand_back(lease=called_off, actor="user:us_tests", now=NOON)
    moving.move(lease=lease, quote=quote, actor="user:us_tests", now=NOON + MINUTE)
    assert set(live_nodes(lease)) == kept and held_nodes(quote) == set()


def test_a_lease_that_moves_uses_up_what_its_organization_holds_there_by_another_quote(
    acme: Organization, other: Organization, reserved: Offer
) -> None:
    later: Mapping[str, Any] = {"starts_at": NOON + 2 * DAY, "ends_at": NOON + 2 * DAY + HOUR}
    lease = place(a_quote(acme, reserved, **TOMORROW))
    place(a_quote(other, reserved, **later))
    place(a_quote(other, reserved, nodes=3, starts_at=NOON + 3 * DAY, ends_at=NOON + 3 * DAY + HOUR))
    hold = held(acme, reserved, nodes=2, **later)
    kept, wish = held_nodes(hold), a_quote(acme, reserved, **later)
    shown = moving.preview(lease=lease, quote=wish, now=NOON)
    assert (shown.possible, shown.free, shown.held) == (True, 2, hold)
    moving.move(lease=lease, quote=wish, actor="user:us_tests", now=NOON + MINUTE)
    assert set(live_nodes(lease)) <= kept and held_nodes(hold) == set()
    hold.refresh_from_db()
    assert hold.holds_until is None  # so no pause follows
    assert free(reserved, NOON + MINUTE, **later) == 1


def test_what_another_organization_holds_is_not_free_for_a_move(
    acme: Organization, other: Organization, reserved: Offer
) -> None:
    later: Mapping[str, Any] = {"starts_at": NOON + 2 * DAY, "ends_at": NOON + 2 * DAY + HOUR}
    lease = place(a_quote(acme, reserved, nodes=2, **TOMORROW))
    hold = held(other, reserved, nodes=2, **later)
    wish = a_quote(acme, reserved, nodes=2, **later)
    shown = moving.preview(lease=lease, quote=wish, now=NOON)
    assert (shown.possible, shown.free, shown.held) == (False, 1, None)
    with pytest.raises(NodesTaken):
        moving.move(lease=lease, quote=wish, actor="user:us_tests", now=NOON + MINUTE)
    assert len(held_nodes(hold)) == 2


def test_the_page_of_a_move_lists_what_one_holds_as_free(
    acme: Organization, other: Organization, browser: Client, reserved: Offer
) -> None:
    moment = database_now().replace(minute=0, second=0, microsecond=0)
    there = factories.an_offer(factories.a_pool(nodes=2, site=factories.a_site("abroad")), reserved.plan)
    window: dict[str, Any] = {"starts_at": moment + 4 * DAY, "ends_at": moment + 4 * DAY + HOUR}
    lease = place(a_quote(acme, reserved, now=database_now(), **window), now=database_now())
    hold = held(acme, there, nodes=2, now=database_now(), **window)
    page = browser.get(f"/leases/{lease.public_id}/move/", {"offer": there.public_id, **texts(window)})
    words = dict(chain.from_iterable(among for _, among in page.context["form"].fields["offer"].choices))
    assert words[there.public_id].endswith(", free")
    assert "You keep 2 nodes here" in page.content.decode() and hold.public_id in page.content.decode()
    hold_other = Quote.objects.filter(pk=hold.pk)
    hold_other.update(organization=other)
    page = browser.get(f"/leases/{lease.public_id}/move/", {"offer": there.public_id, **texts(window)})
    words = dict(chain.from_iterable(among for _, among in page.context["form"].fields["offer"].choices))
    assert words[there.public_id].endswith(", not free") and "You keep" not in page.content.decode()


def texts(window: Mapping[str, datetime]) -> dict[str, str]:
    return {name: f"{moment:%Y-%m-%dT%H:%M}" for name, moment in window.items()}


def live_nodes(lease: Lease) -> list[int]:
    return [claim.node_id for claim in lease.claims.filter(released_at=None).order_by("node_id")]


def test_a_second_hold_takes_the_place_of_the_first(acme: Organization, offer: Offer) -> None:
    first, second = held(acme, offer, nodes=3), held(acme, offer, nodes=2)
    first.refresh_from_db()
    assert (first.holds_until, len(held_nodes(first)), len(held_nodes(second))) == (None, 0, 2)
    assert free(offer, NOON) == 1


def test_who_only_holds_leaves_the_nodes_to_others_half_of_the_time(
    acme: Organization, other: Organization, offer: Offer, reserved: Offer
) -> None:
    held(acme, offer, nodes=3)
    changed = held(acme, offer, now=NOON + 9 * MINUTE, nodes=2)
    assert changed.holds_until == NOON + 10 * MINUTE  # what takes its place holds no longer than it
    for moment, wish in ((10 * MINUTE, {"offer": offer}), (20 * MINUTE - SECOND, {"offer": reserved, **TOMORROW})):
        with pytest.raises(HeldLately, match="from 12:20:00 UTC; until then leave hold out") as refused:
            held(acme, now=NOON + moment, **wish)
        assert refused.value.again_at == NOON + 20 * MINUTE
        place(a_quote(acme, nodes=1, now=NOON + moment, **wish), now=NOON + moment)  # ordering needs no hold
    held(other, offer, now=NOON + 10 * MINUTE)
    assert held(acme, offer, now=NOON + 20 * MINUTE).holds_until == NOON + 30 * MINUTE


def test_what_was_held_and_ordered_is_followed_by_no_pause(acme: Organization, offer: Offer) -> None:
    place(held(acme, offer), now=NOON + MINUTE)
    held(acme, offer, now=NOON + 11 * MINUTE)


def test_a_second_hold_that_cannot_be_leaves_the_first(acme: Organization, other: Organization, offer: Offer) -> None:
    first = held(acme, offer, nodes=2)
    place(a_quote(other, offer))
    with pytest.raises(NodesTaken):
        held(acme, offer, nodes=3)
    first.refresh_from_db()
    assert (first.holds_until, len(held_nodes(first))) == (NOON + 10 * MINUTE, 2)


def test_a_node_held_for_tomorrow_can_be_leased_now_as_far_as_that(
    acme: Organization, other: Organization, reserved: Offer, offer: Offer
) -> None:
    held(acme, reserved, nodes=3, **TOMORROW)
    lease = place(a_quote(other, offer))
    assert lease.guaranteed_until == NOON + DAY - 15 * MINUTE  # cleaning
    assert free(reserved, NOON, **TOMORROW) == 0


def test_a_hold_is_not_written_over_another_one_of_the_node(
    acme: Organization, other: Organization, reserved: Offer
) -> None:
    first = held(acme, reserved, nodes=2, **TOMORROW)
    second = held(other, reserved, starts_at=NOON + 2 * DAY, ends_at=NOON + 2 * DAY + HOUR)
    assert held_nodes(first) & held_nodes(second) == set()
    assert (len(held_nodes(first)), len(held_nodes(second))) == (2, 1)


def test_windows_and_the_first_free_moment_leave_out_what_is_held(acme: Organization, reserved: Offer) -> None:
    held(acme, reserved, nodes=3, **TOMORROW)
    terms = terms_of(plan=reserved.plan, at=NOON)
    wish: dict[str, Any] = {"offer": reserved, "terms": terms, "nodes": 1, "starts_at": NOON, "until": NOON + 2 * DAY}
    first, second = free_windows(**wish, now=NOON)
    assert (first.ends_at, second.starts_at) == (NOON + DAY - 15 * MINUTE, NOON + DAY + HOUR + 15 * MINUTE)
    row = offer_row(offer=reserved, criteria=Criteria(**TOMORROW), now=NOON)
    assert row.free_from == NOON + DAY + 2 * HOUR
    assert len(free_windows(**wish, now=NOON + 10 * MINUTE)) == 1


def test_a_guarantee_grows_up_to_what_is_held_and_nobody_is_told_of_a_mere_quote(
    acme: Organization, other: Organization, reserved: Offer, offer: Offer
) -> None:
    lease, behind = running(acme, offer, nodes=3), NOON + 8 * DAY
    held(other, reserved, nodes=3, now=NOON + 5 * DAY, starts_at=behind, ends_at=behind + HOUR)
    renew(lease=lease, now=NOON + 5 * DAY)
    lease.refresh_from_db()
    assert (lease.guaranteed_until, lease.guarantee_notice_at) == (behind - 15 * MINUTE, None)
    renew(lease=lease, now=NOON + 5 * DAY + HOUR)
    lease.refresh_from_db()
    assert lease.guaranteed_until == NOON + 12 * DAY + HOUR


def test_planned_work_waits_for_a_hold(acme: Organization, reserved: Offer) -> None:
    (node_id,) = held_nodes(held(acme, reserved, **TOMORROW))
    node = NodeCalendar.objects.get(pk=node_id).node
    wish: dict[str, Any] = {"node": node, "kind": "power", "reason": "The feed is switched.", "actor": "user:us_pat"}
    with pytest.raises(WindowTaken) as taken:
        plan_maintenance(**wish, **TOMORROW, now=NOON)
    assert taken.value.free_from == NOON + DAY + HOUR + 15 * MINUTE
    plan_maintenance(**wish, **TOMORROW, now=NOON + 10 * MINUTE)


def test_a_hold_ends_with_the_start_that_it_is_for(acme: Organization, reserved: Offer) -> None:
    soon = NOON + DAY - 5 * MINUTE
    assert held(acme, reserved, now=soon, **TOMORROW).holds_until == NOON + DAY


def test_a_plan_that_holds_nothing_says_so(acme: Organization) -> None:
    offer = factories.an_offer(factories.a_pool(), factories.a_plan(PlanKind.RESERVED))
    with pytest.raises(CannotHold, match="holds no nodes"):
        held(acme, offer, **TOMORROW)


def test_a_hold_ends_where_its_order_would_come_too_late(acme: Organization) -> None:
    plan = factories.a_plan(PlanKind.RESERVED, hold_seconds=600, lead_seconds=1800)
    offer = factories.an_offer(factories.a_pool(), plan)
    quote = held(acme, offer, now=NOON + DAY - 35 * MINUTE, **TOMORROW)
    assert quote.holds_until == quote.expires_at == NOON + DAY - 30 * MINUTE


def test_holding_what_is_held_already_holds_it_no_longer(acme: Organization, offer: Offer) -> None:
    quote = held(acme, offer)
    again = keeping.hold_nodes(quote=quote, now=NOON + 5 * MINUTE)
    assert (again.holds_until, again.expires_at) == (NOON + 10 * MINUTE, NOON + 10 * MINUTE)


# The same through the API and in the browser.


def test_the_api_holds_nodes_and_says_until_when(acme: Organization, other: Organization, offer: Offer) -> None:
    mine, theirs = (a_client(a_token(one, one.members.get())) for one in (acme, other))
    wish = {"offer": offer.public_id, "nodes": 2, "hold": True}
    quote = mine.post("/api/v1/quotes", wish).json()
    left = datetime.fromisoformat(quote["holds_until"]) - database_now()
    assert 9 * MINUTE < left <= 10 * MINUTE
    refused = theirs.post("/api/v1/quotes", wish)
    assert (refused.status_code, refused.json()["code"]) == (409, "nodes_taken")
    assert Quote.objects.filter(organization=other).count() == 0
    plain = theirs.post("/api/v1/quotes", {**wish, "hold": False}).json()
    assert plain["holds_until"] is None


def test_the_api_names_the_field_where_nothing_can_be_held(acme: Organization) -> None:
    offer = factories.an_offer(factories.a_pool(), factories.a_plan("on_demand", hold_seconds=0))
    answer = a_client(a_token(acme, acme.members.get())).post(
        "/api/v1/quotes", {"offer": offer.public_id, "hold": True}
    )
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (400, ["hold"])


def test_api_and_page_say_from_when_nodes_can_be_held_again(acme: Organization, browser: Client, offer: Offer) -> None:
    lapsed = database_now() - MINUTE
    held(acme, offer, now=lapsed - 10 * MINUTE)
    script = a_client(a_token(acme, acme.members.get()))
    refused = script.post("/api/v1/quotes", {"offer": offer.public_id, "hold": True})
    assert (refused.status_code, refused.json()["code"]) == (409, "held_lately")
    assert datetime.fromisoformat(refused.json()["again_at"]) == lapsed + 10 * MINUTE
    page = browser.get("/order/", {"offer": offer.public_id, "nodes": "1"}).content.decode()
    assert "you can keep nodes again from" in page and 'name="hold"' not in page


@pytest.fixture
def browser(acme: Organization) -> Client:
    give(acme, 100, now=database_now())
    factories.a_key(acme), factories.an_image()
    return a_browser(acme.members.get())


def test_the_page_holds_the_nodes_counts_down_and_orders_them(
    acme: Organization, browser: Client, offer: Offer
) -> None:
    page = browser.get("/order/", {"offer": offer.public_id, "nodes": "3"})
    assert "Keep these nodes for 10" in page.content.decode()
    quote = page.context["price"].quote.public_id
    form = {"offer": offer.public_id, "nodes": "3", "quote": quote}
    page = browser.post("/order/", {**form, "hold": "1"}, headers={"HX-Request": "true"})
    words = page.content.decode()
    assert "Held for you" in words and 'data-count="down"' in words and "disabled" not in words
    details = {"name": "mine", "ssh_keys": [factories.a_key(acme).public_id], "image": "base"}
    assert browser.post("/order/", {**form, **details}).status_code == 302
    assert Lease.objects.get().quote.public_id == quote


def test_what_is_changed_on_the_page_is_held_instead(browser: Client, offer: Offer) -> None:
    page = browser.post("/order/", {"offer": offer.public_id, "nodes": "3", "hold": "1"})
    first = page.context["price"].quote
    wish = {"offer": offer.public_id, "nodes": "2", "quote": first.public_id}
    page = browser.get("/order/", wish, headers={"HX-Request": "true"})
    assert "Held for you" in page.content.decode()
    assert (len(held_nodes(first)), len(held_nodes(page.context["price"].quote))) == (0, 2)


def test_the_page_says_when_somebody_was_faster(browser: Client, other: Organization, offer: Offer) -> None:
    held(other, offer, nodes=3, now=database_now())
    page = browser.post("/order/", {"offer": offer.public_id, "nodes": "1", "hold": "1"})
    words = page.content.decode()
    assert "so none is held" in words and "None free" in words and "Held for you" not in words
