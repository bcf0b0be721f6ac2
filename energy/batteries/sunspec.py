"""
Batteries that speak SunSpec's models for distributed resources (IEEE 1547-2018), over Modbus TCP.

| model | what is read of it or written |
| --- | --- |
| 1 | maker, model, version |
| 701 | power at its terminals, whether it runs |
| 702 | the most that it gives and takes |
| 704 | the power that it is told (`WSet`, or `WSetPct` of 702's `WMax` where it has no `WSet`), and for how long |
| 713 | state of charge |

Places are those of the models' published definitions, counted from their first register:
https://github.com/sunspec/models (Apache-2.0). https://sunspec.org/specifications.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from energy.batteries.base import BatteryRefused, BatteryState, BatteryUnreachable, Identity, Reach
from energy.batteries.modbus import MOST_READ, NoSuchRegister, Wire, connected

BASES = (40_000, 0, 50_000)  # where the list of models may begin
SUNS = [0x5375, 0x6E53]  # "SunS", with which it does
END, MOST_MODELS = 0xFFFF, 64
COMMON, MEASURED, CAPACITY, CONTROLS, STORAGE = 1, 701, 702, 704, 713
NEEDED = {COMMON: 50, MEASURED: 117, CAPACITY: 46, CONTROLS: 57, STORAGE: 9}  # how many of its registers are read

ABSENT = {1: 0xFFFF, 2: 0xFFFFFFFF}  # unsigned numbers that are not there, by their registers
ABSENT_SIGNED = {1: -0x8000, 2: -0x80000000}
MOST_SCALE = 10
OFF, ON, PERCENT, WATTS = 0, 1, 0, 1
FAULT = 6  # of 701's InvSt
STORAGE_ERROR = 2  # of 713's Sta
ENA, MOD, SET, RVRT, PCT, ENA_RVRT, RVRT_TMS, RVRT_REM = 22, 23, 24, 26, 28, 30, 31, 33  # of 704, WSet…
SET_SCALE, PCT_SCALE = 55, 56
HUNDRED, PERMILLE = 100, 10  # 1 % are 10 thousandths


@dataclass(frozen=True)
class Block:
    """A model's registers from its first on."""

    words: Sequence[int]

    def unsigned(self, place: int, *, size: int = 1) -> int | None:
        """A number; None where the battery does not have it."""
        value = self.words[place] if size == 1 else self.words[place] << 16 | self.words[place + 1]
        return None if value == ABSENT[size] else value

    def signed(self, place: int, *, size: int = 1) -> int | None:
        """A number that may be below zero; None where the battery does not have it."""
        value = self.words[place] if size == 1 else self.words[place] << 16 | self.words[place + 1]
        value -= (value >> 16 * size - 1) << 16 * size
        return None if value == ABSENT_SIGNED[size] else value

    def scaled(self, value: int | None, scale: int) -> Decimal | None:
        """A number with the power of ten at `scale`; None where either is not there."""
        power = self.signed(scale)
        if value is None or power is None or abs(power) > MOST_SCALE:
            return None
        return Decimal(value).scaleb(power)

    def text(self, place: int, length: int) -> str:
        """Characters, two to a register, as far as they can be shown."""
        said = b"".join(word.to_bytes(2, "big") for word in self.words[place : place + length])
        return "".join(chr(sign) for sign in said if 0x20 <= sign < 0x7F).strip()


