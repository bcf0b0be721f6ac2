"""Where a site stands: what it draws, what could be turned down, and every figure that a plan needs, with its age."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Case, Count, F, Min, Q, Sum, When
from django.db.models.functions import Greatest

from energy.economics import gpu_worth, mining_worth
from energy.models import (
    FRESH,
    Battery,
    Feed,
    FeedKind,
    Inverter,
    Miner,
    MinerClass,
    PowerContract,
    SiteHour,
    Tariff,
)
from energy.queries.feeds import Told, told_at
from energy.queries.firm import Supply, supply
from leasing.models import Lease
from leasing.queries.standby import idle_watts
from leasing.states import LeaseState
from marketplace.models import PlanKind, Site

MEGA, THOUSAND, HUNDRED = 1_000_000, 1000, 100
STORED = "stored"  # the kind of an input that is no feed's: what the battery holds
MINERS = "Miners, as read"
LEDGER_FRESH = timedelta(hours=4)  # it is written two hours late


@dataclass(frozen=True)
class ClassNow:
    """Miners of one class at a site. Watts are at the plug, $ at the meter; None where no hash price is known. Who was
    not read lately counts in full, and as `stubborn` if it is to sleep."""

    kind: MinerClass
    on: int
    off: int
    stubborn: int
    watts: int
    floor_watts: int  # what is drawn with all asleep that obey
    most_watts: int
    usd_per_mwh: float | None


@dataclass(frozen=True)
class LeaseNow:
    """A lease in its tenant's hands. Watts are at the meter, by its nodes' type."""

    lease: Lease
    watts: int
    usd_per_hour: float

    @property
    def usd_per_mwh(self) -> float:
        """At the meter."""
        return self.usd_per_hour * MEGA / self.watts


@dataclass(frozen=True)
class Stored:
    """Watt-hours in a site's battery, by whose word, and how old that is; 0 and None where nobody knows."""

    wh: int
    by: str
    age: timedelta | None

    @property
    def input(self) -> dict[str, object]:
        """For the record."""
        age = None if self.age is None else int(self.age.total_seconds())
        return {
            "name": "Energy in the battery", "kind": STORED, "what": self.by.capitalize(),
            "value": None if age is None else self.wh, "unit": "watt-hours", "age_seconds": age, "stale": age is None,
        }  # fmt: skip


@dataclass(frozen=True)
class Looked:
    """How long ago the miner was looked at that was not for longest; None: one never was."""

    age: timedelta | None

    @property
    def stale(self) -> bool:
        """Then it counts in full."""
        return self.age is None or self.age > FRESH

    @property
    def input(self) -> dict[str, object]:
        """For the record."""
        age = None if self.age is None else int(self.age.total_seconds())
        return {
            "name": MINERS, "kind": "", "what": "The oldest reading; who was not read for 15 minutes counts in full",
            "value": None, "unit": "", "age_seconds": age, "stale": self.stale,
        }  # fmt: skip


