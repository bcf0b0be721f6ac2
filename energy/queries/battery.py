"""A site's battery as it is known now: what it gives and holds, how old that is, and what is wanted of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from energy.models import Battery, FeedKind, Inverter
from energy.queries.feeds import Told
from energy.queries.standing import Standing


@dataclass(frozen=True)
class BatteryNow:
    """Watts above 0 come out of it, below 0 it is charged. None: not known, or too old to be believed."""

    battery: Battery
    inverter: Inverter | None
    watts: int | None
    permille: int | None  # state of charge as told last, however old
    age: timedelta | None
    stale: bool
    stored_wh: int  # what is counted on: nothing where the state of charge is too old and the ledger does not know
    reserve_wh: int
    wanted_watts: int | None
    at: datetime

    @property
    def percent(self) -> float | None:
        """State of charge."""
        return None if self.permille is None else self.permille / 10


def battery_now(here: Standing) -> BatteryNow | None:
    """None for a site without a battery."""
    battery, inverter = here.supply.battery, here.inverter
    if battery is None or not battery.watts:
        return None
    charge: Told | None = here.feeds.get(FeedKind.CHARGE)
    known = any(here.told(kind) is not None for kind in (FeedKind.CHARGING, FeedKind.DISCHARGING))
    return BatteryNow(
        battery=battery, inverter=inverter, watts=here.battery_watts if known else None,
        permille=charge.value if charge else None, age=charge.age if charge else None,
        stale=charge is None or charge.stale, stored_wh=here.stored.wh, reserve_wh=here.kept_wh,
        wanted_watts=inverter.wish(here.at) if inverter else None, at=here.at,
    )  # fmt: skip
