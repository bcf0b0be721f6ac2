"""The miners' sockets: one listener for all, which knows from the address that was called who is meant."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from standins.miners import cgminer, luxos
from standins.miners.machine import Behaviour, Machine

SLOW = 30.0  # seconds until a slow miner answers
LONGEST_REQUEST = 8192  # bytes, as cgminer
BRACKETS = b"[" * 4096

Speak = Callable[[Machine, str, str, float], dict[str, Any]]
DIALECTS: dict[str, tuple[Speak, Callable[[dict[str, Any]], bytes]]] = {
    "luxos": (luxos.answer, luxos.encode),
    "bosminer": (cgminer.bosminer, cgminer.encode),
    "whatsminer": (cgminer.whatsminer, cgminer.encode),
}


@dataclass
class Fleet:
    """Machines by address, and their common clock, which runs `speed` times as fast as ours."""

    machines: Mapping[str, Machine]
    speed: float = 1.0

    def now(self) -> float:
        """Seconds since 1970 at the start, from where on they are faster."""
        return STARTED + (time.monotonic() - BEGAN) * self.speed


STARTED, BEGAN = time.time(), time.monotonic()


class Connection(asyncio.Protocol):
    """One request, one answer, and the end; or whatever the miner does instead."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet, self._request = fleet, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Who is called decides who answers."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        machine = self._fleet.machines.get(transport.get_extra_info("sockname")[0])
        if machine is None or machine.behaviour == Behaviour.DEAD:
            transport.abort()
        else:
            self._machine = machine

    def data_received(self, data: bytes) -> None:
        """A request ends with a line, or where its JSON does."""
        self._request += data
        try:
            asked = json.loads(self._request.rstrip(b"\n\0"))
        except ValueError:
            if len(self._request) < LONGEST_REQUEST and b"\n" not in data:
                return
            asked = None
        self._request = b""
        self._serve(asked if isinstance(asked, dict) else {"command": ""})

    def _serve(self, asked: dict[str, Any]) -> None:
        match self._machine.behaviour:
            case Behaviour.SILENT:
                return
            case Behaviour.SLOW:
                asyncio.get_running_loop().call_later(SLOW, self._end, self._answer(asked))
            case Behaviour.HALF:
                answer = self._answer(asked)
                self._transport.write(answer[: len(answer) // 2])
                self._transport.write_eof()
            case Behaviour.GARBAGE:
                self._end(b"\x1f\x8b\x00<html>\r\n\x1b[31m")
            case Behaviour.ENDLESS:
                self._go_on()
            case _:
                self._end(self._answer(asked))

    def _answer(self, asked: dict[str, Any]) -> bytes:
        speak, encode = DIALECTS[self._machine.kind.dialect]
        command, parameter, now = str(asked.get("command", "")), str(asked.get("parameter", "")), self._fleet.now()
        if "+" not in command:
            return encode(speak(self._machine, command, parameter, now))
        together = {one: [speak(self._machine, one, "", now)] for one in command.split("+")}
        return encode({**together, "id": 1})

    def _end(self, answer: bytes) -> None:
        self._transport.write(answer)
        self._transport.close()

    def _go_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(BRACKETS)
            asyncio.get_running_loop().call_later(0.01, self._go_on)
