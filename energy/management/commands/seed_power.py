"""`manage.py seed_power`: an example of power for the catalogue's sites, to try everything with.

Every row says that it is an example. The shape of the fleet is from published figures, each named where it is used; a
site that has a contract is left alone, so it is safe to run again.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction

from accounts.clock import now
from energy.firming import write_windows
from energy.fleets import take_fleet
from energy.models import (
    Battery,
    Block,
    Dialect,
    Feed,
    FeedKind,
    Generation,
    Inverter,
    MinerClass,
    PowerContract,
    Reading,
    Tariff,
)
from marketplace.models import Region, Site

EXAMPLE = "Example"
DOLLAR, MW, HOUR = 1_000_000, 1_000_000, timedelta(hours=1)
# Two transformers of 30 MVA at a power factor of 0.95 stand before 50 MW: 28.5 MW are left when one of them is out.
LARGEST_SUPPLY = 0.43
SHED_TO_PERCENT = 40  # evenings with a lack of power in East Africa: what is left of the grid
# Base prices of the regions, dollars per MWh, as in the synthetic fleet of our benchmark.
PRICES = {Region.NORTH_AMERICA: 42, Region.MIDDLE_EAST: 48, Region.SOUTH_AMERICA: 40, Region.EAST_AFRICA: 38}
DEMAND = {Region.MIDDLE_EAST: 10, Region.SOUTH_AMERICA: 10, Region.EAST_AFRICA: 10}  # dollars per kW and month
# A clear day as sin(x)^1.2 between 6 and 18 o'clock, 71 % of it on average; none of it is certain.
SUN = [0, 0, 0, 0, 0, 0, 0, 140, 310, 470, 600, 680, 714, 680, 600, 470, 310, 140, 0, 0, 0, 0, 0, 0]
# What an hour of the day costs beside the average in Georgia, percent: dear on afternoons, no negative nights.
SHAPE = [75, 72, 70, 70, 72, 78, 88, 95, 98, 100, 103, 108, 115, 125, 140, 155, 160, 150, 130, 112, 100, 92, 85, 79]
# Miners of their makers: watts at the plug and joules per terahash, with firmware that can be told to sleep.
MINERS = {"s21": ("Antminer S21", 3500, "17.5"), "s19jpro": ("Antminer S19j Pro", 3068, "29.5")}
ROW = 20  # of them in one row of the hall
# Hash prices that were reported, dollars per PH/s and day: they are old, and shown as stale.
HASH_PRICES = {datetime(2026, 1, 12, tzinfo=UTC): "39.53", datetime(2026, 1, 31, tzinfo=UTC): "34.80"}


class Command(BaseCommand):
    """The example. Refuses to run outside the embedded system: what a real site may draw is for its operator to say."""

    help = "Give the catalogue's sites example contracts, tariffs, sun, batteries, and the hub miners and a battery."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.EMBEDDED:
            self.stderr.write("The example is for the embedded system only: enter your sites' contracts in the admin.")
            return
        with transaction.atomic():
            known = set(PowerContract.objects.values_list("site_id", flat=True))
            sites = [site for site in Site.objects.all() if site.pk not in known]
            for site in sites:
                give_power(site, now())
            if settings.EXAMPLE_MINERS:
                give_miners(Site.objects.get(kind=Site.Kind.HUB), settings.EXAMPLE_MINERS, now())
            if settings.EXAMPLE_BATTERY:
                give_driver(Site.objects.get(kind=Site.Kind.HUB), settings.EXAMPLE_BATTERY)
            write_windows(now=now())
        self.stdout.write(f"Power: an example for {len(sites)} sites.")


def give_power(site: Site, at: datetime) -> None:
    """A contract and a tariff for a site; for the hub of 50 MW its blocks, sun and battery too."""
    watts, shed = site.power_kw * 1000, site.region == Region.EAST_AFRICA
    contract = PowerContract.objects.create(
        site=site,
        starts_at=at,
        interconnect_watts=watts,
        largest_supply_watts=int(watts * LARGEST_SUPPLY),
        grid_percent=SHED_TO_PERCENT if shed else 100,
        house_watts=watts // 250,
        note=f"{EXAMPLE}: two equal transformers that each carry 57 %",
    )
    if site.kind == Site.Kind.HUB:
        _hub(contract, at)
    else:
        Tariff.objects.create(
            site=site,
            starts_at=at,
            pricing=Tariff.Kind.FIXED,
            micros_per_mwh=PRICES[Region(site.region)] * DOLLAR,
            demand_micros_per_kw=DEMAND.get(Region(site.region), 0) * DOLLAR,
            note=f"{EXAMPLE}: a flat price of the region",
        )


def _hub(contract: PowerContract, at: datetime) -> None:
    """A two-part bill: 30 MW are paid for, what is used less is credited at the hour's price."""
    site = contract.site
    Block.objects.create(contract=contract, watts=30 * MW, micros_per_mwh=42 * DOLLAR, resale=True)
    feed = _prices(site, at)
    _hash_prices()
    common = {"site": site, "starts_at": at}
    Tariff.objects.create(
        **common,
        pricing=Tariff.Kind.DAY_AHEAD,
        micros_per_mwh=0,
        feed=feed,
        sale_fee_micros_per_mwh=3 * DOLLAR,
        note=f"{EXAMPLE}: hourly marginal price, the evening before",
    )
    sun = {"usual_permille": SUN, "note": f"{EXAMPLE}: a clear day with the usual clouds"}
    Generation.objects.create(**common, kind=Generation.Kind.SOLAR, rated_watts=12_500_000, **sun)
    Battery.objects.create(**common, watts=10 * MW, watt_hours=20 * MW, note=f"{EXAMPLE}: two hours")


