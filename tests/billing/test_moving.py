"""An agreed lease goes to another window or offer, at the price of a fresh quote, with all of its nodes or none."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Event, Organization, User
from accounts.templatetags.ui import unbroken
from billing import checkout, moving, quotes
from billing.models import Meter, Quote
from billing.queries import cost_so_far
from billing.receipts import receipt
from leasing import schedule
from leasing.models import Claim, Lease, LeaseChange
from leasing.operations import NodesTaken, WindowRefused, end
from leasing.states import LeaseState, MachineState
from marketplace.forms import MINUTE
from marketplace.models import NodeCalendar, Offer, PlanKind, Rate, Region
from tests import factories
from tests.billing.agreed import END, START, active, behind, extend, scheduled
from tests.billing.conftest import HOUR, NOON, SECOND, a_quote, assert_books_balance, funded, money, place
from tests.billing.test_api import post
from tests.billing.test_pages import hidden, see
from tests.factories import DAY
from tests.leasing.conftest import work_all

pytestmark = pytest.mark.django_db
ACTOR = "user:us_tests"


@pytest.fixture
def abroad(db: None) -> Offer:
    """The same kind of node elsewhere, at half the price."""
    site = factories.a_site("abroad")
    return factories.an_offer(
        factories.a_pool(nodes=3, site=site), factories.a_plan(PlanKind.RESERVED), micros=1_800_000
    )


def move(lease: Lease, quote: Quote) -> Lease:
    moving.move(lease=lease, quote=quote, actor=ACTOR, now=NOON)
    lease.refresh_from_db()
    return lease


def nodes(lease: Lease) -> set[int]:
    return set(lease.machines.filter(state=MachineState.PENDING).values_list("node", flat=True))


def calendars_agree() -> None:
    for calendar in NodeCalendar.objects.all():
        live = Claim.objects.filter(node=calendar.node, released_at=None).order_by("period")
        assert list(calendar.busy) == list(live.values_list("period", flat=True))


def test_it_moves_into_a_window_that_overlaps_its_own_and_keeps_its_nodes(acme: Organization, reserved: Offer) -> None:
    lease = scheduled(acme, reserved, nodes=3)  # every node there is
    before = nodes(lease)
    quote = a_quote(acme, reserved, nodes=3, starts_at=START + HOUR, ends_at=END + 2 * HOUR)
    move(lease, quote)
    assert (lease.starts_at, lease.ends_at, lease.guaranteed_until) == (START + HOUR, END + 2 * HOUR, END + 2 * HOUR)
    assert nodes(lease) == before
    change = LeaseChange.objects.get()
    assert (change.kind, change.old_starts_at, change.new_starts_at) == ("moved", START, START + HOUR)
    assert money(acme).held_micros == 3 * 3 * 3_600_000
    event = Event.objects.get(kind="lease.moved")
    assert event.notice and "It costs $32.40, $10.80 more than before." in event.notice["text"]
    calendars_agree()


def test_it_goes_to_other_nodes_where_its_own_are_taken(acme: Organization, reserved: Offer) -> None:
    lease = scheduled(acme, reserved)
    mine = nodes(lease)
    other = behind(reserved, END + HOUR, nodes=2)
    move(lease, a_quote(acme, reserved, starts_at=END + HOUR, ends_at=END + 2 * HOUR))
    assert mine & nodes(other)
    assert not nodes(lease) & nodes(other) and len(nodes(lease)) == 1
    assert lease.machines.get(state=MachineState.WITHDRAWN).node_id in mine
    calendars_agree()


def test_it_goes_to_another_offer_and_is_charged_what_was_quoted(
    acme: Organization, reserved: Offer, abroad: Offer
) -> None:
    lease = scheduled(acme, reserved, nodes=2)
    extend(lease, END + HOUR, now=NOON)
    quote = a_quote(acme, abroad, nodes=2, starts_at=START, ends_at=END)
    move(lease, quote)
    assert (lease.offer, lease.rate, lease.ends_at) == (abroad, quote.rate, END)
    assert lease.machines.filter(state=MachineState.WITHDRAWN).count() == 2
    assert money(acme).held_micros == 2 * 2 * 1_800_000
    schedule.start_due(now=START)
    work_all(abroad, now=START)
    assert cost_so_far(lease=lease, now=END) == 2 * 2 * 1_800_000 == Meter.objects.get().hold_micros
    assert receipt(lease=Lease.objects.get(), now=END).list_micros_per_node_hour == 1_800_000
    calendars_agree()
    assert_books_balance()


def test_a_cheaper_window_frees_the_difference_at_once(acme: Organization, reserved: Offer) -> None:
    lease = scheduled(acme, reserved)
    available = money(acme).available_micros
    quote = a_quote(acme, reserved, starts_at=START, ends_at=START + HOUR)
    assert moving.difference(lease=lease, quote=quote) == -3_600_000
    move(lease, quote)
    assert money(acme).available_micros == available + 3_600_000


def test_all_or_nothing(acme: Organization, reserved: Offer) -> None:
    lease = scheduled(acme, reserved, nodes=2)
    before = nodes(lease)
    behind(reserved, END + HOUR, nodes=2)
    quote = a_quote(acme, reserved, nodes=2, starts_at=END + HOUR, ends_at=END + 2 * HOUR)
    with pytest.raises(NodesTaken) as taken:
        move(lease, quote)
    assert taken.value.windows[0].starts_at == END + 3 * HOUR  # clean after a quarter of an hour, then whole hours
    lease.refresh_from_db()
    assert (lease.starts_at, nodes(lease), LeaseChange.objects.count()) == (START, before, 0)
    calendars_agree()


def test_moving_twice_by_one_quote_moves_once_and_no_quote_is_used_again(acme: Organization, reserved: Offer) -> None:
    first = a_quote(acme, reserved, starts_at=START, ends_at=END)
    lease = place(first)
    quote = a_quote(acme, reserved, starts_at=START + HOUR, ends_at=END + HOUR)
    move(lease, quote)
    move(lease, quote)
    assert LeaseChange.objects.count() == 1
    with pytest.raises(quotes.QuoteUsed):
        place(quote)
    with pytest.raises(quotes.QuoteExpired):
        place(first)


def test_only_an_agreed_lease_and_only_for_as_many_nodes(acme: Organization, reserved: Offer) -> None:
    lease = scheduled(acme, reserved)
    with pytest.raises(WindowRefused, match="for 1 node, as the lease has"):
        move(lease, a_quote(acme, reserved, nodes=2, starts_at=START, ends_at=END + HOUR))
    with pytest.raises(WindowRefused, match="there already"):
        move(lease, a_quote(acme, reserved, starts_at=START, ends_at=END))
    end(lease=lease, reason="returned", actor=ACTOR, now=NOON)
    running = active(acme, reserved)
    quote = a_quote(acme, reserved, starts_at=START + HOUR, ends_at=END + HOUR)
    for over in (lease, running):
        with pytest.raises(WindowRefused, match="has not begun"):
            move(over, quote)


def test_it_is_not_moved_out_of_the_time_in_which_cancelling_costs(acme: Organization, reserved: Offer) -> None:
    factories.the_terms(reserved.plan, starts_at=NOON - DAY, cancel_refunds=[[0, 50], [7200, 100]])
    near, far = scheduled(acme, reserved), scheduled(acme, reserved, starts_at=NOON + 2 * HOUR, ends_at=NOON + 4 * HOUR)
    quote = a_quote(acme, reserved, starts_at=NOON + 20 * HOUR, ends_at=NOON + 22 * HOUR)
    with pytest.raises(WindowRefused, match="too near"):
        move(near, quote)
    assert move(far, quote).starts_at == NOON + 20 * HOUR


def test_without_the_money_for_the_difference_nothing_changes(reserved: Offer) -> None:
    poor = funded(8)
    lease = scheduled(poor, reserved)
    quote = a_quote(poor, reserved, starts_at=START, ends_at=END + HOUR)
    with pytest.raises(checkout.InsufficientFunds) as refused:
        move(lease, quote)
    assert (refused.value.needed_micros, refused.value.available_micros) == (3_600_000, 800_000)
    assert Lease.objects.get().ends_at == END


@pytest.fixture
def lease(acme: Organization, reserved: Offer) -> Lease:
    """Tomorrow, for two hours."""
    begins = (now() + DAY).replace(minute=0, second=0, microsecond=0)
    return place(a_quote(acme, reserved, now=now(), starts_at=begins, ends_at=begins + 2 * HOUR), now=now())


def test_through_the_api(api: APIClient, acme: Organization, reserved: Offer, lease: Lease) -> None:
    path = f"leases/{lease.public_id}/move"
    window: dict[str, Any] = {"starts_at": lease.starts_at + DAY, "ends_at": lease.starts_at + DAY + 3 * HOUR}
    quote = a_quote(acme, reserved, now=now(), **window)
    moved = post(api, path, {"quote": quote.public_id})
    assert moved.status_code == 200, moved.content
    assert moved.json()["held_micros"] == 3 * 3_600_000
    assert post(api, path, {"quote": "qt_none"}).json()["errors"][0]["field"] == "quote"
    short = a_quote(acme, reserved, now=now(), nodes=2, **window)
    assert post(api, path, {"quote": short.public_id}).json()["errors"][0]["field"] == "quote"
    Quote.objects.filter(pk=short.pk).update(expires_at=now() - SECOND)
    assert post(api, path, {"quote": short.public_id}).json()["code"] == "quote_expired"
    end(lease=lease, reason="returned", actor=ACTOR, now=now())
    again = a_quote(acme, reserved, now=now(), **window)
    assert post(api, path, {"quote": again.public_id}).json()["code"] == "window_fixed"


def test_on_its_page(browser: Client, acme: Organization, reserved: Offer, abroad: Offer, lease: Lease) -> None:
    address = f"/leases/{lease.public_id}/move/"
    assert address in see(browser, f"/leases/{lease.public_id}/")
    begins = lease.starts_at + DAY
    wish = {
        "offer": abroad.public_id,
        "starts_at": f"{begins:%Y-%m-%dT%H:%M}",
        "ends_at": f"{begins + HOUR:%Y-%m-%dT%H:%M}",
    }
    page = browser.get(address, wish).content.decode()
    assert "$5.40 less" in page
    answer = browser.post(address, {**wish, "quote": hidden(page, "quote")})
    assert answer.headers["Location"] == f"/leases/{lease.public_id}/"
    lease.refresh_from_db()
    assert (lease.offer, lease.starts_at, lease.state) == (abroad, begins, LeaseState.SCHEDULED)
    odd = browser.get(address, {**wish, "ends_at": f"{begins + timedelta(minutes=90):%Y-%m-%dT%H:%M}"})
    assert "Nothing is priced or changed" in odd.content.decode()


def test_it_is_offered_only_where_it_may_be_done(browser: Client, acme: Organization, reserved: Offer) -> None:
    factories.the_terms(reserved.plan, starts_at=now() - DAY, cancel_refunds=[[0, 90], [86_400, 100]])
    hour = now().replace(minute=0, second=0, microsecond=0)
    for ahead, offered in ((20 * HOUR, False), (30 * HOUR, True)):
        times: dict[str, Any] = {"starts_at": hour + ahead, "ends_at": hour + ahead + HOUR}
        lease = place(a_quote(acme, reserved, now=now(), **times), now=now())
        address = f"/leases/{lease.public_id}/"
        assert (f"{address}move/" in see(browser, address)) is offered
        assert browser.get(f"{address}move/").status_code == (200 if offered else 302)


def test_its_page_lists_offers_with_prices_the_nearest_and_likest_first(
    browser: Client, acme: Organization, reserved: Offer, abroad: Offer, lease: Lease
) -> None:
    asia = factories.a_site("asia")
    asia.region = Region.MIDDLE_EAST
    asia.save()
    far = factories.an_offer(factories.a_pool(site=asia), reserved.plan, micros=900_000)
    small = factories.a_pool(node_type=factories.a_node_type("h100x4", gpus=4))
    factories.an_offer(small, reserved.plan, micros=313_500)
    address = f"/leases/{lease.public_id}/move/"
    assert listed(browser.get(address)) == [
        ("At its site", ["8 × H100 in Macon, Georgia: $3.60 per node-hour, where it is"]),
        ("In North America", ["8 × H100 in Abroad, Georgia: $1.80 per node-hour, free"]),
        ("Elsewhere", ["8 × H100 in Asia, Georgia: $0.90 per node-hour, free"]),
    ]
    assert unbroken("3 of 4 offers are of nodes with 8 × H100, as it has.") in see(browser, address)
    times: dict[str, Any] = {"starts_at": lease.starts_at + DAY, "ends_at": lease.starts_at + DAY + HOUR}
    place(a_quote(acme, far, now=now(), **times), now=now())
    wish = {"offer": abroad.public_id, "others": "on", **{name: f"{at:{MINUTE}}" for name, at in times.items()}}
    swapped = browser.get(address, wish, headers={"HX-Request": "true"})
    assert 'id="offers" hx-swap-oob="true"' in swapped.content.decode()
    assert [words for _, group in listed(swapped) for words in group] == [
        "8 × H100 in Macon, Georgia: $3.60 per node-hour, where it is",
        "4 × H100 in Macon, Georgia: $0.313500 per node-hour, free",
        "8 × H100 in Abroad, Georgia: $1.80 per node-hour, free",
        "8 × H100 in Asia, Georgia: $0.90 per node-hour, not free",
    ]
    assert swapped.context["form"]["offer"].value() == abroad.public_id


def listed(page: Any) -> list[tuple[str, list[str]]]:
    """What the list of offers says, by its groups."""
    return [(group, [words for _, words in among]) for group, among in page.context["form"].fields["offer"].choices]


def test_its_page_says_before_whether_nodes_are_free(
    browser: Client, acme: Organization, reserved: Offer, abroad: Offer, lease: Lease
) -> None:
    address = f"/leases/{lease.public_id}/move/"
    there = browser.get(address).content.decode()
    assert "The lease is there already" in there and " disabled" in there.split("Move it")[0].rsplit("<button", 1)[1]
    begins = lease.starts_at + HOUR
    wish = {"starts_at": f"{begins:%Y-%m-%dT%H:%M}", "ends_at": f"{begins + 2 * HOUR:%Y-%m-%dT%H:%M}"}
    assert "A node is free then." in browser.get(address, {"offer": reserved.public_id, **wish}).content.decode()
    times: dict[str, Any] = {"starts_at": begins, "ends_at": begins + 2 * HOUR}
    place(a_quote(acme, reserved, nodes=2, now=now(), **times), now=now())  # all that are left
    kept = browser.get(address, {"offer": reserved.public_id, **wish}).content.decode()
    assert "A node is free then." in kept  # its own: it overlaps only itself
    abroad.pool.nodes.update(cordoned_at=now())
    page = browser.get(address, {"offer": abroad.public_id, **wish}).content.decode()
    assert "No node is free then." in page and " disabled" in page.split("Move it")[0].rsplit("<button", 1)[1]


def test_its_times_are_on_the_clocks_of_the_zone(browser: Client, ada: User, reserved: Offer, lease: Lease) -> None:
    User.objects.filter(pk=ada.pk).update(time_zone="Asia/Riyadh")
    address = f"/leases/{lease.public_id}/move/"
    there = lease.starts_at.astimezone(ZoneInfo("Asia/Riyadh"))
    assert f'value="{there:%Y-%m-%dT%H:%M}"' in browser.get(address).content.decode()
    wish = {"offer": reserved.public_id, "zone": "Asia/Riyadh"}
    wish |= {"starts_at": f"{there + HOUR:%Y-%m-%dT%H:%M}", "ends_at": f"{there + 3 * HOUR:%Y-%m-%dT%H:%M}"}
    page = browser.get(address, wish).content.decode()
    browser.post(address, {**wish, "quote": hidden(page, "quote")})
    lease.refresh_from_db()
    assert lease.starts_at == there + HOUR


def test_the_price_that_was_shown_is_taken_or_none(browser: Client, reserved: Offer, lease: Lease) -> None:
    address = f"/leases/{lease.public_id}/move/"
    begins = lease.starts_at + DAY
    wish = {"offer": reserved.public_id, "starts_at": f"{begins:%Y-%m-%dT%H:%M}"}
    wish["ends_at"] = f"{begins + 2 * HOUR:%Y-%m-%dT%H:%M}"
    quote = hidden(browser.get(address, wish).content.decode(), "quote")
    Quote.objects.filter(public_id=quote).update(expires_at=now() - SECOND)
    Rate.objects.create(offer=reserved, starts_at=now() - SECOND, micros_per_node_hour=4_000_000)
    page = browser.post(address, {**wish, "quote": quote}).content.decode()
    assert "The price was renewed" in page and "$0.80 more" in page
    assert Lease.objects.get().starts_at == lease.starts_at