@dataclass(frozen=True)
class Standing:
    """A site now. `feeds` holds what was told by kind; what nobody told is in `missing`, in words."""

    site: Site
    at: datetime
    supply: Supply
    tariff: Tariff | None
    price: Told | None
    feeds: dict[str, Told]
    classes: Sequence[ClassNow]
    firm: Sequence[LeaseNow]
    surplus: Sequence[LeaseNow]
    idle_watts: int  # at the meter, of nodes that no running lease has and that have power
    stored: "Stored"
    inverter: Inverter | None
    looked: Looked | None  # at its miners; None without any
    missing: Sequence[str] = field(default=())

    @property
    def contract(self) -> PowerContract:
        """In force."""
        return self.supply.contract

    def told(self, kind: FeedKind) -> int | None:
        """What a feed says, None where it is not known or too old: a meter of yesterday is not believed."""
        row = self.feeds.get(kind)
        return None if row is None or row.stale else row.value

    @property
    def battery_watts(self) -> int:
        """What its battery gives, below 0 what it is charged with, as far as meters tell."""
        return self.sources["discharging"] - self.uses["charging"]

    @property
    def reserve_wh(self) -> int:
        """What the battery keeps in any case."""
        battery = self.supply.battery
        return battery.watt_hours * battery.reserve_percent // HUNDRED if battery else 0

    @property
    def kept_wh(self) -> int:
        """That, or the more that would carry all that is promised for as long as it must, should the worst happen."""
        battery = self.supply.battery
        if not battery:
            return 0
        promised = self.contract.house_watts + sum(row.watts for row in (*self.firm, *self.surplus))
        short = min(max(promised - self.secure_watts, 0), battery.watts)
        needed = short * battery.hold_minutes * THOUSAND // (60 * battery.efficiency_permille)
        return max(self.reserve_wh, needed)

    @property
    def secure_watts(self) -> int:
        """The import that stays when the site loses its largest supply, or the grid sheds load."""
        return min(self.contract.interconnect_watts - self.contract.largest_supply_watts, self.supply.grid_watts)

    @property
    def import_watts(self) -> int:
        """What the grid brings now, as far as is told: all of the connection where no feed tells of it. News too old
        are believed as far as they are bad: no more than was told last, nor than the contract counts on."""
        row, most = self.feeds.get(FeedKind.GRID_AVAILABLE), self.contract.interconnect_watts
        if row is None:
            return most
        sure = [self.supply.grid_watts] if row.stale else []
        return max(min([most, *sure, *([] if row.value is None else [row.value])]), 0)

    @property
    def usd_per_mwh(self) -> float | None:
        """What a MWh costs at the meter, all that comes on top included; None where that is not known."""
        if self.tariff is None or (self.tariff.feed and (self.price is None or self.price.value is None)):
            return None
        told = self.price.value or 0 if self.tariff.feed and self.price else 0
        return (told + self.tariff.micros_per_mwh) / MEGA

    @property
    def hash_usd(self) -> float | None:
        """The last hash price, $ per PH/s and day, however old; None where none was ever told."""
        row = self.feeds.get(FeedKind.HASH_PRICE)
        return None if row is None or row.value is None else row.value / MEGA

    @property
    def uses(self) -> dict[str, int]:
        """Watts at the meter of each use."""
        return {
            "house": self.contract.house_watts,
            "gpu_firm": sum(row.watts for row in self.firm),
            "gpu_surplus": sum(row.watts for row in self.surplus),
            "gpu_idle": self.idle_watts,
            "mining": sum(row.watts for row in self.classes) * self.contract.mining_pue_permille // THOUSAND,
            "charging": self.told(FeedKind.CHARGING) or 0,
        }

    @property
    def sources(self) -> dict[str, int]:
        """Watts of each source; the grid as metered, else what is used and comes from nowhere else."""
        found = {name: self.told(FeedKind(name)) or 0 for name in ("solar", "wind", "discharging")}
        metered = self.told(FeedKind.GRID)
        grid = sum(self.uses.values()) - sum(found.values()) if metered is None else metered
        return {"grid": max(grid, 0), **found}

    @property
    def stale(self) -> list[str]:
        """Names of what is too old."""
        rows = [row for row in (self.price, *self.feeds.values()) if row]
        miners = {MINERS} if self.looked and self.looked.stale else set()
        return sorted({row.feed.name for row in rows if row.stale} | miners)

    @property
    def inputs(self) -> list[dict[str, object]]:
        """Every figure with its age, for the record."""
        rows = {row.feed.pk: row for row in (self.price, *self.feeds.values()) if row}
        shown = [_input(row) for row in rows.values()]
        miners = [self.looked.input] if self.looked else []
        battery: list[dict[str, object]] = [self.stored.input] if self.supply.battery else []
        unknown = {"kind": "", "what": "", "value": None, "unit": "", "age_seconds": None, "stale": True}
        missing: list[dict[str, object]] = [{"name": name, **unknown} for name in self.missing]
        return [*shown, *miners, *battery, *missing]


def standing(site: Site, *, now: datetime) -> Standing | None:
    """The site as it is known now; None where it has no contract."""
    found = supply(site, at=now, now=now)
    if found is None:
        return None
    tariff = Tariff.objects.filter(site=site).in_force(now).select_related("feed").first()
    price = next(iter(told_at([tariff.feed], now=now)), None) if tariff and tariff.feed else None
    inverter = Inverter.objects.filter(site=site).first()
    feeds = _feeds(site, inverter, now)
    hash_price = feeds.get(FeedKind.HASH_PRICE)
    usd = hash_price.value / MEGA if hash_price and hash_price.value is not None else None
    leases = list(_leases(site, found.contract))
    return Standing(
        site=site, at=now, supply=found, tariff=tariff, price=price, feeds=feeds,
        classes=list(_classes(site, usd, found.contract, now)), looked=_looked(site, now),
        firm=[row for row in leases if row.lease.offer.plan.kind != PlanKind.SURPLUS],
        surplus=[row for row in leases if row.lease.offer.plan.kind == PlanKind.SURPLUS],
        idle_watts=idle_watts(site=site) * found.contract.gpu_pue_permille // THOUSAND,
        stored=_stored(site, found.battery, feeds.get(FeedKind.CHARGE), now), inverter=inverter,
        missing=list(_missing(tariff, price, usd)),
    )  # fmt: skip


def _missing(tariff: Tariff | None, price: Told | None, hash_usd: float | None) -> Iterator[str]:
    if tariff is None:
        yield "the site has no tariff"
    elif tariff.feed and (price is None or price.value is None):
        yield f"the price {tariff.feed.name} was never told"
    if hash_usd is None:
        yield "no hash price was ever told"


