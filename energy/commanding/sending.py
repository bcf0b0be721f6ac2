"""Thousands of miners at once: so many exchanges at a time, each with its limit, each tried again, each read back."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from energy.commanding.judging import Asked, Heard
from energy.miners import TIMEOUT, Driver, MinerBusy, MinerError, MinerRefused, MinerState


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How it is done. Seconds; `grace` is given beyond a class' own time to fall asleep."""

    at_once: int = 256
    timeout: float = TIMEOUT
    attempts: int = 3
    pause: float = 0.5
    look_every: float = 1.5
    grace: float = 5.0


LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One miner to be told (or with `tell` false only looked at) after `starts` seconds. `refusal` says why there is no
    driver, if there is none."""

    asked: Asked
    driver: Driver | None
    tell: bool = True
    starts: float = 0.0
    falls: float = 0.0
    refusal: str = ""


def send(sendings: Sequence[Sending], *, within: float, limits: Limits) -> list[Heard]:
    """What was heard of each, in the same order, at most `within` seconds later."""
    return asyncio.run(_all(sendings, within, limits))


async def _all(sendings: Sequence[Sending], within: float, limits: Limits) -> list[Heard]:
    gate, ends = asyncio.Semaphore(limits.at_once), asyncio.get_running_loop().time() + within
    return await asyncio.gather(*(_Talk(sending, gate, ends, limits).done() for sending in sendings))


class _Talk:
    """With one miner. It remembers what it heard so far, for when the time is over."""

    def __init__(self, sending: Sending, gate: asyncio.Semaphore, ends: float, limits: Limits) -> None:
        self._sending, self._gate, self._ends, self._limits = sending, gate, ends, limits
        self._refusal, self._silence = sending.refusal, "There was no time left to ask it."
        self._state: MinerState | None = None

    async def done(self) -> Heard:
        """Tell, look until it has done it, and say what was heard."""
        if driver := self._sending.driver:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._ends):
                    await asyncio.sleep(self._sending.starts)
                    if self._sending.tell:
                        await self._tell(driver)
                    await self._look(driver)
        return Heard(refusal=self._refusal, state=self._state, silence=self._silence)

    async def _tell(self, driver: Driver) -> None:
        for attempt in range(self._limits.attempts):
            await asyncio.sleep(self._limits.pause * attempt)
            try:
                async with self._gate:
                    await (driver.sleep() if self._sending.asked.asleep else driver.wake())
            except MinerError as error:
                self._refusal = str(error)
                if isinstance(error, MinerRefused) and not isinstance(error, MinerBusy):
                    return
            else:
                self._refusal = ""
                return

    async def _look(self, driver: Driver) -> None:
        """Until it is as wanted, or had its time. One that took no command is looked at once: it may sleep already."""
        loop, sending, silent = asyncio.get_running_loop(), self._sending, 0
        falling = sending.tell and sending.asked.asleep and not self._refusal
        patient = loop.time() + (sending.falls + self._limits.grace if falling else 0.0)
        await asyncio.sleep(sending.falls if falling else 0.0)
        while not await self._settled(driver):
            silent += self._state is None
            if silent >= (1 if self._refusal else self._limits.attempts) or (self._state and loop.time() > patient):
                return
            await asyncio.sleep(self._limits.look_every)

    async def _settled(self, driver: Driver) -> bool:
        """One look; whether it is as wanted."""
        asked = self._sending.asked
        try:
            async with self._gate:
                self._state, self._silence = await driver.state(), ""
        except MinerError as error:
            self._silence = str(error)
            return False
        return not asked.asleep or (self._state.asleep and (self._state.watts or 0) <= asked.most_asleep)
