"""What a site's battery may be told: never below its reserve, never into the grid, never charged in a grid event."""

from datetime import datetime, timedelta
from typing import Any

from energy.models import Battery, FeedKind
from energy.queries.commands import in_event
from energy.queries.standing import HUNDRED, MEGA, THOUSAND, Standing

HOUR = timedelta(hours=1)
WORTH_PERCENT = 1  # of its power: less is not worth a command
NEAR_PERCENT, NEAR_WATTS_PERCENT = 10, 2  # of what was told, or of its power: nearer is done


def near(watts: int, wanted: int, *, most: int) -> bool:
    """Whether it does as was wanted, as far as power is steady and meters agree."""
    return abs(watts - wanted) * HUNDRED <= max(abs(wanted) * NEAR_PERCENT, most * NEAR_WATTS_PERCENT)


def bounded(here: Standing, watts: int) -> tuple[int, str]:
    """
    As much of these watts as may be told at this moment (below 0: charging), and what bounds it, if anything does.

    A battery gives no more than the site draws: nothing is sold with it. It takes no more than the grid connection has
    left. What is counted is what meters say now, so this is asked again as long as a command holds.
    """
    limits = _giving(here) if watts > 0 else _taking(here)
    most, why = min(limits, key=lambda limit: limit[0], default=(0, ""))
    if abs(watts) <= max(most, 0):
        return watts, ""
    return (max(most, 0) if watts > 0 else -max(most, 0)), why


def lasting(here: Standing, hours: float) -> int:
    """Watts that it can give for so many hours without touching its reserve."""
    battery = here.supply.battery
    if battery is None:
        return 0
    return min(battery.watts, int(free_wh(here) * battery.efficiency_permille / THOUSAND / hours))


def command(here: Standing, watts: int, starts_at: datetime, ends_at: datetime) -> dict[str, Any]:
    """These watts as a command says them, with the energy that they take and leave; see the fields of `Command`."""
    battery, hours = here.supply.battery, (ends_at - starts_at) / HOUR
    assert battery is not None
    given_wh = max(watts, 0) * hours
    return {
        "kind": "battery", "target": {"watts": watts}, "before": {} if steered(here) else {"watts": here.battery_watts},
        "touches": [_words(here, battery, watts, hours)], "watts": watts - here.battery_watts,
        "cost_micros": round(given_wh * battery.wear_micros_per_mwh / MEGA),
    }  # fmt: skip


def free_wh(here: Standing) -> int:
    """What it holds beyond its reserve."""
    return max(here.stored.wh - here.kept_wh, 0)


def steered(here: Standing) -> bool:
    """Whether there is a battery that is told by a driver; else staff is asked."""
    battery = here.supply.battery
    return bool(battery and battery.watts and here.inverter and here.inverter.controlled)


def leaves_percent(here: Standing, watts: int, hours: float) -> int:
    """How full it is afterwards, of what it can hold."""
    battery = here.supply.battery
    return (here.stored.wh - _taken(battery, watts, hours)) * HUNDRED // battery.watt_hours if battery else 0


def does(watts: int) -> str:
    """In words."""
    return f"{'gives' if watts > 0 else 'takes'} {abs(watts) / MEGA:,.3f} MW" if watts else "rests"


def _giving(here: Standing) -> list[tuple[int, str]]:
    battery, inverter = here.supply.battery, here.inverter
    if battery is None:
        return [(0, "The site has no battery on file.")]
    limits = [
        (battery.watts, f"The battery gives {battery.watts:,} W at most."),
        (_without(here), f"The site draws {max(_without(here), 0):,} W without it, and sells nothing."),
    ]
    if inverter and inverter.most_given is not None:
        limits.append((inverter.most_given, f"The battery says that it gives {inverter.most_given:,} W at most."))
    if not free_wh(here):
        limits.append((0, f"It holds {here.stored.wh:,} Wh, and its reserve is {here.kept_wh:,} Wh."))
    return limits


def _taking(here: Standing) -> list[tuple[int, str]]:
    battery, inverter, there = here.supply.battery, here.inverter, here.import_watts
    if battery is None:
        return [(0, "The site has no battery on file.")]
    limits = [
        (battery.watts, f"The battery takes {battery.watts:,} W at most."),
        (there - _without(here), f"The grid connection brings {there:,} W, and the site draws the rest."),
    ]
    if inverter and inverter.most_taken is not None:
        limits.append((inverter.most_taken, f"The battery says that it takes {inverter.most_taken:,} W at most."))
    if here.stored.wh >= battery.watt_hours:
        limits.append((0, "The battery is full."))
    if in_event(here.site, now=here.at):
        limits.append((0, "A grid event holds: the battery is not charged."))
    return limits


def _without(here: Standing) -> int:
    """What the site would draw from the grid if the battery rested; below 0: what it would have too much."""
    metered = here.told(FeedKind.GRID)
    if metered is not None:
        return metered - (here.told(FeedKind.EXPORTED) or 0) + here.battery_watts
    return sum(here.uses.values()) - here.uses["charging"] - here.sources["solar"] - here.sources["wind"]


def _taken(battery: Battery, watts: int, hours: float) -> int:
    """Watt-hours out of it; below 0: into it."""
    kept = battery.efficiency_permille / THOUSAND
    return round(watts * hours / kept if watts > 0 else watts * hours * kept)


def _words(here: Standing, battery: Battery, watts: int, hours: float) -> str:
    taken = _taken(battery, watts, hours)
    energy = f"{abs(taken) / MEGA:,.3f} MWh {'out of' if taken > 0 else 'into'} it" if taken else "no energy moves"
    return (
        f"The battery {does(watts)} for {hours:g} h (now it {does(here.battery_watts)}): {energy}; then "
        f"{(here.stored.wh - taken) / MEGA:,.3f} MWh of its {battery.watt_hours / MEGA:,.3f} MWh are in it, "
        f"and its reserve is {here.kept_wh / MEGA:,.3f} MWh"
    )
