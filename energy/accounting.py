"""Each site's hours are counted once they are over: who used how much energy, and what it was made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction

from accounts.operations import for_each
from energy.allocation import Energy, allocate
from energy.models import BY_METERS, Battery, Feed, FeedKind, Generation, LeaseHour, PowerContract, Quality, SiteHour
from energy.queries.feeds import mean, within
from leasing.models import LeaseEnergy
from leasing.operations.energy import add_energy
from leasing.queries.energy import Drawn, drawn_in
from marketplace.models import Site

HOUR = timedelta(hours=1)
WAIT = timedelta(hours=2)  # after an hour's end: what nodes and meters told late is there by then
MOST_HOURS = 48  # of a site in one sweep
USUAL_PUE = 1250  # thousandths, where a site has no contract on file
THOUSAND, PERCENT = 1000, 10
MINING, HOUSE, EXPORT = "mining", "house", "export"


@dataclass(frozen=True)
class Mix:
    """What the grid's energy is made of in an hour, and who says so."""

    mg_per_kwh: int
    renewable_permille: int
    market_mg_per_kwh: int
    source: str

    def of(self, wh: int) -> Energy:
        """So much of it."""
        renewable = wh * self.renewable_permille // THOUSAND
        return Energy(wh, renewable, wh * self.mg_per_kwh, wh * self.market_mg_per_kwh)


def count_due(*, now: datetime) -> None:
    """Count every hour that is over for two hours and not counted yet. Safe to run twice, late, or never."""
    sites = Site.objects.filter(pk__in=PowerContract.objects.values("site")).select_related("grid_zone")
    for_each(sites, lambda site: _count_site(site, now))


def _count_site(site: Site, now: datetime) -> None:
    """Hour by hour: one that fails holds up those after it, which begin with what it left in the battery."""
    for hour in due(site, now=now):
        count(site=site, hour=hour, now=now)


def due(site: Site, *, now: datetime) -> list[datetime]:
    """The site's hours to count, oldest first: from the last one that was counted, or its contract's beginning, on."""
    last = SiteHour.objects.filter(site=site).order_by("-starts_at").first()
    first = PowerContract.objects.filter(site=site).order_by("starts_at").first()
    if last is None and first is None:
        return []
    begin = last.starts_at + HOUR if last else max(_floor(first.starts_at), _floor(now) - MOST_HOURS * HOUR)  # type: ignore[union-attr]
    ended = max(_floor(now - WAIT) - begin, timedelta()) // HOUR
    return [begin + place * HOUR for place in range(min(ended, MOST_HOURS))]


@transaction.atomic
def count(*, site: Site, hour: datetime, now: datetime) -> None:
    """Write down an hour of a site and of each lease in it; nothing, if that was done."""
    Site.objects.select_for_update(no_key=True).get(pk=site.pk)
    if SiteHour.objects.filter(site=site, starts_at__gte=hour).exists():
        return
    contract = PowerContract.objects.filter(site=site).in_force(hour).first()
    drawn = drawn_in(site=site, hour=hour)
    row = _site_hour(site, contract, drawn, hour, now)
    mix = _mix(site, contract, hour)
    used = {str(one.lease.pk): _at_meter(one, contract) for one in drawn}
    used |= {MINING: row.mining_wh, HOUSE: row.house_wh, EXPORT: row.exported_wh}
    own = Energy(row.generated_wh, row.generated_wh)
    divided = allocate(
        supplied=[mix.of(row.grid_wh), own],
        used=used,
        charged_wh=row.charged_wh,
        drawn_wh=row.discharged_wh,
        battery=_held_before(site),
    )
    row.grid_mg_per_kwh, row.grid_renewable_permille, row.factor = mix.mg_per_kwh, mix.renewable_permille, mix.source
    row.battery_wh, row.battery_renewable_wh = divided.battery.wh, divided.battery.renewable_wh
    row.battery_location_ug, row.battery_market_ug = divided.battery.location_ug, divided.battery.market_ug
    row.save(force_insert=True)
    hours = LeaseHour.objects.bulk_create([_lease_hour(one, divided.parts[str(one.lease.pk)], hour) for one in drawn])
    add_energy(site=site, until=hour + HOUR, parts=[_of_month(row) for row in hours])


def _site_hour(
    site: Site, contract: PowerContract | None, drawn: Sequence[Drawn], hour: datetime, now: datetime
) -> SiteHour:
    """What went in and out, by the site's meters; by its rows where a meter is silent."""
    battery = Battery.objects.filter(site=site).in_force(hour).first()
    given = _metered(site, FeedKind.DISCHARGING, hour) or 0
    mining, quality = _mining(site, hour)
    row = SiteHour(
        site=site,
        starts_at=hour,
        mining_wh=mining or 0,
        mining_quality=quality,
        exported_wh=_metered(site, FeedKind.EXPORTED, hour) or 0,
        charged_wh=_metered(site, FeedKind.CHARGING, hour) or 0,
        discharged_wh=given * THOUSAND // battery.efficiency_permille if battery else given,
        house_wh=contract.house_watts if contract else 0,
        leases_wh=sum(_at_meter(one, contract) for one in drawn),
        counted_at=now,
    )
    out = row.mining_wh + row.exported_wh + row.charged_wh + row.house_wh + row.leases_wh
    row.generated_wh = _generated(site, hour, most=out)
    grid = _metered(site, FeedKind.GRID, hour)
    row.metered = grid is not None
    row.grid_wh = max(out - row.generated_wh - given, 0) if grid is None else grid
    return row


