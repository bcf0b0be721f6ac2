"""A promise that is not kept is credited by rule: once for each fact, by what is known, without anybody asking."""

from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from rest_framework.test import APIClient

from accounts.models import Event, Organization
from billing import crediting, invariants, metering, promising
from billing.models import CreditRule, InvoiceLine, Meter, Posting, PostingKind, Promise, RuleCredit
from billing.promising import RuleRefused
from billing.receipts import receipt
from leasing.models import Lease, Outage
from leasing.operations import end, pause, ready
from leasing.operations.interrupting import begin_due
from marketplace.models import Offer
from tests import factories
from tests.billing.conftest import (
    HOUR,
    NOON,
    SECOND,
    a_quote,
    assert_books_balance,
    balance,
    funded,
    invoiced,
    place,
    running,
)
from tests.billing.test_outages import out
from tests.factories import DAY
from tests.leasing.conftest import work_all
from tests.leasing.interrupted import announced, surplus

pytestmark = pytest.mark.django_db
ACTOR = "user:us_tests"
MINUTE = timedelta(minutes=1)


def a_rule(
    kind: Promise, *, since: datetime = NOON - DAY, from_seconds: int = 900, percent: int = 500, most: int = 100
) -> CreditRule:
    return CreditRule.objects.create(
        kind=kind, announced_at=since, starts_at=since, from_seconds=from_seconds, percent=percent, most_percent=most
    )


def sweep(now: datetime) -> int:
    """What the sweep credits; and a second one right behind it finds nothing more."""
    moved = sum(crediting.credit(lease=lease, now=now) for lease in crediting.due(now=now))
    assert sum(crediting.credit(lease=lease, now=now) for lease in crediting.due(now=now)) == 0
    assert list(invariants.broken(now=now)) == []
    return moved


def over(lease: Lease, at: datetime) -> None:
    end(lease=lease, reason="returned", actor=ACTOR, now=at)
    work_all(lease.offer, now=at)
    metering.meter(lease=lease, upto=at + HOUR, now=at + HOUR)


@pytest.mark.parametrize(
    ("minutes", "micros"),
    [(14, 0), (15, 5 * 900_000), (30, 5 * 1_800_000), (110, 490 * 60_000)],
    ids=["short ones are only free", "from 15 minutes on", "five times its price", "never more than the month's bill"],
)
def test_an_outage_is_credited_with_a_multiple_of_its_price(
    acme: Organization, offer: Offer, minutes: int, micros: int
) -> None:
    a_rule(Promise.OUTAGE)
    lease = running(acme, offer)
    out(lease, NOON, NOON + minutes * MINUTE)
    over(lease, NOON + 10 * HOUR)
    assert sweep(NOON + 11 * HOUR) == micros
    assert balance(acme) == 100_000_000 - (600 - minutes) * 60_000 + micros
    assert [row.micros for row in RuleCredit.objects.all()] == [micros] * bool(micros)
    assert_books_balance()


def test_a_lease_keeps_the_rule_that_held_when_it_was_ordered(acme: Organization, offer: Offer) -> None:
    rule = a_rule(Promise.OUTAGE, percent=200)
    a_rule(Promise.OUTAGE, since=NOON + HOUR, percent=900)
    lease = running(acme, offer)
    out(lease, NOON + 3 * HOUR, NOON + 4 * HOUR)
    over(lease, NOON + 9 * HOUR)
    assert sweep(NOON + 10 * HOUR) == 2 * 3_600_000
    credit = RuleCredit.objects.get()
    assert (credit.rule, credit.posting.kind, credit.node_seconds) == (rule, PostingKind.PROMISE_CREDIT, 3600)
    assert f"rule {rule.pk}" in credit.posting.memo


def test_a_lease_ordered_before_the_first_rule_has_none(acme: Organization, offer: Offer) -> None:
    lease = running(acme, offer)
    a_rule(Promise.OUTAGE, since=NOON + SECOND)
    out(lease, NOON + HOUR, NOON + 2 * HOUR)
    over(lease, NOON + 9 * HOUR)
    assert sweep(NOON + 10 * HOUR) == 0