def _stored(site: Site, battery: Battery | None, charge: Told | None, now: datetime) -> Stored:
    """By what the battery says of its charge, if that is fresh; else by the ledger of hours; else there is nothing."""
    if battery and charge and charge.value is not None and not charge.stale:
        return Stored(battery.watt_hours * charge.value // THOUSAND, "by its charge", charge.age)
    hour = SiteHour.objects.filter(site=site).order_by("-starts_at").first()
    age = now - hour.starts_at - timedelta(hours=1) if hour else None
    known = hour is not None and age is not None and age < LEDGER_FRESH
    return Stored(hour.battery_wh if hour and known else 0, "by the ledger", age if known else None)


def _feeds(site: Site, inverter: Inverter | None, now: datetime) -> dict[str, Told]:
    """By kind: the site's own before its zone's, that before the world's; of equals what is fresh, and a meter before
    the battery's own word."""
    ours = Q(site=site) | Q(site=None, grid_zone=site.grid_zone_id) | Q(site=None, grid_zone=None)
    feeds = Feed.objects.filter(ours, forecast=False).exclude(kind=FeedKind.PRICE).order_by("pk")
    feeds = feeds.exclude(source=Feed.Source.MINERS)  # miners are read themselves: see `_looked`
    rows = told_at(feeds if inverter else feeds.exclude(source=Feed.Source.BATTERY), now=now)
    rows.sort(key=_rank)
    return {row.feed.kind: row for row in rows}


def _rank(row: Told) -> tuple[bool, bool, bool, bool]:
    feed = row.feed
    return feed.site_id is not None, feed.grid_zone_id is not None, not row.stale, feed.source != Feed.Source.BATTERY


def _input(row: Told) -> dict[str, object]:
    age = None if row.age is None else int(row.age.total_seconds())
    return {
        "name": row.feed.name, "feed": row.feed.public_id, "kind": row.feed.kind, "what": row.feed.what,
        "value": row.value, "unit": row.feed.get_kind_display(), "age_seconds": age, "stale": row.stale,
    }  # fmt: skip


def _looked(site: Site, now: datetime) -> Looked | None:
    found = Miner.objects.filter(site=site).aggregate(
        count=Count("pk"), unread=Count("pk", Q(read_at=None)), oldest=Min("read_at")
    )
    if not found["count"]:
        return None
    return Looked(None if found["unread"] else max(now - found["oldest"], timedelta(0)))


def _classes(site: Site, hash_usd: float | None, contract: PowerContract, now: datetime) -> Iterator[ClassNow]:
    unseen = Q(miners__read_at=None) | Q(miners__read_at__lt=now - FRESH)
    stubborn = ~Q(miners__outcome__in=["", "obeyed"]) | Q(miners__controlled=False) | unseen & Q(miners__asleep=True)
    load = Case(When(unseen, then=Greatest("miners__load_watts", "watts")), default=F("miners__load_watts"))
    rows = MinerClass.objects.filter(miners__site=site).annotate(
        on=Count("miners", Q(miners__asleep=False)),
        off=Count("miners", Q(miners__asleep=True)),
        stuck=Count("miners", stubborn),
        load=Sum(load),
        stuck_load=Sum(load, filter=stubborn, default=0),
    )
    for row in rows:
        obeying = row.on + row.off - row.stuck
        worth = None if hash_usd is None else mining_worth(
            hash_price=hash_usd, joules_per_terahash=float(row.joules_per_terahash),
            pue=contract.mining_pue_permille / THOUSAND,
        )  # fmt: skip
        yield ClassNow(
            row, row.on, row.off, row.stuck, row.load, row.stuck_load + obeying * row.standby_watts,
            row.stuck_load + obeying * row.watts, worth,
        )  # fmt: skip


def _leases(site: Site, contract: PowerContract) -> Iterator[LeaseNow]:
    running = Lease.objects.filter(offer__pool__site=site, state=LeaseState.ACTIVE)
    for lease in running.select_related("terms", "offer__plan", "offer__pool__node_type", "rate").order_by("pk"):
        watts = lease.node_count * lease.offer.pool.node_type.power_w * contract.gpu_pue_permille // THOUSAND
        if watts:
            yield LeaseNow(lease, watts, lease.node_count * lease.rate.micros_per_node_hour / MEGA)


def gpu_usd_per_mwh(rows: Sequence[LeaseNow], contract: PowerContract) -> float | None:
    """What a MWh of these leases brings at the meter on average; None without any."""
    watts = sum(row.watts for row in rows)
    if not watts:
        return None
    pue = contract.gpu_pue_permille / THOUSAND
    kw = watts / pue / THOUSAND
    return gpu_worth(usd_per_gpu_hour=sum(row.usd_per_hour for row in rows), kw_per_gpu=kw, pue=pue)
