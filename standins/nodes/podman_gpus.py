"""Simulated GPUs of a test host: nvidia-smi, the kernel's messages about them, and the CDI specification that gives
them to containers. They can be broken while the host runs: what is broken are files that nvidia-smi looks for."""

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

SCRIPT = Path(__file__).with_name("podman_smi.sh")
STATE = "/usr/local/lib/gridlease/simulated"  # the same on the host and in its containers
FIRST_PLACE = 59  # on the bus


@dataclass
class SimulatedGPUs:
    """The GPUs of the host whose root folder is `root`, as its node type's facts promise them."""

    root: Path
    name: str
    facts: Mapping[str, str | int]

    @property
    def uuids(self) -> list[str]:
        """The same each time a host of this name is built."""
        count = int(self.facts.get("gpu_count") or 0)
        return [f"GPU-{uuid.uuid5(uuid.NAMESPACE_DNS, f'{self.name}.{index}')}" for index in range(count)]

    @property
    def state(self) -> Path:
        """Where it stands what is broken."""
        return self.root / STATE.lstrip("/")

    def install(self, *, cdi: bool) -> None:
        """Puts the programs on the host, and the specification if it is to have one. A host without GPUs gets none."""
        self.state.mkdir(parents=True)
        (self.state / "kernel_log").touch()
        self._program("dmesg", f"#!/bin/sh\ncat {STATE}/kernel_log\n")
        if not self.uuids:
            return
        settings = {
            "model": str(self.facts["gpu_model"]),
            "memory": str(int(self.facts["gpu_memory_gb"]) * 1024 - 329),
            "uuids": " ".join(self.uuids),
            "state": STATE,
        }
        lines = "".join(f"{name}={quote(value)}\n" for name, value in settings.items())
        self._program("nvidia-smi", f"#!/bin/sh\n{lines}{SCRIPT.read_text()}")
        folder = self.root / "etc/cdi"
        folder.mkdir(parents=True)
        if cdi:
            (folder / "nvidia.json").write_text(json.dumps(_cdi()))

    def _program(self, name: str, text: str) -> None:
        folder = self.root / "usr/local/sbin"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)

    def lose(self, index: int) -> None:
        """The GPU falls off the bus: no program finds it any more."""
        with (self.state / "lost").open("a") as lost:
            lost.write(f"{index}\n")

    def report_xid(self, index: int, code: int) -> None:
        """The kernel's messages get an error of the driver about the GPU."""
        place = f"0000:{FIRST_PLACE + index:02x}:00"
        with (self.state / "kernel_log").open("a") as log:
            log.write(f"[{time.monotonic():12.6f}] NVRM: Xid (PCI:{place}): {code}, pid='<unknown>', name=<unknown>\n")

    def hang(self) -> None:
        """nvidia-smi does not answer any more."""
        (self.state / "hung").touch()

    def refuse_reset(self) -> None:
        """The driver says that somebody still uses the GPUs."""
        (self.state / "no_reset").touch()

    def mend(self) -> None:
        """All answer again."""
        for name in ("lost", "hung", "no_reset"):
            (self.state / name).unlink(missing_ok=True)


def _cdi() -> dict[str, object]:
    """A CDI specification as the NVIDIA toolkit writes it."""
    mounts = [
        {"hostPath": "/usr/local/sbin/nvidia-smi", "containerPath": "/usr/bin/nvidia-smi", "options": ["ro", "bind"]},
        {"hostPath": STATE, "containerPath": STATE, "options": ["ro", "bind"]},
    ]
    device = {"name": "all", "containerEdits": {"mounts": mounts}}
    return {"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": [device]}