def test_what_becomes_known_later_is_a_further_posting_signed(acme: Organization, offer: Offer) -> None:
    a_rule(Promise.OUTAGE, percent=100)
    lease = running(acme, offer)
    outage = out(lease, NOON, NOON + 30 * MINUTE)
    over(lease, NOON + 9 * HOUR)
    assert sweep(NOON + 10 * HOUR) == 1_800_000
    assert sweep(NOON + 11 * HOUR) == 0
    for later, minutes, moved in [(1, 40, 600_000), (2, 20, -1_200_000), (3, 10, -1_200_000), (4, 16, 960_000)]:
        known = NOON + 11 * HOUR + later * HOUR
        Outage.objects.filter(pk=outage.pk).update(ended_at=NOON + minutes * MINUTE, recorded_at=known)
        assert sweep(known + SECOND) == moved
    assert [row.micros for row in RuleCredit.objects.all()] == [1_800_000, 600_000, -1_200_000, -1_200_000, 960_000]
    told = [event.words for event in Event.objects.filter(kind="lease.credited").order_by("id")]
    assert [("corrected" in words, words[-5:]) for words in told] == [
        (False, "utage"),
        (True, "$1.20"),
        (True, "$1.20"),
    ]
    assert_books_balance()


def test_a_credit_that_met_its_cap_grows_with_the_bill_and_ends_with_the_month(
    acme: Organization, offer: Offer
) -> None:
    a_rule(Promise.OUTAGE)
    lease = running(acme, offer)
    out(lease, NOON, NOON + HOUR)
    assert sweep(NOON + 2 * HOUR) == 3_600_000  # what is used so far of five hours' price
    assert sweep(NOON + 2 * HOUR + 30 * MINUTE) == 0  # looked at again once an hour
    assert sweep(NOON + 4 * HOUR + 2 * MINUTE) == 2 * 3_600_000 + 120_000
    assert sweep(NOON + 9 * HOUR) == 2 * 3_600_000 - 120_000
    assert Meter.objects.get().promises_due_at is None
    assert Event.objects.filter(kind="lease.credited", notice__isnull=False).count() == 1
    assert Event.objects.filter(kind="lease.credited").count() == 1
    assert_books_balance()


def test_the_first_minutes_of_a_late_start_are_free(acme: Organization, offer: Offer) -> None:
    a_rule(Promise.LATE_START, percent=100)
    late, punctual = place(a_quote(acme, offer, nodes=2)), place(a_quote(acme, offer))
    work_all(offer, now=NOON + 20 * MINUTE)
    for lease in (late, punctual):
        lease.refresh_from_db()
    over(late, NOON + 2 * HOUR)
    over(punctual, NOON + 30 * MINUTE)
    assert sweep(NOON + 3 * HOUR) == 2 * 20 * 60_000 + 10 * 60_000  # the second used only ten minutes
    assert {row.transition.new for row in RuleCredit.objects.all() if row.transition} == {"active"}
    assert receipt(lease=punctual, now=NOON + 3 * HOUR).total_micros == 0


def test_a_start_in_time_is_not_credited(acme: Organization, offer: Offer) -> None:
    a_rule(Promise.LATE_START)
    lease = place(a_quote(acme, offer))
    work_all(offer, now=NOON + 15 * MINUTE - SECOND)
    over(lease, NOON + HOUR)
    assert sweep(NOON + 2 * HOUR) == 0


@pytest.mark.parametrize(("before", "short"), [(0, 0), (15, 15), (60, 60)])
def test_each_minute_of_notice_that_a_ready_tenant_gave_up_is_credited(
    acme: Organization, before: int, short: int
) -> None:
    a_rule(Promise.SHORT_NOTICE, from_seconds=60, percent=100)
    offer = surplus()
    lease = running(acme, offer)
    row, at = announced(lease, now=NOON + 4 * HOUR), NOON + 5 * HOUR - before * MINUTE
    if before:
        ready(interruption=row, actor="user:us_tests", now=at)
    else:
        begin_due(interruption=row, now=at)
    work_all(offer, now=at)
    assert sweep(at + MINUTE) == short * 60_000


def test_a_pause_for_an_empty_wallet_needs_no_notice(acme: Organization) -> None:
    a_rule(Promise.SHORT_NOTICE, from_seconds=60)
    offer = factories.an_offer(factories.a_pool(nodes=1), factories.a_plan("on_demand", notice_seconds=3600))
    lease = running(acme, offer)
    pause(lease=lease, reason="out_of_funds", until=NOON + DAY, actor="system:billing", now=NOON + HOUR)
    work_all(offer, now=NOON + HOUR)
    assert sweep(NOON + 2 * HOUR) == 0


