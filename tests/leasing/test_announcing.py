"""Who has a lease on a plan hears of new terms, once; the lease keeps its own."""

from datetime import timedelta

import pytest

from accounts.models import Event, Organization
from leasing import schedule
from leasing.models import Lease, TermsTold
from leasing.provisioners.fake import World
from marketplace.models import ANNOUNCED_AHEAD, Terms
from marketplace.operations import announce
from tests import factories
from tests.factories import DAY, HOUR, NOON
from tests.leasing.conftest import active
from tests.leasing.staff import give_back, reserved

pytestmark = pytest.mark.django_db


def announce_shorter(lease: Lease) -> Terms:
    """Half the guarantee, from a week ahead."""
    names = ("min_seconds", "max_seconds", "granularity_seconds", "max_ahead_seconds", "cleaning_seconds")
    same = {name: getattr(lease.terms, name) for name in (*names, "start_deadline_seconds", "renew_within_seconds")}
    fields = {**same, "guarantee_seconds": 3 * 86_400}
    plan, starts_at = lease.offer.plan, NOON + ANNOUNCED_AHEAD
    return announce(plan=plan, fields=fields, starts_at=starts_at, actor="user:us_pat", now=NOON)


def told(organization: Organization) -> list[Event]:
    return list(Event.objects.filter(organization=organization, kind="plan.terms_announced").order_by("pk"))


def test_whoever_has_a_lease_or_a_booking_is_told_once(acme: Organization, world: World) -> None:
    offer = factories.an_offer(factories.a_pool(nodes=4))
    lease = active(acme, offer)
    active(acme, offer)
    former, elsewhere = factories.an_organization("Former"), factories.an_organization("Elsewhere")
    give_back(active(former, offer), now=NOON + HOUR)
    reserved(elsewhere, offer, NOON + DAY)  # on another plan
    terms = announce_shorter(lease)
    for _ in range(2):
        schedule.tell_terms(now=NOON + 2 * HOUR)
    (event,) = told(acme)
    assert event.notice is not None
    assert event.notice["title"] == "The terms of on demand change on 2026-03-09 12:00 UTC"
    assert event.notice["path"] == "/plans/#on_demand"
    assert told(former) == told(elsewhere) == []
    assert TermsTold.objects.get(terms=terms).at == NOON + 2 * HOUR


def test_a_booking_that_has_not_begun_is_told_too(acme: Organization, world: World) -> None:
    lease = reserved(acme, factories.an_offer(), NOON + 20 * DAY)
    announce_shorter(lease)
    schedule.tell_terms(now=NOON + 30 * DAY)  # a sweep that was late for weeks still tells
    assert len(told(acme)) == 1


def test_a_plans_first_terms_are_news_to_nobody(acme: Organization, world: World) -> None:
    active(acme, factories.an_offer())
    schedule.tell_terms(now=NOON)
    assert told(acme) == []


def test_a_running_lease_keeps_its_terms(acme: Organization, world: World) -> None:
    lease = active(acme, factories.an_offer())
    announce_shorter(lease)
    schedule.renew_due(now=NOON + 8 * DAY - timedelta(days=3))
    later = NOON + ANNOUNCED_AHEAD + HOUR  # the new terms hold, and promise three days only
    schedule.renew_due(now=later)
    lease.refresh_from_db()
    assert lease.guaranteed_until == later + timedelta(days=7)
