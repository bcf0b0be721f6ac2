"""What leasing relies on from a node's power switch: FakePower, and Redfish against the stand-in's process."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from leasing.power.base import Ours, Overtaken, Power, PowerError, PowerRefused, PowerUnreachable
from leasing.power.fake import BOARDS, Board, FakePower, silent
from leasing.power.redfish import Redfish
from tests.redfish import BMC, PASSWORD, USER, running
from tests.waiting import until

SOON = 1.0  # seconds


class Rack(Protocol):
    """A host that is on, and what can be wrong with its controller."""

    def power(self, password: str = PASSWORD, ours: Ours = lambda: True) -> Power: ...

    def said(self) -> list[str]: ...

    def deaf_to(self, *words: str) -> None: ...

    def silence(self) -> None: ...

    def refuse(self) -> None: ...


class FakeRack:
    def __init__(self) -> None:
        self.board = BOARDS["https://fake"] = Board()

    def power(self, password: str = PASSWORD, ours: Ours = lambda: True) -> Power:
        return FakePower(address="https://fake", user=USER, password=password, ours=ours)

    def said(self) -> list[str]:
        said, self.board.said = self.board.said, []
        return said

    def deaf_to(self, *words: str) -> None:
        self.board.deaf_to = frozenset(words)

    def silence(self) -> None:
        self.board.broken = silent()

    def refuse(self) -> None:
        self.board.broken = PowerUnreachable("It has a fault of its own: scripted.")


class RedfishRack:
    def __init__(self, bmc: BMC) -> None:
        self.bmc = bmc
        bmc.wake()
        bmc.behave()
        self.power().on()
        bmc.said()

    def power(self, password: str = PASSWORD, ours: Ours = lambda: True) -> Power:
        return Redfish(address=self.bmc.address, user=USER, password=password, timeout=SOON, ours=ours)

    def said(self) -> list[str]:
        return self.bmc.said()

    def deaf_to(self, *words: str) -> None:
        self.bmc.behave(deaf_to=words)

    def silence(self) -> None:
        self.bmc.hang()

    def refuse(self) -> None:
        self.bmc.behave(status=503)


@pytest.fixture(scope="module")
def bmc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BMC]:
    with running(tmp_path_factory.mktemp("bmc")) as started:
        yield started


@pytest.fixture(params=["fake", "redfish"])
def rack(request: pytest.FixtureRequest) -> Rack:
    return FakeRack() if request.param == "fake" else RedfishRack(request.getfixturevalue("bmc"))


def test_a_host_is_switched_off_and_on_and_asking_twice_changes_nothing(rack: Rack) -> None:
    power = rack.power()
    assert power.state() == "on"
    for _ in range(2):
        power.off()
        assert power.state() == "off"
    for _ in range(2):
        power.on()
        assert power.state() == "on"
    assert rack.said() == ["ForceOff", "On"]


def test_a_restarted_host_has_lost_its_power(rack: Rack) -> None:
    rack.power().cycle()
    assert rack.said() == ["ForceOff", "On"]
    assert rack.power().state() == "on"


def test_a_host_that_is_off_is_on_after_a_restart(rack: Rack) -> None:
    rack.power().off()
    rack.power().cycle()
    assert rack.power().state() == "on"
    assert rack.said() == ["ForceOff", "On"]


def test_with_grace_the_operating_system_is_asked_first(rack: Rack) -> None:
    rack.power().off(grace=SOON)
    assert rack.said() == ["GracefulShutdown"]
    assert rack.power().state() == "off"


def test_an_operating_system_that_does_not_listen_loses_its_power(rack: Rack) -> None:
    rack.deaf_to("GracefulShutdown")
    rack.power().off(grace=0.3)
    assert rack.said() == ["GracefulShutdown", "ForceOff"]
    assert rack.power().state() == "off"


def test_a_host_that_stays_on_is_told_after_the_deadline_and_never_taken_for_off(rack: Rack) -> None:
    rack.deaf_to("ForceOff")
    with pytest.raises(PowerError, match=r"took ForceOff, but the host is not off after 0 s\."):
        rack.power().off(within=0.4)
    assert rack.power().state() == "on"
    with pytest.raises(PowerError, match="not off"):
        rack.power().cycle(within=0.4)
    assert rack.said() == ["ForceOff", "ForceOff"], "a host that did not go off is not switched on"


def test_it_starts_from_the_network_or_from_its_disk(rack: Rack) -> None:
    rack.power().boot_from("network")
    assert rack.power().boot_source() == "network"
    rack.power().boot_from("disk", once=False)
    assert rack.power().boot_source() == "disk"


@pytest.mark.parametrize("verb", [lambda p: p.off(), lambda p: p.off(grace=SOON), lambda p: p.cycle()])
def test_who_was_overtaken_switches_nothing(rack: Rack, verb: Callable[[Power], object]) -> None:
    with pytest.raises(Overtaken):
        verb(rack.power(ours=lambda: False))
    assert (rack.power().state(), rack.said()) == ("on", [])


VERBS: list[Callable[[Power], object]] = [
    lambda power: power.state(),
    lambda power: power.on(),
    lambda power: power.off(),
    lambda power: power.cycle(),
    lambda power: power.boot_from("disk"),
]


@pytest.mark.parametrize("verb", VERBS, ids=["state", "on", "off", "cycle", "boot_from"])
def test_a_wrong_password_is_refused_and_the_sentence_keeps_it_secret(
    rack: Rack, verb: Callable[[Power], object]
) -> None:
    with pytest.raises(PowerRefused) as refused:
        verb(rack.power("wrong"))
    assert "refuses" in str(refused.value) and "'wrong'" not in str(refused.value)
    assert rack.said() == []


@pytest.mark.parametrize("verb", VERBS, ids=["state", "on", "off", "cycle", "boot_from"])
def test_a_controller_that_hangs_is_given_up(rack: Rack, verb: Callable[[Power], object]) -> None:
    rack.silence()
    with pytest.raises(PowerUnreachable, match="does not answer"):
        verb(rack.power())


def test_a_controller_with_a_fault_of_its_own_may_be_asked_again(rack: Rack) -> None:
    rack.refuse()
    with pytest.raises(PowerUnreachable, match="fault of its own"):
        rack.power().off()


def test_redfish_a_dead_controller_does_not_answer(tmp_path: Path) -> None:
    with running(tmp_path) as bmc:
        power = Redfish(address=bmc.address, user=USER, password=PASSWORD, timeout=SOON)
        assert power.state() == "on"
    with pytest.raises(PowerUnreachable, match="does not answer"):
        power.state()


def test_redfish_a_controller_that_has_a_fault_while_the_host_goes_off_is_asked_again(bmc: BMC) -> None:
    rack = RedfishRack(bmc)
    refused = bmc.log().count('" 503 ')

    def break_down_and_recover() -> None:
        until((bmc.state / "said").exists, what="the reset")
        bmc.behave(status=503)
        until(lambda: bmc.log().count('" 503 ') > refused, what="a refused look")
        bmc.behave()

    fault = threading.Thread(target=break_down_and_recover)
    fault.start()
    bmc.behave(delay=0.5)  # the host is not off before the fault begins
    rack.power().off(within=20)
    fault.join()
    assert (rack.power().state(), rack.said()) == ("off", ["ForceOff"])


def test_redfish_an_answer_that_is_none_is_told_as_such(bmc: BMC) -> None:
    rack = RedfishRack(bmc)
    bmc.behave(status=404)
    with pytest.raises(PowerError, match="answers what cannot be used"):
        rack.power().off()


def test_redfish_no_session_is_opened_that_could_be_left_behind(bmc: BMC) -> None:
    RedfishRack(bmc).power().cycle()
    assert "/redfish/v1/Systems" in bmc.log() and "Session" not in bmc.log()


def test_redfish_a_controller_is_trusted_by_its_fingerprint_or_by_a_ca_and_not_otherwise(
    bmc: BMC, monkeypatch: pytest.MonkeyPatch
) -> None:
    RedfishRack(bmc)
    place, _, fingerprint = bmc.address.partition("#")
    other = f"{place}#sha256:{'0' * 64}"
    for wrong in (place, other):
        with pytest.raises(PowerRefused, match="certificate that is not trusted"):
            Redfish(address=wrong, user=USER, password=PASSWORD).state()
    with_colons = ":".join(fingerprint[7:][i : i + 2] for i in range(0, 64, 2)).upper()
    assert Redfish(address=f"{place}#sha256:{with_colons}", user=USER, password=PASSWORD).state() == "on"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bmc.state / "certificate.pem"))
    assert Redfish(address=place, user=USER, password=PASSWORD).state() == "on"
    with pytest.raises(PowerRefused, match="certificate that is not trusted"):
        Redfish(address=other, user=USER, password=PASSWORD).state()


def test_redfish_one_of_several_systems_is_named_by_its_path(bmc: BMC) -> None:
    RedfishRack(bmc)
    place, _, fingerprint = bmc.address.partition("#")
    named = f"{place}/redfish/v1/Systems/2f0c7a52-6b34-4a3e-9f0e-6d2d5f1b7a11#{fingerprint}"
    assert Redfish(address=named, user=USER, password=PASSWORD).state() == "on"
    with pytest.raises(PowerError, match="cannot be used"):
        Redfish(address=named.replace("2f0c", "0000"), user=USER, password=PASSWORD).state()


@pytest.mark.parametrize("address", ["http://10.4.1.17", "https://", "https://10.4.1.17#sha256:abc", "ftp://10.4.1.17"])
def test_redfish_an_address_that_would_send_the_password_in_clear_or_is_none_is_refused(address: str) -> None:
    with pytest.raises(PowerError, match="Write https://HOST"):
        Redfish(address=address, user=USER, password=PASSWORD)
