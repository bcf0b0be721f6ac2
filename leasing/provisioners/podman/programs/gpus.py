#!/usr/bin/env python3
"""
What a host with NVIDIA GPUs may have in /usr/local/lib/gridlease, under either name (docs/operations.md):

`scrub-gpus` overwrites the memory of every GPU, reads it back and prints one line; status 0 only if all of it is zero.
`measure-gpus` prints what the slowest GPU reaches: `gpu_memory_bandwidth` in GB/s and, where cuBLAS is installed,
`matmul` in FP16 TFLOP/s.

It needs Python 3 and the driver's own library, and imports nothing of the product: it runs on the host.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MIB = 1 << 20
LARGEST, SMALLEST = 1024 * MIB, 2 * MIB  # of a block; what the driver hands out is cut into 2 MiB
DRIVERS_OWN = 1024 * MIB  # at most, of the memory in use on an idle GPU: with more, somebody is there
OUT_OF_MEMORY = 2
PART = 64 * MIB  # is read back at a time
LIBC = ctypes.CDLL(None)
COPY, COPIES = 4096 * MIB, 20
SIDE, PRODUCTS = 8192, 30  # of square matrices, and how often they are multiplied
HALF, COMPUTE_FLOAT, DEFAULT_ALGORITHM = 2, 68, -1  # cuBLAS's numbers for them


class Failed(Exception):
    """The driver, or a library of its maker, refused a call."""


class Driver:
    """The driver's library on one GPU after another, its calls by their names without `cu`."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise Failed(f"this host has no NVIDIA driver: {error}") from error
        self("Init", 0)

    def __call__(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, f"cu{name}")(*arguments)
        if status:
            raise Failed(f"cu{name} answers {status}{' (out of memory)' * (status == OUT_OF_MEMORY)}")

    @property
    def count(self) -> int:
        """How many GPUs there are."""
        found = ctypes.c_int()
        self("DeviceGetCount", ctypes.byref(found))
        return found.value

    @contextmanager
    def on(self, index: int) -> Iterator[None]:
        """Within it calls are about this GPU; whatever was taken of it is given back at the end."""
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self("DeviceGet", ctypes.byref(device), index)
        self("DevicePrimaryCtxRetain", ctypes.byref(context), device)
        self("CtxSetCurrent", context)
        try:
            yield
        finally:
            self("DevicePrimaryCtxReset_v2", device)

    def memory(self) -> tuple[int, int]:
        """Bytes that are free, and that there are."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self("MemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value, total.value

    def take(self, size: int) -> ctypes.c_uint64:
        """A block of so many bytes."""
        block = ctypes.c_uint64()
        self("MemAlloc_v2", ctypes.byref(block), ctypes.c_size_t(size))
        return block

    def seconds(self, work: Any, times: int) -> float:
        """What the GPU took for the work so many times, after it was done once to warm up."""
        began, ended, took = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_float()
        for event in (began, ended):
            self("EventCreate", ctypes.byref(event), 0)
        work()
        self("EventRecord", began, None)
        for _ in range(times):
            work()
        self("EventRecord", ended, None)
        self("EventSynchronize", ended)
        self("EventElapsedTime", ctypes.byref(took), began, ended)
        return took.value / 1000


def scrub(driver: Driver) -> str:
    """
    Overwrite the memory of every GPU.

    :raises Failed: if somebody uses one, not all of it can be taken, or what was read back of it is not zero
    """
    done, there = 0, 0
    for index in range(driver.count):
        with driver.on(index):
            free, total = driver.memory()
            if total - free > DRIVERS_OWN:
                raise Failed(f"GPU {index}: {(total - free) // MIB} MiB of it are in use")
            blocks = list(_all_of(driver))
            taken = sum(size for _, size in blocks)
            if total - taken > DRIVERS_OWN:
                raise Failed(f"GPU {index}: only {taken // MIB} MiB of {total // MIB} MiB could be taken")
            for block, size in blocks:
                driver("MemsetD8_v2", block, 0, ctypes.c_size_t(size))
            if not all(_is_zero(driver, block, size) for block, size in blocks):
                raise Failed(f"GPU {index}: what was written is not what is read back")
            done, there = done + taken, there + total
    return f"{done // MIB} MiB of {there // MIB} MiB on {driver.count} GPUs overwritten and read back"


def _all_of(driver: Driver) -> Iterator[tuple[ctypes.c_uint64, int]]:
    """All that can be taken of a GPU's memory, in blocks that become smaller."""
    size = LARGEST
    while size >= SMALLEST:
        try:
            yield driver.take(size), size
        except Failed:
            size //= 2