def test_an_outage_that_passed_on_to_a_replacement_is_as_long_as_both(acme: Organization, offer: Offer) -> None:
    a_rule(Promise.OUTAGE, percent=100)
    lease = running(acme, offer)
    out(lease, NOON + HOUR, NOON + HOUR + 10 * MINUTE)
    out(lease, NOON + HOUR + 10 * MINUTE, NOON + HOUR + 20 * MINUTE)
    over(lease, NOON + 9 * HOUR)
    assert sweep(NOON + 10 * HOUR) == 20 * 60_000


def test_everything_says_what_was_credited(acme: Organization, offer: Offer, browser: Client, api: APIClient) -> None:
    rule = a_rule(Promise.OUTAGE, percent=100)
    lease = running(acme, offer)
    outage = out(lease, NOON, NOON + 20 * MINUTE)
    over(lease, NOON + HOUR)
    sweep(NOON + 2 * HOUR)
    posting = Posting.objects.get(kind=PostingKind.PROMISE_CREDIT)
    for page in (f"/leases/{lease.public_id}/", f"/leases/{lease.public_id}/receipt/", "/wallet/ledger/"):
        assert "$1.20" in browser.get(page).content.decode(), page
    (shown,) = api.get(f"/api/v1/leases/{lease.public_id}/credits").json()["results"]
    assert (shown["id"], shown["rule"], shown["outage"], shown["micros"]) == (
        posting.public_id,
        rule.pk,
        outage.public_id,
        1_200_000,
    )
    paper = api.get(f"/api/v1/leases/{lease.public_id}/receipt").json()
    assert (paper["promise_credits"], paper["total_micros"]) == ([shown], 40 * 60_000 - 1_200_000)
    invoice = invoiced(acme, month=NOON.date().replace(day=1), now=NOON + 40 * DAY)
    assert invoice and invoice.total_cents == 120
    line = InvoiceLine.objects.get(kind="promise")
    assert (line.cents, line.micros, line.lease) == (-120, -1_200_000, lease)


def test_the_rules_are_published(db: None) -> None:
    assert len(promising.load(now=NOON)) == 3
    assert promising.load(now=NOON) == []
    page = Client().get("/promises/").content.decode()
    assert "500&nbsp;% of its price is credited on top" in page
    assert [rule["percent"] for rule in APIClient().get("/api/v1/promises").json()["in_force"]] == [100, 500, 100]
    assert "/promises/" in Client().get("/plans/").content.decode()


def test_a_change_of_a_rule_is_announced_seven_days_ahead_and_the_old_one_stays(db: None) -> None:
    promising.load(now=NOON)
    figures = {"from_seconds": 600, "percent": 1000, "most_percent": 100}
    with pytest.raises(RuleRefused, match="from 2026-03-09 12:00 UTC on"):
        promising.announce(
            kind=Promise.OUTAGE, figures=figures, starts_at=NOON + 7 * DAY - SECOND, actor=ACTOR, now=NOON
        )
    new = promising.announce(kind=Promise.OUTAGE, figures=figures, starts_at=NOON + 7 * DAY, actor=ACTOR, now=NOON)
    assert CreditRule.objects.filter(kind=Promise.OUTAGE).count() == 2
    with pytest.raises(Exception, match="Cannot update"), transaction.atomic():
        CreditRule.objects.filter(pk=new.pk).update(percent=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        a_rule(Promise.OUTAGE, since=new.starts_at)


class AnyOrder(TestCase):
    """Whenever one looks, and however often, what was credited in the end is the same."""

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(looks=st.lists(st.integers(10, 60 * 14), max_size=5), cut=st.integers(1, 100))
    def test_when_it_is_looked_at_never_changes_the_total(self, looks: list[int], cut: int) -> None:
        a_rule(Promise.OUTAGE, since=NOON - DAY, most=cut)
        a_rule(Promise.LATE_START, since=NOON - DAY, percent=100, most=cut, from_seconds=60)
        offer = factories.an_offer(factories.a_pool(nodes=1))
        lease = place(a_quote(funded(100), offer))
        work_all(offer, now=NOON + 5 * MINUTE)
        outages = [(NOON + 90 * MINUTE, NOON + 130 * MINUTE), (NOON + 400 * MINUTE, NOON + 420 * MINUTE)]
        for since, until in outages:
            out(lease, since, until)
        for minutes in sorted(looks):
            crediting.credit(lease=lease, now=NOON + minutes * MINUTE)
        over(lease, NOON + 15 * HOUR)
        crediting.credit(lease=lease, now=NOON + 17 * HOUR)
        bill = (15 * 60 - 5 - 60) * 60_000
        assert sum(row.micros for row in RuleCredit.objects.all()) == min(305 * 60_000, bill * cut // 100)
