"""The catalogue and the offer as pages: what a visitor reads, what a filter does, how many queries it takes."""

import re
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.clock import now
from accounts.models import Organization
from marketplace.models import Offer, Rate
from marketplace.queries import current_rate
from marketplace.queries.terms import remember
from tests import factories
from tests.factories import DAY
from tests.leasing.conftest import acme, hold, order
from tests.marketplace.conftest import Fair

__all__ = ["acme"]
pytestmark = pytest.mark.django_db


def page(address: str, **headers: str) -> str:
    answer = Client(headers=headers).get(address)
    assert answer.status_code == 200
    return words(answer.content.decode())


def words(html: str) -> str:
    """What is read: no tags, single spaces."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def links(address: str, start: str) -> list[str]:
    html = Client().get(address).content.decode()
    return [link for link in map(unescape, re.findall(r'href="([^"]+)"', html)) if link.startswith(start)]


def shown(address: str) -> list[str]:
    """Public ids of the offers in the list."""
    return [urlsplit(link).path.split("/")[2] for link in links(address, "/offers/")]


def book(acme: Organization, offer: Offer, nodes: int) -> None:
    """Taken from this moment on."""
    instant = now()
    hold(acme, offer, nodes=nodes, starts_at=instant, now=instant, rate=current_rate(offer=offer, at=instant))


def test_a_visitor_reads_what_gridlease_is_and_what_it_costs(fair: Fair) -> None:
    read = page("/")
    assert "Whole GPU nodes, leased by the second" in read
    assert "6 nodes at 2 sites in 2 countries" in read
    assert "$3.60 per node-hour" in read and "$0.45 per GPU-hour" in read
    assert "2 of 2 free now" in read
    assert "Electricity Maps" in read and "ODbL" in read


def test_every_page_says_where_one_can_write_to(fair: Fair) -> None:
    assert 'href="mailto:support@gridlease.example.com"' in Client().get("/").content.decode()


def test_members_are_not_told_again_what_gridlease_is(fair: Fair) -> None:
    browser = Client()
    browser.force_login(factories.a_user())
    read = words(browser.get("/").content.decode())
    assert "Catalogue" in read and "Whole GPU nodes, leased" not in read


def test_a_plain_visit_shows_the_first_plan_and_any_plan_can_be_asked_for(fair: Fair) -> None:
    ids = {name: getattr(fair, name).public_id for name in ("big", "big_reserved", "small", "green")}
    assert shown("/") == [ids["big"], ids["small"], ids["green"]]
    assert shown("/?plan=reserved") == [ids["big_reserved"]]
    assert shown("/?plan=&sort=carbon") == [ids["green"], ids["big_reserved"], ids["big"], ids["small"]]
    assert shown("/?max_price=0.50&gpus=1&site=macon&gpu_memory_gb=24&provisioner=sandbox") == [ids["small"]]


def test_simulated_nodes_are_labelled_in_the_list_and_on_their_page(fair: Fair) -> None:
    assert page("/?gpu_model=l4").count("SIMULATED") == 2  # the row, and the note below the list
    assert "SIMULATED" in page(f"/offers/{fair.small.public_id}/")
    assert "SIMULATED" not in page("/?gpu_model=h100-sxm")
    assert "SIMULATED" not in page(f"/offers/{fair.big.public_id}/")


def test_when_all_are_taken_the_list_says_from_when_they_are_free(fair: Fair, acme: Organization) -> None:
    book(acme, fair.green, nodes=3)
    read = page("/?region=south_america")
    assert "Free from" in read and "0 of 3 free now" in read


def test_a_wrong_filter_is_marked_keeps_what_was_typed_and_searches_nothing(fair: Fair) -> None:
    html = Client().get("/?nodes=999&gpus=8&ends_at=2016-03-02T12:00").content.decode()
    assert 'value="999"' in html and '<option value="8" selected>' in html
    read = words(html)
    assert "At most 256 nodes." in read and "Choose an end after now" in read
    assert "Nothing was searched for" in read and "per node-hour" not in read


def test_an_empty_result_names_the_filters_to_leave_out(fair: Fair) -> None:
    address = "/?region=south_america&gpu_model=l4&nodes=1"
    assert "No offer matches" in page(address)
    assert "Region 1 offer" in page(address)
    ways = [parse_qs(urlsplit(link).query) for link in links(address, "/?")]
    assert {"gpu_model": ["l4"]} in ways and {"region": ["south_america"]} in ways


def test_a_period_ahead_with_a_plan_that_starts_now_leads_to_other_plans(fair: Fair) -> None:
    starts_at = f"{now() + timedelta(days=2):%Y-%m-%dT%H:00}"
    read = page(f"/?starts_at={starts_at}")
    assert "No offer matches" in read and "Plan 1 offer" in read
    assert "2 of 2 free for your whole period" in page(f"/?plan=reserved&starts_at={starts_at}")


def test_the_list_has_pages_of_24_that_keep_the_filters(fair: Fair) -> None:
    for number in range(30):
        pool = factories.a_pool(nodes=1, site=factories.a_site(f"site-{number}"))
        factories.an_offer(pool)
    assert len(shown("/?gpus=8")) == 24
    (onwards,) = links("/?gpus=8", "/?gpus=8&page=2")
    assert len(shown(onwards)) == 7
    assert shown("/?gpus=8&page=99") == shown(onwards)  # beyond the last page is the last page


def test_a_ceiling_on_the_price_leaves_full_pages(fair: Fair) -> None:
    for number in range(30):
        pool = factories.a_pool(nodes=1, site=factories.a_site(f"site-{number}"))
        factories.an_offer(pool, micros=3_000_000 if number % 2 else 5_000_000)
    for sort in ("price", "free"):
        address = f"/?gpus=8&max_price=4.99&sort={sort}"
        assert len(shown(address)) == 16 and not links(address, "/?gpus=8&page=2"), "15 there, and one in Macon"
        wider = f"/?gpus=8&max_price=5&sort={sort}"
        (onwards,) = (link for link in links(wider, "/?") if "page=2" in link)
        assert (len(shown(wider)), len(shown(onwards))) == (24, 7)
        assert "max_price=5" in onwards
    dear = Offer.objects.filter(rates__micros_per_node_hour=5_000_000).values_list("public_id", flat=True)
    assert not {*shown("/?gpus=8&max_price=4.99")} & {*dear}


def test_a_live_search_has_an_address_worth_sending_to_a_colleague(fair: Fair) -> None:
    answer = Client(headers={"HX-Request": "true"}).get("/?plan=on_demand&gpu_model=l4&nodes=&sort=price&region=")
    assert answer.headers["HX-Push-Url"] == "/?gpu_model=l4"


def test_parameters_that_mean_nothing_here_are_passed_over(fair: Fair) -> None:
    assert shown("/?utm_source=mail&gpu_model=l4") == [fair.small.public_id]


def test_an_offer_says_everything_about_the_node_the_site_and_the_power(fair: Fair) -> None:
    read = page(f"/offers/{fair.green.public_id}/")
    for fact in (
        "4 × H100 SXM", "in Hernandarias, Alto Paraná, Paraguay", "80 GB HBM3 each, 320 GB in all", "3.35 TB/s each",
        "989 TFLOP/s each", "2,048 GB", "30.0 TB", "400 Gbit/s", "10.2 kW under full load", "(America/Asuncion)",
        "25 g CO₂e per kWh", "100 %", "about 0.3 kg CO₂e an hour", "Electricity Maps",
    ):  # fmt: skip
        assert fact.replace(" ", "") in read.replace("\N{NO-BREAK SPACE}", "").replace(" ", ""), fact


@pytest.mark.parametrize(
    ("nodes", "costs"), [(1, ["$3.60", "$86.40", "$2,592.00"]), (2, ["$7.20", "$172.80", "$5,184.00"])]
)
def test_the_price_is_worked_out_for_an_hour_a_day_and_thirty_days(fair: Fair, nodes: int, costs: list[str]) -> None:
    read = page(f"/offers/{fair.big.public_id}/?nodes={nodes}")
    assert all(cost in read for cost in costs)


def test_what_is_charged_and_comes_back_is_said_as_the_plans_terms_have_it(fair: Fair) -> None:
    factories.the_terms(fair.big_reserved.plan, starts_at=now() - DAY, return_refund_percent=75, resale_percent=20)
    reserved, on_demand = (page(f"/offers/{offer.public_id}/") for offer in (fair.big_reserved, fair.big))
    kept = "Of the price of time that you hand back early, 75 % are free again at once"
    assert kept in reserved and "never more than the whole period" in reserved
    assert "what you do not use is free again" in on_demand and "hand back early" not in on_demand


def test_an_offer_on_demand_says_until_when_it_is_guaranteed(fair: Fair, acme: Organization) -> None:
    assert "Guaranteed until" in page(f"/offers/{fair.big.public_id}/?nodes=2")
    assert "Guaranteed until" not in page(f"/offers/{fair.big_reserved.public_id}/?nodes=2")
    start = now().replace(minute=0, second=0, microsecond=0) + 2 * DAY
    order(acme, fair.big_reserved, starts_at=start, ends_at=start + DAY, now=now())
    until = f"{start - timedelta(minutes=15):%-d %b %Y, %H:%M}"
    assert until in page(f"/offers/{fair.big.public_id}/?nodes=2").replace("\N{NO-BREAK SPACE}", " ")
    assert until not in page(f"/offers/{fair.big.public_id}/").replace("\N{NO-BREAK SPACE}", " ")


def test_a_free_offer_leads_to_its_order(fair: Fair) -> None:
    (order,) = links(f"/offers/{fair.big.public_id}/?nodes=2", "/order/")
    assert order == f"/order/?offer={fair.big.public_id}&nodes=2"


def test_a_reservation_leads_to_its_order_with_the_asked_period(fair: Fair) -> None:
    start = (now() + timedelta(days=2)).replace(minute=0)
    period = {"starts_at": f"{start:%Y-%m-%dT%H:%M}", "ends_at": f"{start + timedelta(hours=3):%Y-%m-%dT%H:%M}"}
    address = f"/offers/{fair.big_reserved.public_id}/?starts_at={period['starts_at']}&ends_at={period['ends_at']}"
    orders = [parse_qs(link) for link in links(address, "/order/")]
    assert {name: [value] for name, value in period.items()}.items() <= orders[0].items()
    assert all(asked["starts_at"][0].removesuffix("Z").endswith(":00") for asked in orders)
    assert "$9.00" in page(address)  # three hours at $3.00


def test_a_window_that_begins_with_the_order_leads_there_without_its_start(fair: Fair) -> None:
    factories.the_terms(fair.big_reserved.plan, starts_at=now() - DAY, may_start_now=True)
    orders = [parse_qs(link) for link in links(f"/offers/{fair.big_reserved.public_id}/", "/order/")]
    window = next(asked for asked in orders if "ends_at" in asked)
    assert "starts_at" not in window


def test_a_taken_offer_leads_to_what_is_free(fair: Fair, acme: Organization) -> None:
    book(acme, fair.small, nodes=1)
    address = f"/offers/{fair.small.public_id}/"
    assert links(address, "/order/") == []
    assert "Find what is free now" in page(address)
    assert "Find 3 nodes elsewhere" in page(f"/offers/{fair.big.public_id}/?nodes=3")


def test_the_same_nodes_on_the_other_plan_are_one_click_away(fair: Fair) -> None:
    assert f"/offers/{fair.big_reserved.public_id}/?nodes=2" in links(
        f"/offers/{fair.big.public_id}/?nodes=2", "/offers/"
    )


def test_an_offer_off_the_list_or_without_a_price_has_no_page(fair: Fair) -> None:
    Offer.objects.filter(pk=fair.small.pk).update(listed=False)
    unpriced = Offer.objects.create(pool=fair.green.pool, plan=fair.big_reserved.plan)
    Rate.objects.create(offer=unpriced, starts_at=now() + timedelta(days=1), micros_per_node_hour=1)
    for offer in (fair.small, unpriced):
        assert Client().get(f"/offers/{offer.public_id}/").status_code == 404


@pytest.mark.parametrize(
    ("address", "count"),
    [
        ("/", 12),  # clock, plans, GPU models, GPU counts, sites; offers; free nodes, rows, rates, stock; two sizes
        ("/?region=middle_east&plan=", 11),
        ("/offers/{big}/", 11),
        ("/offers/{big_reserved}/?nodes=2", 13),  # and the calendar's free nodes and power
        ("/find/?nodes=2&hours=72", 9),
    ],
)
def test_a_page_takes_a_fixed_number_of_queries(fair: Fair, address: str, count: int) -> None:
    ids: dict[str, Any] = {name: getattr(fair, name).public_id for name in ("big", "big_reserved")}
    remember()
    with CaptureQueriesContext(connection) as queries:
        page(address.format(**ids))
    assert len(queries) == count


def test_the_catalogue_asks_for_its_period_on_the_readers_clocks(fair: Fair) -> None:
    """India: UTC+05:30 all year."""
    user, start = factories.a_user(time_zone="Asia/Kolkata"), now().replace(minute=0, second=0, microsecond=0) + DAY
    there, query = Client(), {"plan": "reserved", "ends_at": f"{start + DAY:%Y-%m-%dT%H:%M}"}
    there.force_login(user)
    form = there.get("/", {**query, "starts_at": f"{start:%Y-%m-%dT%H:%M}"}).context["form"]  # no zone: UTC
    typed = f"{start + timedelta(hours=5, minutes=30):%Y-%m-%dT%H:%M}"
    assert (form["zone"].value(), form["starts_at"].value(), form.criteria().starts_at) == (
        "Asia/Kolkata",
        typed,
        start,
    )
    said = {"plan": "reserved", "starts_at": typed, "zone": "Asia/Kolkata"}
    shown = there.get("/", said, headers={"HX-Request": "true"})
    assert shown.context["criteria"].starts_at == start
    assert "zone=Asia%2FKolkata" in shown.headers["HX-Push-Url"] and "zone=Asia%2FKolkata" in shown.context["wish"]
    assert there.get("/?zone=UTC", headers={"HX-Request": "true"}).headers["HX-Push-Url"] == "/"
    assert 'type="hidden" name="zone"' in Client().get("/").content.decode()
