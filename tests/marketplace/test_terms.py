"""Terms are announced ahead, said in words before one buys, and change nothing that was ordered."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.clock import now
from accounts.models import Event
from marketplace.catalogue.load import load
from marketplace.models import ANNOUNCED_AHEAD, Plan, PlanKind, Terms
from marketplace.operations import TermsRefused, announce
from marketplace.queries import terms_of
from marketplace.views.rules import changes, rules
from tests import factories
from tests.factories import DAY, NOON
from tests.leasing.conftest import staff_browser as staff_browser
from tests.leasing.test_fleet_pages import text

pytestmark = pytest.mark.django_db
FIELDS: dict[str, Any] = {
    "min_seconds": 3600,
    "max_seconds": 30 * 86_400,
    "granularity_seconds": 3600,
    "max_ahead_seconds": 30 * 86_400,
    "cleaning_seconds": 900,
    "start_deadline_seconds": 600,
    "guarantee_seconds": 0,
    "renew_within_seconds": 0,
}


@pytest.fixture
def plan(db: None) -> Plan:
    return factories.a_plan(PlanKind.RESERVED)


def announced(plan: Plan, starts_at: Any, **fields: Any) -> Terms:
    return announce(plan=plan, fields={**FIELDS, **fields}, starts_at=starts_at, actor="user:us_pat", now=NOON)


def test_a_change_is_announced_seven_days_ahead_and_holds_from_its_start_on(plan: Plan) -> None:
    later = announced(plan, NOON + ANNOUNCED_AHEAD, most_nodes=8)
    assert terms_of(plan=plan, at=NOON + ANNOUNCED_AHEAD - timedelta(seconds=1)).most_nodes == 256
    assert terms_of(plan=plan, at=NOON + ANNOUNCED_AHEAD) == later
    event = Event.objects.get(kind="plan.terms_announced")
    assert (event.subject, event.actor, event.organization) == ("reserved", "user:us_pat", None)


def test_a_change_with_shorter_notice_is_refused_and_says_from_when_on(plan: Plan) -> None:
    with pytest.raises(TermsRefused, match="from 2026-03-09 12:00 UTC on, 7 days ahead") as refused:
        announced(plan, NOON + ANNOUNCED_AHEAD - timedelta(seconds=1))
    assert refused.value.field == "starts_at"
    assert Terms.objects.count() == 1


def test_the_start_that_a_refusal_names_is_accepted_within_the_minute(plan: Plan) -> None:
    within = NOON + timedelta(seconds=30, microseconds=1)
    with pytest.raises(TermsRefused) as refused:
        announce(plan=plan, fields=FIELDS, starts_at=NOON, actor="user:us_pat", now=within)
    named = re.search(r"from ([-\d]+ [:\d]+) UTC", refused.value.message)
    assert named
    starts_at = datetime.fromisoformat(f"{named[1]}+00:00")
    assert announce(plan=plan, fields=FIELDS, starts_at=starts_at, actor="user:us_pat", now=within)


def test_the_first_terms_of_a_plan_hold_at_once_but_not_in_the_past() -> None:
    new = Plan.objects.create(slug="new", name="New", summary="New.", kind=PlanKind.RESERVED)
    with pytest.raises(TermsRefused, match="from 2026-03-02 12:00 UTC on, not in the past"):
        announced(new, NOON - timedelta(seconds=1))
    assert terms_of(plan=new, at=NOON) if announced(new, NOON) else None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("discounts", [[86_400, 101]]),
        ("discounts", [[86_400, 5], [3600, 3]]),
        ("discounts", "5 %"),
        ("cancel_refunds", [[0]]),
        ("length_steps", [[86_400, 5400]]),  # no multiple of the hours on which leases end
        ("length_steps", [[90_000, 7200]]),  # 25 hours are no multiple of 2 hours
        ("min_seconds", None),
    ],
)
def test_terms_that_make_no_sense_are_refused_by_their_field(plan: Plan, field: str, value: Any) -> None:
    with pytest.raises(TermsRefused) as refused:
        announced(plan, NOON + ANNOUNCED_AHEAD, **{field: value})
    assert refused.value.field == field


def test_staff_announce_terms_that_begin_from_the_newest_and_never_edit_them(staff_browser: Client, plan: Plan) -> None:
    page = staff_browser.get(f"/admin/marketplace/terms/add/?plan={plan.pk}")
    initial = page.context["adminform"].form.initial
    assert (initial["plan"], initial["min_seconds"]) == (plan.pk, 3600)
    form = {name: value for name, value in initial.items() if value is not None and value is not False} | {
        "most_nodes": "8"
    }
    form |= dict.fromkeys(("length_steps", "cancel_refunds"), "[]") | {"discounts": "[[86400, 5]]"}
    soon, later = now() + DAY, now() + 8 * DAY
    said = text(staff_browser.post("/admin/marketplace/terms/add/", form | when(soon)))
    assert "7 days ahead" in said
    assert Terms.objects.count() == 1
    answer = staff_browser.post("/admin/marketplace/terms/add/", form | when(later))
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    terms = Terms.objects.latest("starts_at")
    assert (terms.most_nodes, terms.discounts) == (8, [[86_400, 5]])
    assert Event.objects.get(kind="plan.terms_announced").actor.startswith("user:us_")
    assert staff_browser.post(f"/admin/marketplace/terms/{terms.pk}/change/", form).status_code == 403


def test_a_plans_page_leads_to_its_new_terms(staff_browser: Client, plan: Plan) -> None:
    page = staff_browser.get(f"/admin/marketplace/plan/{plan.pk}/change/").content.decode()
    assert f'href="/admin/marketplace/terms/add/?plan={plan.pk}"' in page


def when(moment: Any) -> dict[str, str]:
    return {"starts_at_0": f"{moment:%Y-%m-%d}", "starts_at_1": f"{moment:%H:%M:%S}"}


def test_the_catalogues_files_announce_a_change_too(db: None) -> None:
    load(now=NOON, node_limit=1)
    plan = Plan.objects.get(slug="reserved")
    factories.the_terms(plan, starts_at=NOON + DAY)  # something else
    load(now=NOON + 2 * DAY, node_limit=1)
    newest = Terms.objects.filter(plan=plan).latest("starts_at")
    assert (newest.announced_at, newest.starts_at) == (NOON + 2 * DAY, NOON + 2 * DAY + ANNOUNCED_AHEAD)
    assert str(load(now=NOON + 3 * DAY, node_limit=1)) == "nothing to change"


def test_each_rule_is_said_in_words_with_its_unit() -> None:
    terms = factories.the_terms(
        factories.a_plan(PlanKind.RESERVED),
        starts_at=NOON,
        granularity_seconds=86_400,
        offset_seconds=41_400,
        may_start_now=True,
        min_seconds=86_400,
        length_steps=[[14 * 86_400, 7 * 86_400]],
        lead_seconds=1800,
        most_nodes=64,
        approval_required=True,
        notice_seconds=900,
        interruptions_per_30_days=3,
        interruption_seconds_per_30_days=7200,
        discounts=[[7 * 86_400, 5], [30 * 86_400, 10]],
        cancel_refunds=[[0, 0], [3600, 90], [86_400, 100]],
        return_refund_percent=75,
        resale_percent=20,
        extend_until_seconds=3600,
        extend_from_seconds=56 * 86_400,
    )
    said = {name: words.replace("\N{NO-BREAK SPACE}", " ") for name, words in rules(terms)}
    assert said == {
        "Length": "1 day to 60 days, from 14 days on in steps of 7 days",
        "Starts and ends": "every day at 11:30 UTC; a start also at once",
        "Ordered ahead": "at least 30 minutes, at most 60 days",
        "Nodes in one order": "1 to 64",
        "Nodes at once": "256 of one organization",
        "Approval": "by the operator, within 1 day; else the order ends and is free",
        "Ready within": "10 minutes, else another node is tried once, then refunded",
        "Extended": "from 56 days before the end, until 1 hour before the end, as far as nobody booked behind you",
        "Pauses": "15 minutes after a notice; at most 3 interruptions and 2 hours in 30 days",
        "While paused": "free; node, data, address and keys are kept, and it goes on by itself",
        "Notice that was short": "credited by rule, also what is left of it when you are ready early",
        "Start fee": "none",
        "Discount": "5 % from 7 days on, 10 % from 30 days on; "
        "shortened before its start, a lease has that of its new length",
        "Cancelling": "Of the price back: all until 1 day before, 90 % until 1 hour before, "
        "nothing from then until it has begun",
        "Handing back": "75 % of the price of the rest back, and 20 % of what somebody else then uses",
    }


def test_only_what_changes_is_shown_as_a_change(plan: Plan) -> None:
    before = terms_of(plan=plan, at=NOON)
    after = factories.the_terms(plan, starts_at=NOON + 8 * DAY, most_nodes=8, hold_seconds=600)
    kept = (
        "a price can keep its nodes for 10\N{NO-BREAK SPACE}minutes; if you let that pass, others go first for as long"
    )
    assert [(name, *words) for name, *words in changes(before, after)] == [
        ("Nodes in one order", "1 to 256", "1 to 8"),
        ("While you decide", "–", kept),
    ]


def test_anybody_reads_the_plans_with_what_was_announced(client: Client, plan: Plan) -> None:
    factories.a_plan()
    instant = now()
    announce(
        plan=plan, fields=FIELDS | {"most_nodes": 8}, starts_at=instant + 8 * DAY, actor="user:us_pat", now=instant
    )
    said = text(client.get("/plans/")).replace("&nbsp;", " ")
    assert "other terms hold for new orders" in said
    assert "Nodes in one order 1 to 256 1 to 8" in said
    assert "Start fee none" in said
    assert said.count("Ready within") == 2


def test_a_plan_that_is_private_is_not_on_the_page(client: Client, plan: Plan) -> None:
    Plan.objects.update(private=True)
    assert "No plan yet" in text(client.get("/plans/"))


def test_the_offers_page_says_the_rules_before_one_orders(client: Client) -> None:
    plan = factories.a_plan(PlanKind.RESERVED, discounts=[[604_800, 5]], cancel_refunds=[[0, 90]])
    offer = factories.an_offer(factories.a_pool(), plan)
    said = text(client.get(f"/offers/{offer.public_id}/")).replace("\N{NO-BREAK SPACE}", " ")
    assert "5 % from 7 days on" in said
    assert "90 % of the price back" in said
