"""The whole way down of a wallet that runs dry, with a clock in hand: each notice, each pause, the wipe, the return."""

import re
from datetime import datetime, timedelta

import pytest

from accounts.models import Event, Organization
from billing import metering, standing
from billing.checkout import RunsDry
from billing.models import Level
from billing.queries import wallet
from leasing import schedule
from leasing.models import Lease
from leasing.states import LeaseState
from marketplace.models import Offer
from tests.accounts.cast import a_browser
from tests.billing.conftest import HOUR, NOON, SECOND, a_quote, funded, give, money, place, running
from tests.leasing.conftest import work_all
from tests.leasing.test_fleet_pages import text

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def sweep(organization: Organization, hours: float) -> Level:
    now = NOON + hours * HOUR
    for lease in metering.due(now=now):
        metering.meter(lease=lease, upto=metering.slice_end(now), now=now)
    return standing.enforce(organization=organization, now=now)


def words(kind: str) -> list[str]:
    """The texts of the notices of a kind, oldest first."""
    events = Event.objects.filter(kind=kind, notice__isnull=False).order_by("id")
    return [event.notice["text"] for event in events if event.notice]


def dates(text: str) -> list[datetime]:
    """The moments that a notice names."""
    found = re.findall(r"(\d{4}-\d\d-\d\d \d\d:\d\d) UTC", text)
    return [datetime.strptime(f"{one} +0000", "%Y-%m-%d %H:%M %z") for one in found]


def state_of(lease: Lease) -> str:
    lease.refresh_from_db()
    return lease.state


def test_each_rung_says_when_leases_pause_and_when_data_is_wiped(offer: Offer, reserved: Offer) -> None:
    acme = funded(3.6 * 170 + 7.2)
    place(a_quote(acme, reserved, starts_at=NOON + 400 * HOUR, ends_at=NOON + 402 * HOUR))
    lease = running(acme, offer)
    assert sweep(acme, 0) == Level.FINE
    pause, wipe = NOON + 170 * HOUR, NOON + 194 * HOUR
    for hours, level in ((3, Level.LOW_7D), (147, Level.LOW_24H), (169.5, Level.LOW_1H)):
        assert sweep(acme, hours) == sweep(acme, hours + 0.1) == level
        (text,) = words(f"wallet.{level}")  # once
        assert dates(text) == [pause, wipe] and "Reserved leases are paid and go on until their agreed ends." in text
        assert ("no new on-demand lease is taken" in text) == (level == Level.LOW_1H)
        assert state_of(lease) == LeaseState.ACTIVE


def test_at_nothing_on_demand_pauses_what_is_paid_goes_on_and_a_top_up_resumes(offer: Offer, reserved: Offer) -> None:
    acme = funded(3.6 * 2 + 7.2)
    kept = place(a_quote(acme, reserved, starts_at=NOON + 2 * HOUR, ends_at=NOON + 4 * HOUR))
    lease = running(acme, offer)
    assert sweep(acme, 2) == Level.EMPTY
    (text,) = words("wallet.empty")
    assert dates(text) == [NOON + 26 * HOUR] and "are paused" in text
    assert "running leases used $3.60 per hour" in text
    assert (state_of(lease), lease.deadline) == (LeaseState.PAUSED, NOON + 26 * HOUR)
    assert state_of(kept) in (LeaseState.SCHEDULED, LeaseState.PROVISIONING)
    assert money(acme, NOON + 2 * HOUR).held_micros == 7_200_000
    work_all(offer, now=NOON + 2 * HOUR)
    give(acme, 3.6 * 200)
    sweep(acme, 20)
    work_all(offer, now=NOON + 20 * HOUR)
    assert state_of(lease) == LeaseState.ACTIVE
    assert sweep(acme, 20.1) == Level.FINE


