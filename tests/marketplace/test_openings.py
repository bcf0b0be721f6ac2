"""The earliest start across sites: the first period that can be booked of each offer, with its price."""

from datetime import datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.clock import now
from accounts.models import Organization
from marketplace.models import Offer, Plan, PlanAccess, PlanKind
from marketplace.queries import BadPeriod, Criteria, Opening, check_length, current_rate, openings
from marketplace.queries.terms import remember
from tests import factories
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import acme, hold, order
from tests.marketplace.conftest import Fair

__all__ = ["acme"]
pytestmark = pytest.mark.django_db


def find(hours: int = 24, days: int = 30, sort: str = "price", **criteria: Any) -> list[Opening]:
    wanted = Criteria(**criteria)
    return openings(criteria=wanted, length=hours * HOUR, until=NOON + days * DAY, now=NOON, sort=sort)


@pytest.fixture
def green_reserved(fair: Fair) -> Offer:
    """The three nodes in Itaipu, reserved: $2.00 a node-hour."""
    return factories.an_offer(fair.green.pool, fair.big_reserved.plan, micros=2_000_000)


def test_an_idle_offer_opens_at_the_next_step_of_its_plan_and_says_its_whole_price(fair: Fair) -> None:
    (found,) = find(hours=72, nodes=2)
    assert found.hit.offer_id == fair.big_reserved.pk
    assert (found.starts_at, found.ends_at) == (NOON + HOUR, NOON + 73 * HOUR)
    assert (found.total_micros, found.discount_percent, found.at_once) == (3_000_000 * 72 * 2, 0, False)


def test_a_taken_offer_opens_when_its_nodes_are_clean_again(fair: Fair, acme: Organization) -> None:
    order(acme, fair.big_reserved, starts_at=NOON + 4 * HOUR, ends_at=NOON + 50 * HOUR)
    assert find(hours=24, nodes=1)[0].starts_at == NOON + HOUR
    assert (
        find(hours=24, nodes=2)[0].starts_at == NOON + 51 * HOUR
    )  # a quarter of an hour of cleaning, then whole hours
    assert find(hours=2, nodes=2)[0].starts_at == NOON + HOUR  # before it, with its cleaning


def test_cheapest_first_or_soonest_first(fair: Fair, green_reserved: Offer, acme: Organization) -> None:
    order(acme, green_reserved, nodes=3, starts_at=NOON + HOUR, ends_at=NOON + 9 * HOUR)
    assert [found.hit.offer_id for found in find()] == [green_reserved.pk, fair.big_reserved.pk]
    assert [found.hit.offer_id for found in find(sort="start")] == [fair.big_reserved.pk, green_reserved.pk]


def test_a_longer_lease_has_the_discount_of_its_length(fair: Fair) -> None:
    factories.the_terms(fair.big_reserved.plan, starts_at=NOON - DAY, discounts=[[72 * 3600, 10]])
    (short,), (long,) = find(hours=71), find(hours=72)
    assert (short.discount_percent, short.total_micros) == (0, 71 * 3_000_000)
    assert (long.discount_percent, long.micros_per_node_hour, long.total_micros) == (10, 2_700_000, 72 * 2_700_000)
    assert (
        find(hours=71, max_micros_per_node_hour=2_999_999) == find(hours=72, max_micros_per_node_hour=2_699_999) == []
    )
    assert find(hours=72, max_micros_per_node_hour=2_700_000) == [long]


def test_what_does_not_end_in_time_or_begins_too_far_ahead_is_left_out(fair: Fair, acme: Organization) -> None:
    order(acme, fair.big_reserved, nodes=2, starts_at=NOON + HOUR, ends_at=NOON + 59 * DAY)
    assert find(hours=24, days=60) == []
    assert find(hours=24, days=61)[0].starts_at == NOON + 59 * DAY + HOUR
    assert len(find(hours=1, days=1, nodes=1, starts_at=NOON + 61 * DAY)) == 0


def test_lengths_and_numbers_of_nodes_that_the_terms_forbid_find_nothing(fair: Fair) -> None:
    factories.the_terms(fair.big_reserved.plan, starts_at=NOON - DAY, min_seconds=48 * 3600, most_nodes=1)
    assert find(hours=24) == [] and find(hours=48, nodes=2) == []
    assert len(find(hours=48)) == 1


def test_a_plan_that_allows_it_opens_at_once(fair: Fair) -> None:
    factories.the_terms(fair.big_reserved.plan, starts_at=NOON - DAY, may_start_now=True)
    late = NOON + timedelta(minutes=20)
    (found,) = openings(criteria=Criteria(), length=5 * HOUR, until=NOON + DAY, now=late)
    assert (found.starts_at, found.at_once) == (late, True)
    assert found.ends_at == NOON + 6 * HOUR  # the time to the first whole hour on top


