"""
The TCP dialect of cgminer, which most firmware speaks: one JSON object there, one back, and the connection is over.

https://github.com/ckolivas/cgminer/blob/master/API-README. An answer ends with a NUL byte or with the connection.
Nothing that comes back is trusted: it has 64 KiB, 512 brackets and `Reach.timeout` seconds.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NoReturn

from energy.miners.base import MinerRefused, MinerUnreachable, Reach, words

LONGEST_ANSWER = 64 * 1024  # bytes; the longest that we ask for, 25 profiles, has 5 KiB
MOST_BRACKETS = 512  # of either kind: bounds the depth as well
LONGEST_NUMBER = 40  # digits
FINE = ("S", "I", "W")  # success, information, warning; E and F are errors

Row = Mapping[str, Any]


async def ask(reach: Reach, command: str, parameter: str = "") -> Row:
    """
    The miner's answer to one command.

    :raises MinerUnreachable: if there is none that can be used
    :raises MinerRefused: if it answers with an error
    """
    answer = await _exchange(reach, {"command": command, **({"parameter": parameter} if parameter else {})})
    return _fine(answer, command, reach)


async def ask_together(reach: Reach, *commands: str) -> dict[str, Row | None]:
    """
    The answers to several commands without parameters, in one exchange; None for those that the miner refuses.

    :raises MinerUnreachable: if there is no answer that can be used
    """
    answer = await _exchange(reach, {"command": "+".join(commands)})
    found: dict[str, Row | None] = {}
    for command in commands:
        try:
            found[command] = _fine(first(answer, command, where=reach), command, reach)
        except MinerRefused:
            found[command] = None
    return found


def first(answer: Row, name: str, *, where: object) -> Row:
    """
    The first row of a part of an answer.

    :raises MinerUnreachable: if there is none
    """
    rows = answer.get(name)
    if isinstance(rows, list) and rows and isinstance(rows[0], dict):
        return rows[0]
    raise MinerUnreachable(f"{where} answers what cannot be used: it has no {name}.")


def _fine(answer: Row, command: str, reach: Reach) -> Row:
    # MicroBT puts the status into the answer itself.
    status = answer if isinstance(answer.get("STATUS"), str) else first(answer, "STATUS", where=reach)
    if status.get("STATUS") not in FINE:
        raise MinerRefused(f"{reach} refuses {command}: “{words(status.get('Msg', ''))}”.")
    return answer


async def _exchange(reach: Reach, request: Mapping[str, str]) -> Row:
    loop = asyncio.get_running_loop()
    transport: asyncio.BaseTransport | None = None
    try:
        async with asyncio.timeout(reach.timeout):
            transport, exchange = await loop.create_connection(
                lambda: _Exchange(json.dumps(request).encode() + b"\n"), reach.address, reach.port
            )
            return _parsed(await exchange.answer)
    except (OSError, TimeoutError) as error:
        raise MinerUnreachable(f"{reach} does not answer within {reach.timeout:g} s.") from error
    except (ValueError, RecursionError) as error:
        raise MinerUnreachable(f"{reach} answers what cannot be used: {words(error)}.") from error
    finally:
        if transport is not None:
            transport.close()


class _Exchange(asyncio.Protocol):
    """One request, one answer. Streams would do the same with twice the work, and there are tens of thousands."""

    def __init__(self, request: bytes) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._request, self._received = request, bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > LONGEST_ANSWER:
            self._end(ValueError("it does not end"))
        elif b"\0" in data:
            self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)

    def _end(self, error: Exception | None) -> None:
        if self.answer.done():
            return
        if error:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(bytes(self._received.partition(b"\0")[0]))


def _parsed(answer: bytes) -> Row:
    if answer.count(b"[") + answer.count(b"{") > MOST_BRACKETS:
        raise ValueError("it is too deep")
    parsed = json.loads(answer.decode(errors="replace"), parse_constant=_no_number, parse_int=_integer, strict=False)
    if not isinstance(parsed, dict):
        raise ValueError("it is no JSON object")
    return parsed


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError("a number has too many digits")
    return int(digits)
