"""What steering relies on from a battery: FakeBattery; SunSpec over Modbus TCP against the stand-in's process."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, Protocol, TypeVar

import pytest

from energy.batteries import BatteryBusy, BatteryRefused, BatteryState, BatteryUnreachable, Driver, Reach
from energy.batteries.fake import BATTERIES, Cells, FakeBattery
from energy.batteries.modbus import connected
from energy.batteries.sunspec import SunSpec
from tests.batteries import Battery, running
from tests.waiting import until

T = TypeVar("T")
SOON = 0.4  # seconds
MW, HOUR = 1_000_000, 3600
SPEED = 200  # seconds of its in one of ours: it ramps in 50 ms, and an hour takes 18 s


def done(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


class Shelf(Protocol):
    """A battery of 10 MW that is half full and rests, and what can be wrong with it."""

    def driver(self) -> Driver: ...

    def refuse(self) -> None: ...

    def silence(self) -> None: ...


class FakeShelf:
    def __init__(self) -> None:
        self.cells = BATTERIES["10.0.0.1", 502] = Cells(most=10 * MW)

    def driver(self) -> Driver:
        return FakeBattery(Reach(address="10.0.0.1"))

    def refuse(self) -> None:
        self.cells.broken = BatteryRefused("It refuses: scripted.")

    def silence(self) -> None:
        self.cells.broken = BatteryUnreachable("It does not answer: scripted.")


class RealShelf:
    def __init__(self, battery: Battery) -> None:
        self.battery = battery
        battery.behave("honest")
        battery.hold(500)
        done(self.driver().release())

    def driver(self) -> Driver:
        return SunSpec(Reach(address=self.battery.address, port=self.battery.port, timeout=SOON))

    def refuse(self) -> None:
        self.battery.behave("refusing")

    def silence(self) -> None:
        self.battery.behave("silent")


@pytest.fixture(scope="module")
def in_watts() -> Iterator[Battery]:
    with running(speed=SPEED) as started:
        yield started


@pytest.fixture(scope="module")
def in_percent() -> Iterator[Battery]:
    with running("--in-percent", speed=SPEED) as started:
        yield started


@pytest.fixture(params=["fake", "in_watts", "in_percent"])
def shelf(request: pytest.FixtureRequest) -> Shelf:
    return FakeShelf() if request.param == "fake" else RealShelf(request.getfixturevalue(request.param))


@pytest.fixture
def real(in_watts: Battery) -> RealShelf:
    return RealShelf(in_watts)


def state(shelf: Shelf) -> BatteryState:
    return done(shelf.driver().state())


@pytest.mark.parametrize("watts", [2_500_000, -4_000_000, 0])
def test_it_gives_and_takes_what_it_is_told_and_shows_it_with_the_same_sign(shelf: Shelf, watts: int) -> None:
    done(shelf.driver().set_power(watts, seconds=HOUR))
    until(lambda: state(shelf).watts == watts, seconds=5, what="its ramp")
    found = state(shelf)
    assert found.told_watts == watts and found.reverts_in and found.reverts_in <= HOUR
    assert (found.most_given, found.most_taken, found.fault) == (10 * MW, 10 * MW, "")
    done(shelf.driver().release())
    until(lambda: state(shelf).watts == 0, seconds=5, what="rest")
    assert not state(shelf).commanded


def test_one_that_refuses_or_says_nothing_is_given_up_in_time(shelf: Shelf) -> None:
    assert done(shelf.driver().identify()).maker
    shelf.refuse()
    with pytest.raises(BatteryRefused):
        done(shelf.driver().set_power(MW, seconds=HOUR))
    shelf.silence()
    with pytest.raises(BatteryUnreachable):
        done(asyncio.wait_for(shelf.driver().state(), 5))


def test_energy_moves_with_power_and_losses(real: RealShelf) -> None:
    done(real.driver().set_power(-10 * MW, seconds=HOUR))
    until(lambda: real.battery.look()["permille"] > 520, seconds=10, what="charging")
    assert state(real).permille == pytest.approx(real.battery.look()["permille"], abs=15)
    done(real.driver().set_power(10 * MW, seconds=HOUR))
    until(lambda: real.battery.look()["permille"] < 500, seconds=10, what="discharging")


@pytest.mark.parametrize(("permille", "watts"), [(50, MW), (1000, -MW)])
def test_an_empty_one_gives_nothing_and_a_full_one_takes_nothing_whatever_it_was_told(
    real: RealShelf, permille: int, watts: int
) -> None:
    real.battery.hold(permille)
    done(real.driver().set_power(watts, seconds=HOUR))
    assert (state(real).told_watts, state(real).watts) == (watts, 0)


def test_without_its_controller_it_ends_by_itself_and_a_command_again_winds_its_timer(real: RealShelf) -> None:
    done(real.driver().set_power(MW, seconds=100))  # half a second of ours
    done(real.driver().set_power(MW, seconds=300))
    first = state(real).reverts_in
    assert first is not None and 100 < first <= 300
    until(lambda: not state(real).commanded, seconds=10, what="its timer")
    until(lambda: state(real).watts == 0, seconds=5, what="rest")


def test_one_that_takes_a_command_and_keeps_nothing_is_found_out_at_once(real: RealShelf) -> None:
    real.battery.behave("forgetful")
    with pytest.raises(BatteryRefused, match="takes the command and does not keep it"):
        done(real.driver().set_power(MW, seconds=HOUR))


@pytest.mark.parametrize(("behaviour", "shown"), [("stubborn", 0), ("lying", MW)])
def test_one_that_does_not_do_what_it_keeps_shows_it_or_lies(real: RealShelf, behaviour: str, shown: int) -> None:
    real.battery.behave(behaviour)
    done(real.driver().set_power(MW, seconds=HOUR))
    assert (state(real).told_watts, state(real).watts, real.battery.look()["watts"]) == (MW, shown, 0)


def test_more_than_it_can_is_refused_before_it_is_told(real: RealShelf) -> None:
    said = len(real.battery.look()["said"])
    with pytest.raises(BatteryRefused, match="gives at most 10,000,000 W and takes at most 10,000,000 W"):
        done(real.driver().set_power(10 * MW + 1, seconds=HOUR))
    assert len(real.battery.look()["said"]) == said


@pytest.mark.parametrize("behaviour", ["dead", "half", "garbage", "others", "slow", "busy"])
def test_what_cannot_be_used_is_told_in_a_sentence_and_never_believed(real: RealShelf, behaviour: str) -> None:
    real.battery.behave(behaviour)
    for verb in (real.driver().state(), real.driver().set_power(MW, seconds=HOUR), real.driver().identify()):
        with pytest.raises(BatteryBusy if behaviour == "busy" else BatteryUnreachable) as told:
            done(verb)
        assert str(told.value).isprintable() and len(str(told.value)) < 250


# Questions and answers as the MODBUS Application Protocol Specification V1.1b3 prints them (6.3 and 6.12).
READ, READ_ANSWER = "03006b0003", "0306022b00000064"
WRITE, WRITE_ANSWER = "10000100020400 0a0102", "1000010002"


@pytest.mark.parametrize(("asked", "answered"), [(READ, READ_ANSWER), (WRITE, WRITE_ANSWER)])
def test_modbus_is_spoken_as_its_specification_prints_it(asked: str, answered: str) -> None:
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body, said = bytes.fromhex(asked), bytes.fromhex(answered)
        heard.append(await reader.readexactly(7 + len(body)))
        writer.write(b"\0\1\0\0" + (len(said) + 1).to_bytes(2, "big") + b"\7" + said)
        writer.close()

    async def talk() -> list[int] | None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        reach = Reach(address="127.0.0.1", port=server.sockets[0].getsockname()[1], unit=7)
        async with server, connected(reach) as wire:
            if asked == READ:
                return await wire.read(0x6B, 3)
            await wire.write(1, [0x000A, 0x0102])
            return None

    assert done(talk()) == ([0x022B, 0, 0x0064] if asked == READ else None)
    body = bytes.fromhex(asked)
    assert heard == [b"\0\1\0\0" + (len(body) + 1).to_bytes(2, "big") + b"\7" + body]
