"""Miners through their own APIs. A driver is imported when first asked for, as provisioners are."""

from importlib import import_module
from ipaddress import ip_address, ip_network
from typing import cast

from django.conf import settings

from accounts import seal
from energy.miners.base import (
    TIMEOUT,
    Driver,
    Identity,
    MinerBusy,
    MinerError,
    MinerRefused,
    MinerState,
    MinerUnreachable,
    Reach,
    words,
)
from energy.models import Dialect, Miner

__all__ = [
    "PURPOSE", "TIMEOUT", "Driver", "Identity", "MinerBusy", "MinerError", "MinerRefused", "MinerState",
    "MinerUnreachable", "Reach", "allowed", "driver_of", "words",
]  # fmt: skip

PURPOSE = "miner"  # under which `Miner.password` is sealed
DRIVERS = {
    Dialect.LUXOS: "luxos.LuxOS",
    Dialect.CGMINER: "cgminer.CGMiner",
    Dialect.PYASIC: "pyasic_rs.PyasicRs",
    Dialect.FAKE: "fake.FakeMiner",
}


def driver_of(miner: Miner, *, timeout: float = TIMEOUT) -> Driver:
    """
    The driver of a miner, with its class at hand; each exchange has `timeout` seconds. Opens no connection.

    :raises MinerRefused: if its address may not be spoken to, or its password cannot be read
    """
    if not allowed(miner.address):
        raise MinerRefused(f"{miner.address} is in none of the networks of miners (MINER_NETWORKS).")
    module, _, name = DRIVERS[Dialect(miner.miner_class.dialect)].partition(".")
    driver = getattr(import_module(f"energy.miners.{module}"), name)
    reach = Reach(address=miner.address, port=miner.port, user=miner.user, password=_password(miner), timeout=timeout)
    return cast(Driver, driver(reach))


def allowed(address: str) -> bool:
    """Whether commands may be sent there: a site's own network, never the internet or another service of this host."""
    return any(ip_address(address) in ip_network(network) for network in settings.MINER_NETWORKS)


def _password(miner: Miner) -> str:
    try:
        return seal.unseal(miner.password, purpose=PURPOSE) if miner.password else ""
    except seal.Unsealable as error:
        raise MinerRefused(f"The password of {miner.name} cannot be read. {error}") from error
