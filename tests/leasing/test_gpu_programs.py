"""The program that scrubs and measures GPUs, on a driver that is pretended; on an H200 it was tried by hand."""

import ctypes
import struct
from typing import Any

import pytest

from leasing.provisioners.podman.programs import gpus
from leasing.provisioners.podman.programs.gpus import Driver, Failed, main, measure, numbers, scrub

MIB = gpus.MIB
RESERVED = MIB  # of the driver's own


class Pretended(Driver):
    """GPUs of 7 MiB each, full of what a tenant left behind. `stuck` memory takes no writing."""

    def __init__(self, count: int = 2, *, in_use: int = 0, stuck: bool = False) -> None:
        self.left = dict.fromkeys(range(count), b"secret" * ((7 * MIB - RESERVED) // 6))
        self.blocks: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self.now, self.in_use, self.stuck, self.wiped = 0, in_use, stuck, dict.fromkeys(range(count), 0)

    @property
    def count(self) -> int:
        return len(self.left)

    def __call__(self, name: str, *arguments: Any) -> None:
        if (call := getattr(self, f"_{name.removesuffix('_v2')}", None)) is not None:
            call(*arguments)

    def memory(self) -> tuple[int, int]:
        return 7 * MIB - RESERVED - self.in_use, 7 * MIB

    def take(self, size: int) -> ctypes.c_uint64:
        if sum(map(len, self.blocks.values())) + size > len(self.left[self.now]):
            raise Failed("out of memory")
        block = ctypes.create_string_buffer(self.left[self.now][:size], size)
        self.blocks[ctypes.addressof(block)] = block
        return ctypes.c_uint64(ctypes.addressof(block))

    def _DeviceGet(self, _: Any, index: int) -> None:
        self.now, self.blocks = index, {}

    def _MemsetD8(self, block: ctypes.c_uint64, value: int, size: ctypes.c_size_t) -> None:
        if not self.stuck:
            ctypes.memset(block.value, value, size.value)
            self.wiped[self.now] += size.value

    def _MemAllocHost(self, found: Any, size: ctypes.c_size_t) -> None:
        self.host = ctypes.create_string_buffer(size.value)
        found._obj.value = ctypes.addressof(self.host)

    def _MemcpyDtoH(self, host: ctypes.c_void_p, block: ctypes.c_uint64, size: ctypes.c_size_t) -> None:
        assert host.value
        ctypes.memmove(host.value, block.value, size.value)

    def _EventElapsedTime(self, took: Any, *_: Any) -> None:
        took._obj.value = 20.0 * (self.now + 1)  # the second GPU is slower


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in {"LARGEST": 4 * MIB, "DRIVERS_OWN": 2 * MIB, "PART": MIB, "COPY": MIB}.items():
        monkeypatch.setattr(gpus, name, size)


def test_all_memory_of_every_gpu_is_overwritten_and_read_back() -> None:
    driver = Pretended()
    assert scrub(driver) == "12 MiB of 14 MiB on 2 GPUs overwritten and read back"
    assert driver.wiped == {0: 6 * MIB, 1: 6 * MIB}


def test_a_gpu_that_somebody_uses_is_not_touched() -> None:
    driver = Pretended(in_use=2 * MIB)
    with pytest.raises(Failed, match="GPU 0: 3 MiB of it are in use"):
        scrub(driver)
    assert driver.wiped == {0: 0, 1: 0}


def test_memory_that_cannot_be_taken_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(driver: Driver, size: int) -> ctypes.c_uint64:
        raise Failed("cuMemAlloc_v2 answers 999")

    monkeypatch.setattr(Pretended, "take", refuse)
    with pytest.raises(Failed, match="GPU 0: only 0 MiB of 7 MiB could be taken"):
        scrub(Pretended())


def test_memory_that_keeps_what_was_in_it_is_no_proof() -> None:
    with pytest.raises(Failed, match="GPU 0: what was written is not what is read back"):
        scrub(Pretended(stuck=True))


def test_the_slowest_gpu_counts_and_what_has_no_library_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "cublas", lambda: None)
    assert measure(Pretended()) == {"gpu_memory_bandwidth": pytest.approx(2 * MIB * gpus.COPIES / 0.04 / 1e9)}


def test_factors_are_neither_zero_nor_too_large_to_be_summed() -> None:
    found = struct.unpack("<32768e", numbers(64 * 1024))
    assert all(1 / 8 <= abs(number) < 1 for number in found) and len(set(found)) > 100


@pytest.mark.parametrize("name", ["scrub-gpus", "measure-gpus"])
def test_a_host_without_a_driver_is_told_so(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        assert main(name) == 1
        assert capsys.readouterr().out.startswith("this host has no NVIDIA driver")
