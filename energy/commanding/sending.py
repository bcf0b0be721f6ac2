"""Thousands of miners at once: so many exchanges at a time, each with its limit, each tried again, each read back."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from energy.commanding.judging import Asked, Heard
from energy.miners import TIMEOUT, Driver, MinerBusy, MinerError, MinerRefused, MinerState


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How it is done. Seconds; `grace` is given beyond a class' own time to fall asleep, and `news_every` is how old it
    may be that a miner was not overtaken."""

    at_once: int = 256
    timeout: float = TIMEOUT
    attempts: int = 3
    pause: float = 0.5
    look_every: float = 1.5
    grace: float = 5.0
    news_every: float = 0.5


LIMITS = Limits()
OVERTAKEN = "Something else is wanted of it by now."
Overtaken = Callable[[], Collection[int]]
"""Of whom something else is wanted by now: they are told nothing more. It may ask the database."""


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


def send(sendings: Sequence[Sending], *, within: float, limits: Limits, overtaken: Overtaken = tuple) -> list[Heard]:
    """What was heard of each, in the same order, at most `within` seconds later."""
    with asyncio.Runner() as runner:
        news = _News(runner.get_loop(), limits.news_every)
        talks = runner.get_loop().create_task(_all(sendings, within, limits, news))
        while not talks.done():
            news.of(overtaken())  # nothing else runs meanwhile
            runner.run(_for(limits.news_every, talks))
        return talks.result()


async def _for(seconds: float, talks: "asyncio.Task[list[Heard]]") -> None:
    await asyncio.wait({talks}, timeout=seconds)


async def _all(sendings: Sequence[Sending], within: float, limits: Limits, news: "_News") -> list[Heard]:
    gate, ends = asyncio.Semaphore(limits.at_once), asyncio.get_running_loop().time() + within
    return await asyncio.gather(*(_Talk(sending, gate, ends, limits, news).done() for sending in sendings))


class _News:
    """Of whom something else is wanted, and how old that is. A process may have slept."""

    def __init__(self, loop: asyncio.AbstractEventLoop, every: float) -> None:
        self._loop, self._every, self._at = loop, every, loop.time()
        self._gone: Collection[int] = ()
        self._fresh = asyncio.Event()

    def of(self, gone: Collection[int]) -> None:
        """As it is now."""
        self._gone, self._at = gone, self._loop.time()
        self._fresh.set()

    async def allow(self, miner: int) -> bool:
        """Whether it may be told now."""
        if self._loop.time() > self._at + 2 * self._every:
            self._fresh.clear()
            await self._fresh.wait()
        return miner not in self._gone


class _Talk:
    """With one miner. It remembers what it heard so far, for when the time is over."""

    def __init__(self, sending: Sending, gate: asyncio.Semaphore, ends: float, limits: Limits, news: _News) -> None:
        self._sending, self._gate, self._ends, self._limits, self._news = sending, gate, ends, limits, news
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
                    if not await self._news.allow(self._sending.asked.miner_id):
                        self._refusal = OVERTAKEN
                        return
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