def _metered(site: Site, kind: str, hour: datetime) -> int | None:
    """Watt-hours by the site's meter of that kind, else by the battery; None where not all of the hour was told."""
    told = Feed.objects.filter(site=site, kind=kind, forecast=False)
    own = (Feed.Source.MINERS, Feed.Source.BATTERY)
    feed = told.exclude(source__in=own).first() or told.filter(source=Feed.Source.BATTERY).first()
    watts = mean(feed, since=hour, until=hour + HOUR) if feed else None
    return None if watts is None else max(round(watts), 0)


def _mining(site: Site, hour: datetime) -> tuple[int | None, Quality]:
    """Watt-hours of its miners: by the site's meter of them, else as they were read (energy/mining.py)."""
    metered = _metered(site, FeedKind.MINING, hour)
    if metered is not None:
        return metered, Quality.MEASURED
    feed = Feed.objects.filter(site=site, kind=FeedKind.MINING, source=Feed.Source.MINERS).first()
    read = mean(feed, since=hour, until=hour + HOUR) if feed else None
    if feed is None or read is None:
        return None, Quality.MISSING
    guessed = within(feed, since=hour, until=hour + HOUR).exclude(source=BY_METERS).exists()
    return round(read), Quality.ESTIMATED if guessed else Quality.MEASURED


def _generated(site: Site, hour: datetime, *, most: int) -> int:
    """By sun and wind: metered, else as is usual in that hour of the day but no more than was used."""
    local, total = hour.astimezone(ZoneInfo(site.time_zone)).hour, 0
    for row in Generation.objects.filter(site=site).in_force(hour):
        metered = _metered(site, row.kind, hour)
        usual = row.rated_watts * row.usual_permille[local] // THOUSAND
        total += min(usual, max(most - total, 0)) if metered is None else metered
    return total


def _mix(site: Site, contract: PowerContract | None, hour: datetime) -> Mix:
    """Of the hour, by the site's or its grid zone's feed; else the zone's yearly average."""
    zone = site.grid_zone
    carbon, renewable = (_of_grid(site, kind, hour) for kind in (FeedKind.CARBON, FeedKind.RENEWABLE))
    mg_per_kwh = zone.gco2_per_kwh * THOUSAND if carbon is None else carbon
    permille = zone.renewable_percent * PERCENT if renewable is None else renewable
    market = contract.market_mg_per_kwh if contract else None
    source = f"{zone.code}, " + ("yearly average" if carbon is None else "of the hour")
    return Mix(mg_per_kwh, min(permille, THOUSAND), mg_per_kwh if market is None else market, source)


def _of_grid(site: Site, kind: str, hour: datetime) -> int | None:
    for where in ({"site": site}, {"grid_zone": site.grid_zone}):
        feed = Feed.objects.filter(kind=kind, forecast=False, **where).first()
        told = mean(feed, since=hour, until=hour + HOUR) if feed else None
        if told is not None:
            return max(round(told), 0)
    return None


def _at_meter(drawn: Drawn, contract: PowerContract | None) -> int:
    """Watt-hours with the cooling that they take."""
    return (drawn.node_wh or 0) * (contract.gpu_pue_permille if contract else USUAL_PUE) // THOUSAND


def _held_before(site: Site) -> Energy:
    last = SiteHour.objects.filter(site=site).order_by("-starts_at").first()
    if last is None:
        return Energy()
    return Energy(last.battery_wh, last.battery_renewable_wh, last.battery_location_ug, last.battery_market_ug)


def _lease_hour(drawn: Drawn, part: Energy, hour: datetime) -> LeaseHour:
    known = Quality.MEASURED if drawn.measured else Quality.ESTIMATED
    return LeaseHour(
        lease=drawn.lease,
        starts_at=hour,
        node_wh=drawn.node_wh or 0,
        energy_wh=part.wh,
        renewable_wh=part.renewable_wh,
        location_ug=part.location_ug,
        market_ug=part.market_ug,
        quality=Quality.MISSING if drawn.node_wh is None else known,
    )


def _of_month(row: LeaseHour) -> LeaseEnergy:
    """What the hour adds to its lease's month."""
    return LeaseEnergy(
        lease_id=row.lease_id,
        month=row.starts_at.date().replace(day=1),
        measured_hours=int(row.quality == Quality.MEASURED),
        estimated_hours=int(row.quality == Quality.ESTIMATED),
        missing_hours=int(row.quality == Quality.MISSING),
        energy_wh=row.energy_wh,
        renewable_wh=row.renewable_wh,
        location_ug=row.location_ug,
        market_ug=row.market_ug,
    )


def _floor(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
