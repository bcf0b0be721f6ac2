"""
LuxOS, Luxor's firmware for Antminers, over its TCP API: https://docs.luxor.tech/firmware/api.

Whoever changes a miner holds its only session, which dies by itself a minute after its last use. There is no password:
a session keeps programs out of each other's way and nobody out of the miner, so its network must.
"""

import re
from contextlib import suppress

from energy.miners.base import (
    MOST_TERAHASHES,
    MOST_WATTS,
    Identity,
    MinerBusy,
    MinerError,
    MinerRefused,
    MinerState,
    MinerUnreachable,
    Reach,
    Verb,
    number,
    words,
)
from energy.miners.wire import Row, ask, ask_together, first

_SESSION = re.compile(r"[A-Za-z0-9_-]{1,40}")
_PROFILE = re.compile(r"[^,\x00-\x1f]{1,40}")  # it is sent back between commas


class LuxOS:
    """A miner with LuxOS."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def identify(self) -> Identity:
        """`version`."""
        said = first(await ask(self._reach, "version"), "VERSION", where=self._reach)
        if "LUXminer" not in said:
            raise MinerRefused(f"{self._reach} is no miner with LuxOS.")
        return Identity(words(said.get("Type", "")), "LuxOS", words(said["LUXminer"]))

    async def verbs(self) -> frozenset[Verb]:
        """All of them."""
        return frozenset({"sleep", "wake", "limit"})

    async def state(self) -> MinerState:
        """`config`, `power` and `summary`, in one exchange."""
        said = await ask_together(self._reach, "config", "power", "summary")
        config, summary = self._row(said, "config"), self._row(said, "summary")
        watts = self._number(self._row(said, "power"), "Watts", MOST_WATTS) if said["power"] else None
        return MinerState(
            asleep=words(config.get("CurtailMode", "")).lower() == "sleep",
            watts=None if watts is None else round(watts),
            terahashes=self._number(summary, "GHS 5s", MOST_TERAHASHES * 1000) / 1000,
        )

    async def sleep(self) -> None:
        """`curtail …,sleep`: boards and power supply off."""
        await self._change(("curtail", "sleep"))

    async def wake(self) -> None:
        """`curtail …,wakeup`, at the pace of a reboot: its unsafe mode is faster and wears the chips."""
        await self._change(("curtail", "wakeup"))

    async def limit(self, watts: int) -> int:
        """The profile with the most power that is not above. The autotuner (ATM) would choose another: it goes off."""
        fitting = [profile for profile in await self._profiles() if profile[0] <= watts]
        if not fitting:
            raise MinerRefused(f"{self._reach} has no profile of {watts} W or less.")
        chosen, name = max(fitting)
        await self._change(("atmset", "enabled=false"), ("profileset", name))
        return chosen

    async def _profiles(self) -> list[tuple[int, str]]:
        rows = (await ask(self._reach, "profiles")).get("PROFILES")
        found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        named = [(row, str(row.get("Profile Name", ""))) for row in found]
        return [
            (round(self._number(row, "Watts", MOST_WATTS)), name) for row, name in named if _PROFILE.fullmatch(name)
        ]

    async def _change(self, *commands: tuple[str, str]) -> None:
        session = await self._logon()
        try:
            for command, parameter in commands:
                await ask(self._reach, command, f"{session},{parameter}")
        finally:
            with suppress(MinerError):  # then it dies by itself
                await ask(self._reach, "logoff", session)

    async def _logon(self) -> str:
        try:
            answer = await ask(self._reach, "logon")
        except MinerRefused as error:
            raise MinerBusy(f"{self._reach} is being changed by somebody else.") from error
        session = first(answer, "SESSION", where=self._reach).get("SessionID")
        if not isinstance(session, str) or not _SESSION.fullmatch(session):
            raise MinerUnreachable(f"{self._reach} answers what cannot be used: its session is “{words(session)}”.")
        return session

    def _row(self, said: dict[str, Row | None], name: str) -> Row:
        part = said[name]
        if part is None:
            raise MinerUnreachable(f"{self._reach} does not tell its {name}.")
        return first(part, name.upper(), where=self._reach)

    def _number(self, row: Row, key: str, most: float) -> float:
        return number(row, key, most=most, where=self._reach)
