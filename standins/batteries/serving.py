"""The battery's socket: Modbus over TCP, one question at a time, or whatever it does instead."""

import asyncio
import struct
import time
from dataclasses import dataclass, field

from standins.batteries.machine import Behaviour, Machine
from standins.batteries.registers import Refused, Registers

SLOW = 30.0  # seconds until a slow battery answers
HEADER = struct.Struct(">HHHB")
READ, WRITE, WRITE_ONE, ERROR = 3, 16, 6, 0x80
ILLEGAL_FUNCTION, FAILED, BUSY = 1, 4, 6
STARTED, BEGAN = time.time(), time.monotonic()


def clock(speed: float) -> float:
    """Seconds since 1970 at the start, from where on they are `speed` times as fast as ours."""
    return STARTED + (time.monotonic() - BEGAN) * speed


@dataclass
class Battery:
    """A machine, its registers and its clock."""

    machine: Machine
    speed: float = 1.0
    registers: Registers = field(init=False)

    def __post_init__(self) -> None:
        self.registers = Registers(self.machine)

    def pass_time(self) -> None:
        """Up to now."""
        self.machine.advance(clock(self.speed))

    def answer(self, asked: bytes) -> bytes:
        """To one question, without its header."""
        self.pass_time()
        try:
            return self._answer(asked)
        except Refused as refused:
            return bytes([asked[0] | ERROR, refused.code])
        except (struct.error, ValueError):
            return bytes([asked[0] | ERROR, ILLEGAL_FUNCTION])

    def _answer(self, asked: bytes) -> bytes:
        if self.machine.behaviour == Behaviour.BUSY:
            raise Refused(BUSY)
        function, start = struct.unpack(">BH", asked[:3])
        if function == READ:
            (count,) = struct.unpack(">H", asked[3:5])
            words = self.registers.read(start, count)
            return struct.pack(f">BB{count}H", READ, 2 * count, *words)
        if function not in (WRITE, WRITE_ONE):
            raise Refused(ILLEGAL_FUNCTION)
        if self.machine.behaviour == Behaviour.REFUSING:
            raise Refused(FAILED)
        data = asked[6:] if function == WRITE else asked[3:5]
        self.registers.write(start, struct.unpack(f">{len(data) // 2}H", data))
        return asked[:5]


class Connection(asyncio.Protocol):
    """Questions come one after another and may come in pieces."""

    def __init__(self, battery: Battery) -> None:
        self._battery, self._received = battery, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A dead one hangs up."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._battery.machine.behaviour == Behaviour.DEAD:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """As many questions as are whole."""
        self._received += data
        while len(self._received) >= HEADER.size:
            transaction, _, length, unit = HEADER.unpack(self._received[: HEADER.size])
            if len(self._received) < HEADER.size + length - 1:
                return
            asked = self._received[HEADER.size : HEADER.size + length - 1]
            self._received = self._received[HEADER.size + length - 1 :]
            self._serve(transaction, unit, asked)

    def _serve(self, transaction: int, unit: int, asked: bytes) -> None:
        behaviour = self._battery.machine.behaviour
        if behaviour == Behaviour.SILENT or not asked:
            return
        said = self._battery.answer(asked)
        whole = HEADER.pack(transaction ^ (behaviour == Behaviour.OTHERS), 0, len(said) + 1, unit) + said
        match behaviour:
            case Behaviour.SLOW:
                asyncio.get_running_loop().call_later(SLOW, self._transport.write, whole)
            case Behaviour.HALF:
                self._transport.write(whole[: len(whole) // 2])
                self._transport.close()
            case Behaviour.GARBAGE:
                self._transport.write(b"\x1f\x8b\x00<html>\r\n\x1b[31m")
                self._transport.close()
            case _:
                self._transport.write(whole)