def test_the_wallet_says_what_is_paused_and_until_when_it_comes_back(offer: Offer) -> None:
    acme = funded(3.6)
    owner = acme.members.get()
    lease = running(acme, offer)
    assert "are paused: the money ran out" not in text(a_browser(owner).get("/wallet/"))
    sweep(acme, 1)
    assert state_of(lease) == LeaseState.PAUSED
    seen = text(a_browser(owner).get("/wallet/"))
    assert "On-demand leases are paused: the money ran out." in seen
    assert "Their data is kept until 3 Mar 2026, 13:00 UTC , then wiped. Top up before then" in seen


def test_data_is_kept_for_the_promised_days_and_then_wiped(offer: Offer) -> None:
    acme = funded(3.6)
    Organization.objects.filter(pk=acme.pk).update(data_retention_hours=72)
    acme.refresh_from_db()
    lease = running(acme, offer)
    sweep(acme, 1)
    work_all(offer, now=NOON + HOUR)
    assert dates(words("wallet.empty")[0]) == [NOON + 73 * HOUR]
    schedule.run_due(now=NOON + 73 * HOUR - SECOND)
    assert state_of(lease) == LeaseState.PAUSED
    schedule.run_due(now=NOON + 73 * HOUR)
    work_all(offer, now=NOON + 73 * HOUR)
    assert (state_of(lease), lease.reason) == (LeaseState.ENDED, "out_of_funds")
    assert lease.machines.get().state == "wiped"


def test_what_extends_itself_counts_from_its_agreed_end_on(offer: Offer, reserved: Offer) -> None:
    acme = funded(3.6 * 31)
    lease = place(a_quote(acme, reserved, starts_at=NOON + HOUR, ends_at=NOON + 11 * HOUR))
    lease.move_to(LeaseState.PROVISIONING, at=NOON + HOUR)
    lease.move_to(LeaseState.ACTIVE, at=NOON + HOUR)
    assert wallet(organization=acme, now=NOON + HOUR).seconds_left is None
    Lease.objects.filter(pk=lease.pk).update(auto_extend_seconds=3600)
    assert wallet(organization=acme, now=NOON + HOUR).seconds_left == (10 + 21) * 3600
    running(acme, offer, now=NOON + HOUR)  # 21 hours' money: ten burn alone, then both share eleven
    assert wallet(organization=acme, now=NOON + HOUR).seconds_left == 10 * 3600 + 11 * 3600 // 2


def test_who_has_only_leases_that_extend_themselves_is_told_that_they_end(reserved: Offer) -> None:
    """They are not paused, and no data is kept: to say so would be the opposite of what comes."""
    acme = funded(3.6 * 10 + 2)
    lease = place(a_quote(acme, reserved, starts_at=NOON + HOUR, ends_at=NOON + 11 * HOUR))
    lease.move_to(LeaseState.PROVISIONING, at=NOON + HOUR)
    lease.move_to(LeaseState.ACTIVE, at=NOON + HOUR)
    Lease.objects.filter(pk=lease.pk).update(auto_extend_seconds=3600, auto_extend_max_micros=3_600_000)
    sweep(acme, 1)
    (text,) = words("wallet.low_24h")
    assert "leases that extend themselves need $3.60 per hour from their agreed ends on" in text
    assert "ends at its agreed end once the money" in text and "paused" not in text and "$0.00 per hour" not in text
    page = a_browser(acme.members.get()).get("/wallet/").content.decode()
    assert "ends at its agreed end once the money" in page and "leases are paused" not in page


def test_with_less_than_an_hour_left_no_other_on_demand_lease_is_taken(offer: Offer, reserved: Offer) -> None:
    acme = funded(7.2 + 5.4)
    running(acme, offer, nodes=2)
    now = NOON + HOUR  # 45 minutes are left, and enough for one more hour of one node
    with pytest.raises(RunsDry) as dry:
        place(a_quote(acme, offer, now=now), now=now)
    assert (dry.value.missing_micros, dry.value.available_micros) == (5_400_000, 5_400_000)
    ahead = a_quote(acme, reserved, now=now, starts_at=now + 48 * HOUR, ends_at=now + 49 * HOUR)
    assert place(ahead, now=now).meter.hold_micros == 3_600_000
    give(acme, 9)
    assert place(a_quote(acme, offer, now=now), now=now)