def test_every_opening_can_be_booked_as_it_is(fair: Fair, green_reserved: Offer, acme: Organization) -> None:
    for start in (3, 40, 90):
        order(acme, fair.big_reserved, nodes=1, starts_at=NOON + start * HOUR, ends_at=NOON + (start + 20) * HOUR)
        order(acme, green_reserved, nodes=2, starts_at=NOON + start * HOUR, ends_at=NOON + (start + 9) * HOUR)
    for offer, opening in zip((green_reserved, fair.big_reserved), find(hours=30, nodes=2), strict=True):
        order(acme, offer, nodes=2, starts_at=opening.starts_at, ends_at=opening.ends_at)


def test_the_filters_of_offers_narrow_it(fair: Fair, green_reserved: Offer) -> None:
    assert [found.hit.offer_id for found in find(site="macon")] == [fair.big_reserved.pk]
    assert [found.hit.offer_id for found in find(region="south_america")] == [green_reserved.pk]
    assert [found.hit.offer_id for found in find(max_micros_per_node_hour=2_000_000)] == [green_reserved.pk]
    assert find(gpu_model="l4") == []  # on demand only: it has no periods


def test_three_queries_however_many_offers(fair: Fair, green_reserved: Offer, django_assert_num_queries: Any) -> None:
    remember()
    with django_assert_num_queries(3):  # offers; calendars, power
        assert len(find()) == 2


# In the API and on the page


def ask(**query: Any) -> Any:
    return APIClient().get("/api/v1/earliest", query)


def test_the_api_lists_openings_that_a_quote_takes(fair: Fair, green_reserved: Offer) -> None:
    answer = ask(nodes=2, hours=72).json()
    first = answer["results"][0]
    assert answer["count"] == 2
    assert (first["offer"], first["site"], first["plan"]) == (green_reserved.public_id, "itaipu", "reserved")
    length = datetime.fromisoformat(first["ends_at"]) - datetime.fromisoformat(first["starts_at"])
    assert length == 72 * HOUR and datetime.fromisoformat(first["starts_at"]) > now()
    assert (first["total_micros"], first["list_micros_per_node_hour"]) == (2_000_000 * 144, 2_000_000)


def test_the_api_turns_pages(fair: Fair, green_reserved: Offer) -> None:
    first = ask(page_size=1).json()
    second = APIClient().get(first["next"]).json()
    assert [row["offer"] for row in first["results"] + second["results"]] == [
        green_reserved.public_id,
        fair.big_reserved.public_id,
    ]


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"hours": 0}, "hours", "from 1 to 8760"),
        ({"sort": "free"}, "sort", "price, start"),
        ({"until": "2020-01-01T00:00:00Z"}, "until", "1 day after the start, or later"),
        ({"until": "2150-01-01T00:00:00Z"}, "until", "Choose a moment between"),
        ({"starts_at": "2150-01-01T00:00:00Z"}, "starts_at", "60 days ahead"),
        ({"starts_at": "2999-01-01T00:00:00Z"}, "starts_at", "from 2000 to 2199"),
        ({"ends_at": "2999-01-01T00:00:00Z"}, "ends_at", "Unknown field"),
    ],
)
def test_bad_questions_name_the_field_and_the_limit(fair: Fair, query: dict[str, Any], field: str, words: str) -> None:
    answer = ask(**query)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["field"] == field and words in error["message"]


def test_a_private_plan_is_found_by_nobody_else(fair: Fair, green_reserved: Offer) -> None:
    fair.big_reserved.plan.private = True
    fair.big_reserved.plan.save()
    assert ask().json()["count"] == 0


def page(**query: Any) -> str:
    return unescape(Client().get("/find/", query).content.decode())


def test_each_result_is_one_click_from_its_order(fair: Fair) -> None:
    read = page(nodes=2, hours=72, zone="America/New_York")
    link = next(part.split('"')[0] for part in read.split('href="') if part.startswith("/order/"))
    asked = parse_qs(urlsplit(link).query)
    assert (asked["offer"], asked["nodes"]) == ([fair.big_reserved.public_id], ["2"])
    length = datetime.fromisoformat(asked["ends_at"][0]) - datetime.fromisoformat(asked["starts_at"][0])
    assert length == 72 * HOUR and asked["zone"] == ["America/New_York"]
    assert "$432.00" in read


