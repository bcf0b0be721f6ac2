"""Batteries through their own APIs. A driver is imported when first asked for, as those of miners are."""

from importlib import import_module
from ipaddress import ip_address, ip_network
from typing import cast

from django.conf import settings

from energy.batteries.base import (
    TIMEOUT,
    BatteryBusy,
    BatteryError,
    BatteryRefused,
    BatteryState,
    BatteryUnreachable,
    Driver,
    Identity,
    Reach,
)
from energy.models import BatteryDialect, Inverter

__all__ = [
    "TIMEOUT", "BatteryBusy", "BatteryError", "BatteryRefused", "BatteryState", "BatteryUnreachable", "Driver",
    "Identity", "Reach", "allowed", "driver_of",
]  # fmt: skip

DRIVERS = {BatteryDialect.SUNSPEC: "sunspec.SunSpec", BatteryDialect.FAKE: "fake.FakeBattery"}


def driver_of(inverter: Inverter, *, timeout: float = TIMEOUT) -> Driver:
    """
    The driver of a site's battery; each exchange has `timeout` seconds. Opens no connection.

    :raises BatteryRefused: if its address may not be spoken to
    """
    if not allowed(inverter.address):
        raise BatteryRefused(f"{inverter.address} is in none of the networks of batteries (BATTERY_NETWORKS).")
    module, _, name = DRIVERS[BatteryDialect(inverter.dialect)].partition(".")
    driver = getattr(import_module(f"energy.batteries.{module}"), name)
    reach = Reach(address=inverter.address, port=inverter.port, unit=inverter.unit, timeout=timeout)
    return cast(Driver, driver(reach))


def allowed(address: str) -> bool:
    """Whether commands may be sent there: a site's own network, never the internet or another service of this host."""
    return any(ip_address(address) in ip_network(network) for network in settings.BATTERY_NETWORKS)