class SunSpec:
    """A battery that speaks them."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._places: Mapping[int, int] = {}

    async def identify(self) -> Identity:
        """Model 1."""
        async with connected(self._reach) as wire:
            block = await self._block(wire, COMMON)
        return Identity(block.text(2, 16), block.text(18, 16), block.text(42, 8))

    async def state(self) -> BatteryState:
        """Models 701, 702, 704 and 713, over one connection."""
        async with connected(self._reach) as wire:
            measured, capacity, controls, storage = [
                await self._block(wire, model) for model in (MEASURED, CAPACITY, CONTROLS, STORAGE)
            ]
        percent = self._there(storage.scaled(storage.unsigned(4), 8), "state of charge")
        if not 0 <= percent <= HUNDRED:
            raise BatteryUnreachable(f"{self._reach} answers what cannot be used: it is charged to {percent} %.")
        given, taken = self._most(capacity)
        broken = measured.unsigned(4) == FAULT or storage.unsigned(6) == STORAGE_ERROR
        return BatteryState(
            permille=round(percent * PERMILLE),
            watts=round(self._there(measured.scaled(measured.signed(10), 116), "power")),
            told_watts=self._told(controls, capacity),
            reverts_in=controls.unsigned(RVRT_REM, size=2),
            most_given=given,
            most_taken=taken,
            fault="It reports a fault." if broken else "",
        )

    async def set_power(self, watts: int, *, seconds: int) -> None:
        """Power and timer first, then the switch, as SunSpec wants it; and read again: some acknowledge what they do
        not keep."""
        async with connected(self._reach) as wire:
            capacity, controls = await self._block(wire, CAPACITY), await self._block(wire, CONTROLS)
            given, taken = self._most(capacity)
            if not -taken <= watts <= given:
                raise BatteryRefused(f"{self._reach} gives at most {given:,} W and takes at most {taken:,} W.")
            if controls.unsigned(RVRT_TMS, size=2) is None:
                raise BatteryRefused(
                    f"{self._reach} has no timer that ends a command (WSetRvrtTms): it is not told any."
                )
            wanted = self._wanted(watts, seconds, controls, capacity)
            await wire.write(self._places[CONTROLS] + MOD, wanted)
            await wire.write(self._places[CONTROLS] + ENA, [ON])
            after = await self._block(wire, CONTROLS)
        if (after.words[ENA], *after.words[MOD : MOD + len(wanted)]) != (ON, *wanted):
            raise BatteryRefused(f"{self._reach} takes the command and does not keep it.")

    async def release(self) -> None:
        """`WSetEna` off; what else was told stays written and counts no more."""
        async with connected(self._reach) as wire:
            await self._block(wire, CONTROLS)
            await wire.write(self._places[CONTROLS] + ENA, [OFF])

    def _wanted(self, watts: int, seconds: int, controls: Block, capacity: Block) -> list[int]:
        """The registers from `WSetMod` to `WSetRvrtTms`; what is not ours in them stays. Never more than was asked."""
        words = [*controls.words[MOD:RVRT_REM]]
        power, percent = controls.signed(SET_SCALE), controls.signed(PCT_SCALE)
        if controls.signed(SET, size=2) is not None and power is not None:
            value = int(Decimal(watts).scaleb(-power)) & 0xFFFFFFFF
            words[0], words[SET - MOD : RVRT - MOD] = WATTS, [value >> 16, value & 0xFFFF]
        elif controls.signed(PCT) is not None and percent is not None:
            share = Decimal(watts * HUNDRED) / self._whole(capacity)
            words[0], words[PCT - MOD] = PERCENT, int(share.scaleb(-percent)) & 0xFFFF
        else:
            raise BatteryRefused(f"{self._reach} has neither WSet nor WSetPct: it cannot be told its power.")
        words[ENA_RVRT - MOD] = OFF
        words[RVRT_TMS - MOD : RVRT_REM - MOD] = [seconds >> 16, seconds & 0xFFFF]
        return words

    def _told(self, controls: Block, capacity: Block) -> int | None:
        if controls.words[ENA] != ON:
            return None
        if controls.words[MOD] == WATTS:
            return round(self._there(controls.scaled(controls.signed(SET, size=2), SET_SCALE), "told power"))
        share = self._there(controls.scaled(controls.signed(PCT), PCT_SCALE), "told power")
        return round(share * self._whole(capacity) / HUNDRED)

    def _most(self, capacity: Block) -> tuple[int, int]:
        """Watts given and taken: as set, else as rated, else as all of its power."""
        scaled = [capacity.scaled(capacity.unsigned(place), 45) for place in (35, 11, 34, 10)]
        given, taken = scaled[0] or scaled[1], scaled[2] or scaled[3]
        return round(given or self._whole(capacity)), round(taken or self._whole(capacity))

    def _whole(self, capacity: Block) -> Decimal:
        """`WMax`, as set, else as rated: what per cent are of."""
        found = capacity.scaled(capacity.unsigned(26), 45) or capacity.scaled(capacity.unsigned(2), 45)
        return self._there(found or None, "greatest power")

    def _there(self, value: Decimal | None, what: str) -> Decimal:
        if value is None:
            raise BatteryUnreachable(f"{self._reach} does not tell its {what}.")
        return value

    async def _block(self, wire: Wire, model: int) -> Block:
        if not self._places:
            self._places = await self._models(wire)
        if model not in self._places:
            raise BatteryRefused(f"{self._reach} has no SunSpec model {model}.")
        words = await wire.read(self._places[model], NEEDED[model])
        if words[0] != model or words[1] + 2 < NEEDED[model]:
            raise BatteryUnreachable(f"{self._reach} has another model where {model} was.")
        return Block(words)

    async def _models(self, wire: Wire) -> Mapping[int, int]:
        """Where each model begins."""
        for base in BASES:
            try:
                if await wire.read(base, len(SUNS)) == SUNS:
                    return await self._listed(wire, base + len(SUNS))
            except NoSuchRegister:
                continue
        raise BatteryRefused(f"{self._reach} speaks Modbus, and no SunSpec.")

    async def _listed(self, wire: Wire, place: int) -> Mapping[int, int]:
        found: dict[int, int] = {}
        for _ in range(MOST_MODELS):
            model, length = await wire.read(place, 2)
            if model == END or place + 2 + length > 0xFFFF - MOST_READ:
                break
            found.setdefault(model, place)
            place += 2 + length
        return found