def test_a_search_that_finds_nothing_says_what_may_help(fair: Fair) -> None:
    read = page(nodes=9, hours=72, gpu_model="h100-sxm", max_price="40", until="", starts_at="2026-03-03T00:00")
    assert "No opening between these moments" in read
    link = next(part.split('"')[0] for part in read.split('href="') if part.startswith("/standing-orders/new/"))
    asked = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    assert asked.pop("latest_at") > asked.pop("earliest_at")
    wanted = {"nodes": "9", "length_hours": "72", "gpu_model": "h100-sxm", "max_price": "40", "mode": "book"}
    assert asked == wanted


def test_a_length_that_no_plan_has_is_refused_with_the_lengths_that_there_are(fair: Fair) -> None:
    factories.the_terms(fair.big_reserved.plan, starts_at=NOON - DAY, min_seconds=48 * 3600, max_seconds=96 * 3600)
    words = "No such plan lasts 47 hours: reserved lasts 2 days to 4 days. Choose a length of these."
    answer = ask(hours=47)
    assert (answer.status_code, answer.json()["errors"]) == (400, [{"field": "hours", "message": words}])
    read = page(hours=47, max_price="77").replace("\xa0", " ")
    assert words in read and 'id="id_hours_error"' in read and "No opening" not in read and 'value="77"' in read
    assert ask(hours=97, plan="reserved").status_code == 400
    assert ask(hours=96).status_code == ask(hours=48, nodes=9).status_code == 200
    assert ask(hours=47, plan="on_demand").json()["count"] == 0, "it has no periods"


@pytest.mark.parametrize("hours", ["8761", "0", "-3", "1.5", "a day", "9" * 5000])
def test_the_page_names_the_hours_that_there_are_in_our_own_words(fair: Fair, hours: str) -> None:
    read = page(hours=hours, max_price="10001").replace("\xa0", " ")
    assert "Choose a whole number of hours from 1 to 8,760, which is a year." in read and 'id="id_hours_error"' in read
    assert "Choose an amount from $0 to $10,000 for an hour of a node." in read
    assert "Ensure" not in read and f'value="{hours}"' in read


def test_a_length_within_a_plans_steps_is_rounded_up_and_not_refused(fair: Fair) -> None:
    day = 24 * 3600
    steps: dict[str, Any] = {"granularity_seconds": day, "min_seconds": day, "max_seconds": 2 * day}
    factories.the_terms(fair.big_reserved.plan, starts_at=NOON - DAY, **steps)
    assert ask(hours=25).json()["count"] == 1
    assert ask(hours=25, nodes=9).status_code == 200
    assert ask(hours=49).status_code == 400


def test_a_private_plan_that_lasts_as_long_counts_for_who_has_it(fair: Fair, acme: Organization) -> None:
    factories.the_terms(fair.big_reserved.plan, starts_at=NOON - DAY, max_seconds=3600)
    private = Plan.objects.create(slug="long", name="Long", summary="Yours.", kind=PlanKind.RESERVED, private=True)
    factories.the_terms(private)
    criteria = Criteria(organization=acme)
    with pytest.raises(BadPeriod):
        check_length(criteria=criteria, length=5 * HOUR, now=NOON)
    PlanAccess.objects.create(plan=private, organization=acme)
    check_length(criteria=criteria, length=5 * HOUR, now=NOON)


def test_a_bad_field_is_marked_and_nothing_searched(fair: Fair) -> None:
    assert "1 day after the start, or later" in page(until="2020-01-01T00:00")


def test_the_catalogue_leads_there_with_its_filters(fair: Fair, acme: Organization) -> None:
    read = unescape(Client().get("/", {"nodes": "9", "plan": "on_demand", "gpu_model": "h100-sxm"}).content.decode())
    assert read.count('href="/find/?nodes=9&gpu_model=h100-sxm"') + read.count(
        'href="/find/?gpu_model=h100-sxm&nodes=9"'
    ) == 2  # fmt: skip
    assert "plan=reserved" in unescape(Client().get("/", {"plan": "reserved"}).content.decode()).split("/find/")[1]


def test_a_taken_pool_is_found_later_on_the_page_too(fair: Fair, acme: Organization) -> None:
    instant = now()
    rate = current_rate(offer=fair.big_reserved, at=instant)
    hold(acme, fair.big_reserved, nodes=2, starts_at=instant, now=instant, rate=rate, ends_at=instant + 20 * HOUR)
    (row,) = ask(nodes=1, hours=1).json()["results"]
    assert datetime.fromisoformat(row["starts_at"]) >= instant + 20 * HOUR