def _is_zero(driver: Driver, block: ctypes.c_uint64, size: int) -> bool:
    """By parts, through memory that the GPU writes to by itself: otherwise a large GPU takes minutes."""
    seen, zeros, part = ctypes.c_void_p(), bytes(PART), min(size, PART)
    driver("MemAllocHost_v2", ctypes.byref(seen), ctypes.c_size_t(part))
    try:
        for start in range(0, size, part):
            ctypes.memset(seen, 1, part)
            driver("MemcpyDtoH_v2", seen, ctypes.c_uint64(block.value + start), ctypes.c_size_t(part))
            if LIBC.memcmp(seen, zeros, ctypes.c_size_t(part)):
                return False
    finally:
        driver("MemFreeHost", seen)
    return True


def measure(driver: Driver) -> dict[str, float]:
    """The figures of the slowest GPU, by name; without those that this host has no library for."""
    found: dict[str, list[float]] = {}
    for index in range(driver.count):
        with driver.on(index):
            found.setdefault("gpu_memory_bandwidth", []).append(bandwidth(driver))
        with driver.on(index):
            if library := cublas():
                found.setdefault("matmul", []).append(matmul(driver, library))
    return {name: min(values) for name, values in found.items()}


def bandwidth(driver: Driver) -> float:
    """GB/s of the GPU's own memory: what a copy within it reads and writes."""
    source, target = driver.take(COPY), driver.take(COPY)
    size = ctypes.c_size_t(COPY)
    took = driver.seconds(lambda: driver("MemcpyDtoDAsync_v2", target, source, size, None), COPIES)
    return 2 * COPY * COPIES / took / 1e9


def cublas() -> Any:
    """The library for products of matrices, the newest that is installed; None without it."""
    for version in (13, 12, 11):
        try:
            return ctypes.CDLL(f"libcublas.so.{version}")
        except OSError:
            continue
    return None


def matmul(driver: Driver, library: Any) -> float:
    """TFLOP/s of products of square matrices of 16-bit numbers, summed in 32 bits."""
    handle, size = ctypes.c_void_p(), SIDE * SIDE * 2
    left, right, product = (driver.take(size) for _ in range(3))
    for matrix in (left, right):
        driver("MemcpyHtoD_v2", matrix, numbers(size), ctypes.c_size_t(size))
    one, zero, side = ctypes.byref(ctypes.c_float(1)), ctypes.byref(ctypes.c_float(0)), SIDE
    _called(library.cublasCreate_v2(ctypes.byref(handle)))

    def multiply() -> None:
        shape = (side, side, side)
        factors = (one, left, HALF, side, right, HALF, side)
        into = (zero, product, HALF, side, COMPUTE_FLOAT, DEFAULT_ALGORITHM)
        _called(library.cublasGemmEx(handle, 0, 0, *shape, *factors, *into))

    took = driver.seconds(multiply, PRODUCTS)
    return 2 * SIDE**3 * PRODUCTS / took / 1e12


def _called(status: int) -> None:
    if status:
        raise Failed(f"cuBLAS answers {status}")


def numbers(size: int) -> bytes:
    """So many bytes of 16-bit numbers between 1/8 and 1, of either sign: a GPU multiplies zeros faster than these."""
    some = bytearray(os.urandom(min(size, MIB)))
    some[1::2] = some[1::2].translate(bytes(0x80 & byte | 0x30 | 0x0B & byte for byte in range(256)))
    return bytes(some) * (size // len(some))


def main(name: str) -> int:
    """As the program of that name."""
    try:
        driver = Driver()
        if name == "scrub-gpus":
            print(scrub(driver))
        elif name == "measure-gpus":
            for figure, value in measure(driver).items():
                print(f"{figure} {value:.1f}")
        else:
            raise Failed("install this program as scrub-gpus or as measure-gpus")
    except Failed as failed:
        print(failed)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[0]).name))
