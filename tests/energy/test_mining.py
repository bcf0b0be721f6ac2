"""Miners are read, what they draw is written down, hours are counted from it, and a lease has its part of the rest."""

from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from accounts.clock import now
from accounts.models import Organization
from energy import commanding, mining
from energy.accounting import count
from energy.models import Dialect, Feed, FeedKind, LeaseHour, Miner, MinerClass, Reading, SiteHour
from leasing.provisioners.fake import World
from marketplace.models import Site
from tests import factories
from tests.energy.conftest import QUICK, WATTS, a_class, a_contract, a_feed, some, told
from tests.factories import HOUR, NOON
from tests.leasing.conftest import active
from tests.miners import running

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def readings() -> list[tuple[int, int, int, str]]:
    """Minutes after noon, watts, and who says so."""
    rows = Reading.objects.filter(feed__source=Feed.Source.MINERS).order_by("starts_at")
    return [
        ((row.starts_at - NOON) // MINUTE, (row.ends_at - NOON) // MINUTE, row.value, row.source) for row in rows
    ]  # fmt: skip


def test_what_miners_draw_is_written_down_from_change_to_change(site: Site, kind: MinerClass) -> None:
    a_contract(site, mining_pue_permille=1100)
    some(site, kind, 2, read_at=NOON)
    for minute in (0, 4, 4, 8):
        mining.tell(site=site, now=NOON + minute * MINUTE)
    assert readings() == [(0, 23, 7700, "miners")], "the same goes on, for 15 minutes"
    Miner.objects.update(load_watts=100, load_source="meter", read_at=NOON + 10 * MINUTE)
    mining.tell(site=site, now=NOON + 10 * MINUTE)
    assert readings() == [(0, 10, 7700, "miners"), (10, 25, 220, "meters")]
    mining.tell(site=site, now=NOON + 60 * MINUTE)
    assert readings()[-1] == (60, 75, 7700, "silence"), "nobody has looked: silence is full power"
    count(site=site, hour=NOON, now=NOON + 3 * HOUR)
    row = SiteHour.objects.get()
    assert (row.mining_wh, row.mining_quality) == (0, "missing"), "from 12:25 to 13:00 nobody knows"


def test_a_meter_of_the_site_goes_before_what_miners_say(site: Site, kind: MinerClass) -> None:
    a_contract(site)
    some(site, kind, 2, read_at=NOON)
    for minute in range(0, 121, 10):
        Miner.objects.update(read_at=NOON + minute * MINUTE)
        mining.tell(site=site, now=NOON + minute * MINUTE)
    told(a_feed(FeedKind.MINING, site=site, slug="a-meter"), 9_000, NOON)
    for hour in (NOON, NOON + HOUR):
        count(site=site, hour=hour, now=NOON + 4 * HOUR)
    found = list(SiteHour.objects.order_by("starts_at").values_list("mining_wh", "mining_quality"))
    assert found == [(9_000, "measured"), (2 * WATTS, "estimated")]


def test_plugs_are_believed_once_their_miners_could_obey(site: Site) -> None:
    kind, moment = a_class(ramp_down_seconds=30), now()
    miners = some(site, kind, 4, since=moment - MINUTE, asleep=True)
    for number, seconds in enumerate((40, 20, 90)):  # since the reading began
        plug = miners[number].meter = a_feed(FeedKind.SOCKET, site=site, slug=f"plug-{number}", age_limit_seconds=600)
        told(plug, 60 + number, moment - timedelta(seconds=seconds))
    Miner.objects.bulk_update(miners, ["meter"])
    assert mining.sockets([row.pk for row in miners]) == {miners[1].pk: 61}, "40 s ago it was still falling asleep"


def test_from_miners_on_a_rack_to_a_leases_part(
    site: Site, acme: Organization, world: World, settings: Settings
) -> None:
    settings.MINER_NETWORKS = ["127.0.0.0/8"]
    kind, begin = a_class("s21", dialect=Dialect.LUXOS), now().replace(minute=0, second=0, microsecond=0)
    a_contract(site, house_watts=0)
    lease = active(acme, factories.an_offer(), now=begin, starts_at=begin)
    with running("s21:3", speed=100) as rack:
        Miner.objects.bulk_create(
            Miner(site=site, miner_class=kind, name=address, address=address, port=rack.port, load_watts=WATTS,
                  since=begin - HOUR)
            for address in rack.addresses
        )  # fmt: skip
        rack.behave("silent", rack.addresses[0])
        commanding.look(site=site, now=now(), limits=QUICK, meter=mining.sockets)
        drawn = sum(rack.metered().values())
    for minute in range(0, 60, 5):  # as the sweep does while the last look is young
        Miner.objects.update(read_at=begin + minute * MINUTE)
        mining.tell(site=site, now=begin + minute * MINUTE)
    for watts, what in ((60_000, FeedKind.GRID), (300_000, FeedKind.CARBON)):
        told(a_feed(what, site=site), watts, begin)
    count(site=site, hour=begin, now=begin + 4 * HOUR)
    row, mine = SiteHour.objects.get(), LeaseHour.objects.get(lease=lease)
    assert row.mining_quality == "estimated" and row.mining_wh == pytest.approx(drawn, rel=0.05)
    share = row.leases_wh / (row.leases_wh + row.mining_wh)
    assert mine.energy_wh == pytest.approx(60_000 * share, rel=1e-3)
    assert mine.location_ug == pytest.approx(60_000 * 300_000 * share, rel=1e-3)
