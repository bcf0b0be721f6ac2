"""What the GPUs of simulated nodes read at a moment: made up, but the same again for the same node, GPU and moment."""

import json
import math
import random
from typing import Any

from standins.nodes import hardware
from standins.nodes.faults import Fault

IDLE = 0.1  # the part of its full power that a GPU draws when nothing runs
COOL, HOTTER = 30, 45  # °C without load, and how much is added at full load
Row = list[Any]  # in the order of the control side's GPUReading


class Meter:
    """The GPUs of one node. Energy counters alone are kept; like a driver's, they begin at 0 when the host starts."""

    def __init__(self, node: str, facts: hardware.Facts) -> None:
        self.node = node
        self.facts = facts
        self.full_mw = hardware.model_figures(facts)[0] * 1000
        self.gpus = [_GPU(node, index, facts) for index in range(hardware.gpu_count(facts))]
        self.read_at: float | None = None

    def line(self, *, now: float, boot_id: str, tenancy: str, fault: Fault) -> bytes:
        """One compact line of JSON, [node, boot id, tenancy, [GPU, …]]; `now` in seconds since 1970."""
        seconds = 0.0 if self.read_at is None else max(0.0, now - self.read_at)
        self.read_at = now
        xids = fault.hear_xids() if fault.xids else {}
        rows = []
        for gpu in self.gpus:
            if gpu.index in fault.lost:
                rows.append([gpu.index, gpu.uuid, None, None, None, None, None, xids.get(gpu.index, 0), None, True])
            else:
                load = gpu.load(now) if tenancy == "running" else 0
                rows.append(self._row(gpu, load, seconds, xids.get(gpu.index, 0)))
        return json.dumps([self.node, boot_id, tenancy, rows], separators=(",", ":")).encode() + b"\n"

    def _row(self, gpu: "_GPU", load: int, seconds: float, xid: int) -> Row:
        """A GPU that is `load` per cent busy, `seconds` after it was last read."""
        power = int(self.full_mw * (IDLE + (1 - IDLE) * load / 100))
        gpu.energy_mj += int(power * seconds)
        memory = gpu.memory_mib if load else 0
        return [gpu.index, gpu.uuid, load, memory, COOL + HOTTER * load // 100, power, gpu.energy_mj, xid, 0, False]


class _GPU:
    """One GPU: two waves of its own make its load go up and down within minutes and hours."""

    def __init__(self, node: str, index: int, facts: hardware.Facts) -> None:
        own = random.Random(f"{node} {index}")
        self.index = index
        self.uuid = hardware.gpu_uuid(node, index)
        self.memory_mib = int(hardware.gpu_memory_mib(facts) * own.uniform(0.3, 0.95))
        self.energy_mj = 0
        self.waves = [(own.uniform(120, 600), own.uniform(0, 7), 15), (own.uniform(3600, 14400), own.uniform(0, 7), 30)]

    def load(self, now: float) -> int:
        """Utilization in per cent, from 10 to 100."""
        return int(55 + sum(height * math.sin(now / period + phase) for period, phase, height in self.waves))
