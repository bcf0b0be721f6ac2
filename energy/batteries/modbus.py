"""
Modbus over TCP, as much of it as SunSpec needs: registers are read (function 3) and written (function 16).

The MODBUS Application Protocol Specification V1.1b3 and the Messaging on TCP/IP Implementation Guide V1.0b, both at
https://modbus.org/specs.php. Nothing that comes back is trusted: an answer has to be the one to the question, as long
as it has to be, within `Reach.timeout` seconds. Modbus knows no login: the battery's network must keep others out.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from energy.batteries.base import BatteryBusy, BatteryRefused, BatteryUnreachable, Reach

READ, WRITE, ERROR = 0x03, 0x10, 0x80
MOST_READ = 125  # registers in one question
HEADER = struct.Struct(">HHHB")  # transaction, protocol, bytes that follow with the unit, unit
LONGEST = 254  # of those bytes
BUSY = (5, 6)
WHY = {
    1: "it has no such function", 2: "it has no such register", 3: "it does not take this value", 4: "it failed",
    5: "it is busy", 6: "it is busy", 10: "there is no way to the unit", 11: "the unit does not answer",
}  # fmt: skip


class NoSuchRegister(BatteryRefused):
    """There is nothing at that address."""


class Wire:
    """One connection: one question at a time."""

    def __init__(self, reach: Reach, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reach, self._reader, self._writer, self._asked = reach, reader, writer, 0

    async def read(self, start: int, count: int) -> list[int]:
        """So many registers from an address on; raises BatteryUnreachable and BatteryRefused."""
        answer = await self._exchange(struct.pack(">BHH", READ, start, count))
        if len(answer) != 2 + 2 * count or answer[1] != 2 * count:
            raise BatteryUnreachable(f"{self._reach} answers with another number of registers.")
        return list(struct.unpack(f">{count}H", answer[2:]))

    async def write(self, start: int, values: Sequence[int]) -> None:
        """Registers from an address on, all or none; raises BatteryUnreachable and BatteryRefused."""
        count = len(values)
        asked = struct.pack(f">BHHB{count}H", WRITE, start, count, 2 * count, *values)
        if await self._exchange(asked) != asked[:5]:
            raise BatteryUnreachable(f"{self._reach} answers that it wrote something else.")

    async def _exchange(self, asked: bytes) -> bytes:
        self._asked = (self._asked + 1) % 0x10000
        try:
            async with asyncio.timeout(self._reach.timeout):
                self._writer.write(HEADER.pack(self._asked, 0, len(asked) + 1, self._reach.unit) + asked)
                await self._writer.drain()
                answer = await self._answer()
        except (OSError, EOFError, TimeoutError) as error:
            raise BatteryUnreachable(f"{self._reach} does not answer within {self._reach.timeout:g} s.") from error
        if answer[0] == asked[0] | ERROR:
            raise self._refusal(answer[1] if len(answer) > 1 else 0)
        if answer[0] != asked[0]:
            raise BatteryUnreachable(f"{self._reach} answers another question.")
        return answer

    async def _answer(self) -> bytes:
        transaction, protocol, length, unit = HEADER.unpack(await self._reader.readexactly(HEADER.size))
        if (transaction, protocol, unit) != (self._asked, 0, self._reach.unit) or not 2 <= length <= LONGEST:
            raise BatteryUnreachable(f"{self._reach} does not speak Modbus.")
        return await self._reader.readexactly(length - 1)

    def _refusal(self, code: int) -> BatteryRefused:
        kind = BatteryBusy if code in BUSY else NoSuchRegister if code == 2 else BatteryRefused
        return kind(f"{self._reach} refuses: {WHY.get(code, f'it says {code}')}.")


@asynccontextmanager
async def connected(reach: Reach) -> AsyncIterator[Wire]:
    """A connection for as long as the block takes; raises BatteryUnreachable."""
    try:
        async with asyncio.timeout(reach.timeout):
            reader, writer = await asyncio.open_connection(reach.address, reach.port)
    except (OSError, TimeoutError) as error:
        raise BatteryUnreachable(f"{reach} does not answer within {reach.timeout:g} s.") from error
    try:
        yield Wire(reach, reader, writer)
    finally:
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(reach.timeout):
                await writer.wait_closed()
