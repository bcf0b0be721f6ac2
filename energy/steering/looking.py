"""
A site's battery is told what is wanted of it, again and again, and read back.

What is wanted is written down first. A look every minute tells it again, for `REVERT` at most: whoever tells it may be
lost at any moment, and the battery goes by its own control again. No transaction is open while it is spoken to.
"""

import asyncio
import math
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from accounts.operations import record
from energy.batteries import TIMEOUT, BatteryBusy, BatteryError, BatteryRefused, BatteryState, Driver, driver_of
from energy.models import Inverter, Outcome
from energy.queries.standing import standing
from energy.steering.judging import BatteryRead, does, judge
from energy.steering.keeping import keep, tell_feeds, want
from energy.storing import bounded
from marketplace.models import Site

REVERT = timedelta(minutes=5)  # after so long without us it is free; we are back every minute
ROUNDS = 3  # of a look during which something else was wanted
SECOND = timedelta(seconds=1)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How it is done, in seconds; `ramp` is how long its power may take to follow."""

    timeout: float = TIMEOUT
    attempts: int = 3
    pause: float = 0.5
    ramp: float = 40.0
    look_every: float = 1.0


LIMITS = Limits()


def steer(
    *, site: Site, watts: int | None, until: datetime, actor: str, reason: str, now: datetime, limits: Limits = LIMITS
) -> BatteryRead:
    """
    Let the site's battery give so many watts (below 0: take) until then, or with None go by its own control; told,
    waited for, and read back. Takes at most a minute, from inside the site. Safe to run twice; the last wish stands.
    """
    want(site=site, watts=watts, until=until, now=now)
    read = look(site=site, now=now, limits=limits)
    shown = read.state.watts if read.state else None
    record(
        organization=None, kind="battery.commanded", subject=site.slug, actor=actor, at=now,
        data={"reason": reason, "watts": watts, "told": read.told, "read": shown, "outcome": read.outcome},
    )  # fmt: skip
    return read


def look(*, site: Site, now: datetime, limits: Limits = LIMITS) -> BatteryRead:
    """Read the battery, tell it again what is wanted, see that it does it, and write down what came of it."""
    for _ in range(ROUNDS):
        row = Inverter.objects.select_related("site").get(site=site)
        read = _look(row, now, limits)
        if keep(row, read, now):
            break
    return read


def _look(row: Inverter, now: datetime, limits: Limits) -> BatteryRead:
    try:
        driver = driver_of(row, timeout=limits.timeout)
        state = _asked(driver.state, limits)
    except BatteryRefused as error:
        return BatteryRead(outcome=Outcome.REFUSED, told=None, state=None, detail=str(error))
    except BatteryError as error:
        return BatteryRead(outcome=Outcome.UNREACHABLE, told=None, state=None, detail=str(error))
    tell_feeds(row.site, state, now)
    if row.wanted_watts is None or not row.controlled:
        return BatteryRead(outcome=Outcome.OBEYED, told=None, state=state, detail=state.fault)
    told, why = _allowed(row, now)
    refusal = _tell(driver, state, told, row, now, limits)
    after = state if refusal else _settled(driver, told, limits)
    if after is None:
        return BatteryRead(
            outcome=Outcome.UNREACHABLE, told=told, state=None, detail="It took the command, and fell silent."
        )
    tell_feeds(row.site, after, now)
    return judge(row, told, after, why, refusal, now)


def _allowed(row: Inverter, now: datetime) -> tuple[int | None, str]:
    """What it is told at this moment of what is wanted."""
    wish = row.wish(now)
    if wish is None:
        return None, ""
    here = standing(row.site, now=now)
    return bounded(here, wish) if here else (0, "The site has no power contract on file.")


def _tell(driver: Driver, state: BatteryState, watts: int | None, row: Inverter, now: datetime, limits: Limits) -> str:
    """Why it does not take it; "" if it does."""
    try:
        if watts is None:
            if state.commanded:
                _asked(driver.release, limits)
        else:
            assert row.wanted_until is not None
            seconds = math.ceil(min(REVERT, row.wanted_until - now) / SECOND)
            _asked(lambda: driver.set_power(watts, seconds=seconds), limits)
    except BatteryError as error:
        return str(error)
    return ""


def _settled(driver: Driver, watts: int | None, limits: Limits) -> BatteryState | None:
    """How it looks once it does what it was told, or had its time; None if it does not answer any more."""

    async def wait() -> BatteryState | None:
        found, loop = None, asyncio.get_running_loop()
        ends = loop.time() + limits.ramp
        while True:
            with suppress(BatteryError):  # it is asked again
                found = await driver.state()
                if does(found, watts):
                    return found
            if loop.time() >= ends:
                return found
            await asyncio.sleep(limits.look_every)

    return asyncio.run(wait())


def _asked(question: Callable[[], Coroutine[Any, Any, T]], limits: Limits) -> T:
    """An answer, asked for again while there is none or it is busy; raises BatteryError."""

    async def ask() -> T:
        for attempt in range(1, limits.attempts):
            try:
                return await question()
            except BatteryError as error:
                if isinstance(error, BatteryRefused) and not isinstance(error, BatteryBusy):
                    raise
            await asyncio.sleep(limits.pause * attempt)
        return await question()

    return asyncio.run(ask())
