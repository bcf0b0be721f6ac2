"""
Every miner that the library pyasic-rs knows (its predecessor pyasic is given up by its authors). The only module that
knows it. What it can do differs from one firmware to the next: it is asked before each call.

Prefer `luxos` where it fits: the library joins the session of whoever changes a LuxOS miner, and ends none that it
opens. Nor does it speak to another port than the maker's own.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from pyasic_rs import MinerFactory

from energy.miners.base import (
    Identity,
    MinerRefused,
    MinerState,
    MinerUnreachable,
    Reach,
    Verb,
    words,
)

T = TypeVar("T")

PORT = 4028
REFUSED = "Command returned with error status"  # the library's only way to tell a refusal from a broken connection


class PyasicRs:
    """Whatever miner answers at the address."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._known: Any = None

    async def identify(self) -> Identity:
        """As the library found it out."""
        miner = await self._miner()
        version = await self._asked(miner.get_firmware_version())
        return Identity(words(f"{miner.make} {miner.model}"), words(miner.firmware), words(version or ""))

    async def verbs(self) -> frozenset[Verb]:
        """`supports_*`."""
        miner = await self._miner()
        can: dict[Verb, bool] = {
            "sleep": miner.supports_pause, "wake": miner.supports_resume, "limit": miner.supports_set_power_limit,
        }  # fmt: skip
        return frozenset(verb for verb, supported in can.items() if supported)

    async def state(self) -> MinerState:
        """Three questions; not all firmware answers each. The library (0.8.6) takes LuxOS to be mining at all times."""
        miner = await self._miner()
        mining, watts = await self._asked(miner.get_is_mining()), await self._asked(miner.get_wattage())
        terahashes = _terahashes(await self._asked(miner.get_hashrate()))
        return MinerState(not mining or terahashes == 0, None if watts is None else round(watts), terahashes)

    async def sleep(self) -> None:
        """`pause`."""
        await self._told("sleep", "pause")

    async def wake(self) -> None:
        """`resume`."""
        await self._told("wake", "resume")

    async def limit(self, watts: int) -> int:
        """`set_power_limit`. A Whatsminer restarts for it."""
        await self._told("limit", "set_power_limit", float(watts))
        return watts

    async def _told(self, verb: Verb, method: str, *given: float) -> None:
        if verb not in await self.verbs():
            raise MinerRefused(f"pyasic-rs cannot tell {self._reach} to {verb}.")
        if not await self._asked(getattr(self._known, method)(*given)):
            raise MinerRefused(f"{self._reach} refuses to {verb}.")

    async def _miner(self) -> Any:
        if self._known is None:
            if self._reach.port != PORT:
                raise MinerRefused(f"pyasic-rs speaks to port {PORT} only, not to {self._reach}.")
            seconds = max(1, round(self._reach.timeout))
            factory = MinerFactory().with_identification_timeout_secs(seconds).with_connectivity_timeout_secs(seconds)
            self._known = await self._asked(factory.get_miner(self._reach.address))
            if self._known is None:
                raise MinerUnreachable(f"{self._reach} does not answer as any miner that pyasic-rs knows.")
            if self._reach.password:
                self._known.set_auth(self._reach.user, self._reach.password)
        return self._known

    async def _asked(self, answer: Awaitable[T]) -> T:
        """The library's own limits are long: ours is put around them."""
        try:
            async with asyncio.timeout(2 * self._reach.timeout):  # one answer may be two exchanges
                return await answer
        except TimeoutError as error:
            raise MinerUnreachable(f"{self._reach} does not answer in time.") from error
        except (RuntimeError, ValueError, OSError) as error:
            if REFUSED in str(error):
                raise MinerRefused(f"{self._reach} refuses: {words(error)}.") from error
            raise MinerUnreachable(f"{self._reach} does not answer as it should: {words(error)}.") from error


def _terahashes(rate: Any) -> float | None:
    return None if rate is None else float(rate.as_unit(type(rate.unit).TH))
