"""What a site may sell firm, and how that comes about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from energy.models import Battery, FeedKind, Generation, PowerContract, Reading
from marketplace.models import Site

LOOK_BACK = timedelta(days=365)
ENOUGH_HOURS = 720  # readings of a month: fewer say nothing of one hour in a thousand
THOUSAND, HUNDRED, MINUTES = 1000, 100, 60


@dataclass(frozen=True)
class Supply:
    """What a site is supplied by at a moment: its rows in force, and the grid as it was measured."""

    contract: PowerContract
    generation: Sequence[Generation]
    battery: Battery | None
    grid_watts: int  # there at the contract's confidence
    measured: bool


@dataclass(frozen=True)
class Power:
    """
    Watts of nodes' own draw: firm; beyond it while no supply fails; beyond both with the usual sun and wind. `steps`
    are what the firm ones are made of, in watts at the meter until the last.
    """

    firm_watts: int
    likely_watts: int
    surplus_watts: int
    steps: tuple[tuple[str, int], ...]


def supply(site: Site, *, at: datetime, now: datetime) -> Supply | None:
    """The site's supply at a moment, as it is known now; None without a contract."""
    contract = PowerContract.objects.filter(site=site).in_force(at).first()
    if contract is None:
        return None
    generation = list(Generation.objects.filter(site=site, starts_at__lte=at).in_force(at))
    battery = Battery.objects.filter(site=site).in_force(at).first()
    measured = _measured(site, contract, now)
    assumed = contract.interconnect_watts * contract.grid_percent // HUNDRED
    return Supply(contract, generation, battery, assumed if measured is None else measured, measured is not None)


def power(found: Supply, *, hours: Sequence[datetime]) -> Power:
    """
    What can be sold in all of these hours.

    Firm is the lesser of two: what the grid brings without its largest supply; and what the grid brings at the chosen
    confidence, with the least sun and wind and what the battery can hold. The house is taken off, and cooling. Nothing
    is overbooked: nodes count with all that they may draw.
    """
    contract = found.contract
    least, usual = _generated(found, hours)
    held = _held(found.battery)
    without_largest = contract.interconnect_watts - contract.largest_supply_watts
    sure = found.grid_watts + least + held
    firm = machines(contract, min(without_largest, sure))
    likely = max(machines(contract, min(contract.interconnect_watts, found.grid_watts) + least), firm)
    most = max(machines(contract, contract.interconnect_watts + usual), likely)
    how_sure = "measured" if found.measured else "by contract"
    confidence = f"{contract.confidence_permille / 10:g} %"
    steps = (
        ("Grid connection", contract.interconnect_watts),
        ("Without its largest supply (N-1)", without_largest),
        (f"Grid in {confidence} of hours ({how_sure})", found.grid_watts),
        ("Sun and wind, at least", least),
        ("Battery, while it must hold", held),
        ("The lesser of N-1 and the sum of the three", min(without_largest, sure)),
        ("The house itself", -contract.house_watts),
        (f"For nodes, at {contract.gpu_pue_permille / THOUSAND:g} W drawn for each of theirs", firm),
    )
    return Power(firm, likely - firm, most - likely, steps)


def machines(contract: PowerContract, watts: int) -> int:
    """What nodes may draw of so much at the meter: less the house, and for each watt of theirs its cooling."""
    return max(watts - contract.house_watts, 0) * THOUSAND // contract.gpu_pue_permille


def _generated(found: Supply, hours: Sequence[datetime]) -> tuple[int, int]:
    """Least and usual power of sun and wind in the worst of the hours, by the site's own clock."""
    zone = ZoneInfo(found.contract.site.time_zone)
    local = {hour.astimezone(zone).hour for hour in hours}
    least = sum(row.rated_watts * min(row.least_permille[hour] for hour in local) for row in found.generation)
    usual = sum(row.rated_watts * min(row.usual_permille[hour] for hour in local) for row in found.generation)
    return least // THOUSAND, usual // THOUSAND


def _held(battery: Battery | None) -> int:
    """What a full battery brings for as long as it must."""
    if battery is None:
        return 0
    lasting = battery.watt_hours * battery.efficiency_permille * MINUTES // (THOUSAND * battery.hold_minutes)
    return min(battery.watts, lasting)


def _measured(site: Site, contract: PowerContract, now: datetime) -> int | None:
    """What the grid brought at least in the contract's share of the last year's readings; None with too few of them."""
    told = Reading.objects.filter(
        feed__site=site,
        feed__kind=FeedKind.GRID_AVAILABLE,
        feed__forecast=False,
        starts_at__gte=now - LOOK_BACK,
        ends_at__lte=now,
    )
    count = told.count()
    if count < ENOUGH_HOURS:
        return None
    rank = count * (THOUSAND - contract.confidence_permille) // THOUSAND
    return max(0, min(contract.interconnect_watts, told.order_by("value").values_list("value", flat=True)[rank]))
