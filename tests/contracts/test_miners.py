"""What commanding relies on from a miner: FakeMiner; LuxOS, BOSminer and pyasic-rs against the stand-in's process."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Protocol, TypeVar

import pytest

from energy.miners import Driver, MinerBusy, MinerError, MinerRefused, MinerUnreachable, Reach
from energy.miners.base import words
from energy.miners.cgminer import CGMiner
from energy.miners.fake import MACHINES, FakeMiner, Machine, silent
from energy.miners.luxos import LuxOS
from energy.miners.pyasic_rs import PyasicRs
from tests.miners import Rack, running
from tests.waiting import until

T = TypeVar("T")
SOON = 0.4  # seconds


def done(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


class Shelf(Protocol):
    """A miner that is awake, and what can be wrong with it."""

    firmware: str

    def driver(self) -> Driver: ...

    def asleep(self) -> bool: ...

    def silence(self) -> None: ...

    def refuse(self) -> None: ...


class FakeShelf:
    firmware = "fake"

    def __init__(self) -> None:
        self.machine = MACHINES["10.0.0.1", 4028] = Machine()

    def driver(self) -> Driver:
        return FakeMiner(Reach(address="10.0.0.1"))

    def asleep(self) -> bool:
        return self.machine.asleep

    def silence(self) -> None:
        self.machine.always_broken = silent()

    def refuse(self) -> None:
        self.machine.broken = [MinerRefused("It refuses: scripted.")]


class RealShelf:
    def __init__(self, rack: Rack, address: str, driver: Callable[[Reach], Driver], firmware: str) -> None:
        self.rack, self.address, self._driver, self.firmware = rack, address, driver, firmware
        rack.behave("honest", address)
        done(self.driver().wake())

    def driver(self) -> Driver:
        return self._driver(Reach(address=self.address, port=self.rack.port, timeout=SOON))

    def asleep(self) -> bool:
        return bool(self.rack.look(self.address)["asleep"])

    def silence(self) -> None:
        self.rack.behave("silent", self.address)

    def refuse(self) -> None:
        self.rack.behave("refusing", self.address)


@pytest.fixture(scope="module")
def rack() -> Iterator[Rack]:
    with running("s21:2,s19:1,m50s:1", speed=1000) as started:
        yield started


@pytest.fixture(scope="module")
def lone() -> Iterator[Rack]:
    """At the makers' own port, which is all that the library knows; its address is this process' alone."""
    number = os.getpid() % 65_000
    with running("s21:1", speed=1000, host=f"127.81.{number // 250}.{number % 250 + 1}", port=4028) as started:
        yield started


@pytest.fixture(params=["fake", "luxos", "bosminer", "pyasic_rs"])
def shelf(request: pytest.FixtureRequest) -> Shelf:
    if request.param == "fake":
        return FakeShelf()
    name = "lone" if request.param == "pyasic_rs" else "rack"
    rack: Rack = request.getfixturevalue(name)
    drivers: dict[str, tuple[int, Callable[[Reach], Driver], str]] = {
        "luxos": (0, LuxOS, "LuxOS"), "bosminer": (2, CGMiner, "BOSminer+"), "pyasic_rs": (0, PyasicRs, "LuxOS"),
    }  # fmt: skip
    place, driver, firmware = drivers[request.param]
    return RealShelf(rack, rack.addresses[place], driver, firmware)


def test_it_says_what_it_is_and_what_it_can_be_told(shelf: Shelf) -> None:
    found = done(shelf.driver().identify())
    assert found.firmware == shelf.firmware and found.model and found.version
    assert done(shelf.driver().verbs()) >= {"sleep", "wake"}


def test_it_sleeps_and_wakes_and_asking_twice_changes_nothing(shelf: Shelf) -> None:
    for _ in range(2):
        done(shelf.driver().sleep())
        assert shelf.asleep()
    for _ in range(2):
        done(shelf.driver().wake())
        assert not shelf.asleep()


def test_its_power_follows_and_is_read_back(shelf: Shelf) -> None:
    until(lambda: (done(shelf.driver().state()).watts or 0) > 1000, seconds=10, what="full power")
    assert not done(shelf.driver().state()).asleep
    done(shelf.driver().sleep())
    until(lambda: (done(shelf.driver().state()).watts or 0) < 100, seconds=10, what="standby")
    state = done(shelf.driver().state())
    assert state.asleep and not state.terahashes


def test_one_that_refuses_says_so_and_goes_on(shelf: Shelf) -> None:
    shelf.refuse()
    with pytest.raises(MinerRefused):
        done(shelf.driver().sleep())
    assert not shelf.asleep()


def test_one_that_does_not_answer_is_given_up_in_time(shelf: Shelf) -> None:
    shelf.silence()
    with pytest.raises(MinerUnreachable):
        done(asyncio.wait_for(shelf.driver().state(), 5))
    with pytest.raises(MinerError):
        done(asyncio.wait_for(shelf.driver().sleep(), 5))


@pytest.mark.parametrize("behaviour", ["dead", "half", "garbage", "endless", "slow"])
@pytest.mark.parametrize(("place", "driver"), [(0, LuxOS), (2, CGMiner)])
def test_what_cannot_be_used_is_told_in_a_sentence_and_never_believed(
    rack: Rack, place: int, driver: Callable[[Reach], Driver], behaviour: str
) -> None:
    rack.behave(behaviour, rack.addresses[place])
    reach = Reach(address=rack.addresses[place], port=rack.port, timeout=SOON)
    try:
        for verb in (driver(reach).state(), driver(reach).sleep(), driver(reach).identify()):
            with pytest.raises(MinerUnreachable) as told:
                done(verb)
            assert str(told.value).isprintable() and len(str(told.value)) < 250
    finally:
        rack.behave("honest", rack.addresses[place])


def test_a_miner_of_luxos_is_changed_by_one_at_a_time(rack: Rack) -> None:
    driver = LuxOS(Reach(address=rack.addresses[1], port=rack.port))
    rack.behave("busy", rack.addresses[1])
    with pytest.raises(MinerBusy):
        done(driver.sleep())
    rack.behave("honest", rack.addresses[1])
    done(driver.sleep())
    done(driver.wake())  # the session before has been ended


def test_luxos_is_limited_to_the_profile_below_the_watts_that_were_asked_for(rack: Rack) -> None:
    driver = LuxOS(Reach(address=rack.addresses[1], port=rack.port))
    assert done(driver.limit(3000)) == 2975
    assert rack.look(rack.addresses[1])["said"][-2:] == ["atmset enabled=false", "profileset 416MHz"]
    with pytest.raises(MinerRefused, match="no profile of 500 W or less"):
        done(driver.limit(500))


def test_a_whatsminer_is_read_and_says_that_it_cannot_be_told(rack: Rack) -> None:
    driver = CGMiner(Reach(address=rack.addresses[3], port=rack.port))
    assert done(driver.verbs()) == frozenset()
    assert done(driver.state()).watts == 3306
    with pytest.raises(MinerRefused, match=r"refuses pause: “invalid cmd”\."):
        done(driver.sleep())


def test_words_of_a_stranger_are_short_and_printable() -> None:
    assert words("\x1b[2Jhello\r\n" + "x" * 500) == "�[2Jhello��" + "x" * 109