def give_miners(site: Site, example: str, at: datetime) -> None:
    """
    The miners of the stand-in, which all have one port and addresses in a row. Again after a restart, when the port may
    be another one. `example` is the first one's `address:port` and `model:count,…` in the order of addresses.
    """
    first, fleet = example.split()
    address, port = first.rsplit(":", 1)
    models = [(name, int(count)) for name, count in (part.split(":") for part in fleet.split(","))]
    for name, (words, watts, efficiency) in MINERS.items():
        given = {"name": words, "dialect": Dialect.LUXOS, "watts": watts, "joules_per_terahash": Decimal(efficiency)}
        MinerClass.objects.get_or_create(slug=name, defaults=given)
    kinds = [name for name, count in models for _ in range(count)]
    rows = [
        f"A-{place // ROW + 1:02}-{place % ROW + 1:02},{kind},{IPv4Address(address) + place},{port}"
        for place, kind in enumerate(kinds)
    ]
    take_fleet(site=site, text="\n".join(["name,class,address,port", *rows]), actor="system:seed_power", now=at)


def give_driver(site: Site, example: str) -> None:
    """The stand-in of the hub's battery at `address:port`; again after a restart, when the port may be another one."""
    address, port = example.rsplit(":", 1)
    Inverter.objects.update_or_create(site=site, defaults={"address": address, "port": int(port)})


def _prices(site: Site, at: datetime) -> Feed:
    """A day that repeats itself, for two days back and a week ahead."""
    feed, _ = Feed.objects.get_or_create(
        slug=f"{site.slug}-day-ahead",
        defaults={"name": f"{site.name}, day-ahead price (example)", "kind": FeedKind.PRICE, "site": site},
    )
    first = at.replace(minute=0, second=0, microsecond=0) - 48 * HOUR
    for start in (first + place * HOUR for place in range(9 * 24)):
        # Eastern standard time is five hours behind: near enough for an example.
        micros = PRICES[Region.NORTH_AMERICA] * DOLLAR * SHAPE[(start.hour - 5) % 24] // 100
        _tell(feed, start, micros, at)
    return feed


def _hash_prices() -> None:
    feed, _ = Feed.objects.get_or_create(
        slug="hash-price",
        defaults={
            "name": "Hash price, as reported",
            "kind": FeedKind.HASH_PRICE,
            "step_seconds": 86_400,
            "age_limit_seconds": 86_400,
        },
    )
    for day, dollars in HASH_PRICES.items():
        _tell(feed, day, int(Decimal(dollars) * DOLLAR), day)


def _tell(feed: Feed, start: datetime, value: int, at: datetime) -> None:
    told = {"ends_at": start + feed.step, "value": value, "source": "example", "fetched_at": at}
    Reading.objects.get_or_create(feed=feed, starts_at=start, defaults=told)
