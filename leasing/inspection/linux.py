"""A Linux host's parts, from what its own tools print. The commands are here beside what reads their output."""

import json
from collections.abc import Mapping
from typing import Any

from leasing.inspection.inventory import NIC, Disk
from leasing.inspection.nvidia import Unreadable

LSBLK = "lsblk -J -b -d -o NAME,SERIAL,MODEL,SIZE,TYPE,ROTA,RO,TRAN"
LSCPU = "LC_ALL=C lscpu -J"
MEMINFO = "cat /proc/meminfo"
NICS = (  # of hardware: bridges, tunnels and veth pairs have no device
    'for at in /sys/class/net/*; do if [ -e "$at/device" ]; then '
    'echo "${at##*/} $(cat "$at/address") $(cat "$at/speed" 2>/dev/null || echo -1)"; fi; done'
)

_VIRTUAL = ("vd", "xvd")
_NOT_DISKS = ("zram", "ram", "loop", "nbd", "fd", "sr", "dm-", "md")


def disks(lsblk: str) -> tuple[Disk, ...]:
    """
    Whole disks, by name; `size_gb` counts 10⁹ bytes, as makers do.

    :raises Unreadable: if it is not what LSBLK prints
    """
    rows = _json(lsblk, "blockdevices")
    whole = [row for row in rows if row.get("type") == "disk" and not str(row["name"]).startswith(_NOT_DISKS)]
    return tuple(sorted((_disk(row) for row in whole if int(row["size"] or 0)), key=lambda disk: disk.name))


def _disk(row: Mapping[str, Any]) -> Disk:
    return Disk(
        name=str(row["name"]),
        serial=str(row.get("serial") or "").strip(),
        model=str(row.get("model") or "").strip(),
        size_gb=round(int(row["size"]) / 1e9),
        kind=_kind(str(row["name"]), str(row.get("tran") or ""), rotates=_true(row.get("rota"))),
        read_only=_true(row.get("ro")),
    )


def _kind(name: str, transport: str, *, rotates: bool) -> str:
    if name.startswith("nvme") or transport == "nvme":
        return "nvme"
    if name.startswith(_VIRTUAL) or transport == "virtio":
        return "virtual"
    return "hdd" if rotates else "ssd"


def _true(value: object) -> bool:
    """Before util-linux 2.33, lsblk wrote "0" and "1"."""
    return value in (True, 1, "1")


def cpu(lscpu: str) -> tuple[str, int]:
    """
    The processors' name, and how many threads they run together.

    :raises Unreadable: if it is not what LSCPU prints
    """
    told = dict(_fields(_json(lscpu, "lscpu")))
    sockets, name = told.get("Socket(s)", "1"), told.get("Model name", "unknown")
    try:
        return (f"{sockets} x {name}" if sockets.isdigit() and int(sockets) > 1 else name), int(told["CPU(s)"])
    except (KeyError, ValueError) as error:
        raise Unreadable("lscpu does not tell how many CPUs there are.") from error


def _fields(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Flat: since util-linux 2.37, rows have children."""
    flat = []
    for row in rows:
        flat.append((str(row["field"]).rstrip(":"), str(row.get("data") or "")))
        flat += _fields(row.get("children", []))
    return flat


def memory_gb(meminfo: str) -> int:
    """
    Memory that the kernel has, in GiB: a little below what the modules add up to.

    :raises Unreadable: if it is not /proc/meminfo
    """
    for line in meminfo.splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal" and value.split()[:1] and value.split()[0].isdigit():
            return round(int(value.split()[0]) / 1024**2)
    raise Unreadable("/proc/meminfo does not tell MemTotal.")


def nics(listing: str) -> tuple[NIC, ...]:
    """Interfaces of hardware in what NICS printed, by name; `speed` there is in Mbit/s, -1 without a link."""
    words = [line.split() for line in listing.splitlines()]
    return tuple(NIC(name, mac, _gbps(speed)) for name, mac, speed in sorted(row for row in words if len(row) == 3))


def _gbps(speed: str) -> float | None:
    return int(speed) / 1000 if speed.isdigit() and int(speed) else None


def _json(text: str, key: str) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = json.loads(text)[key]
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(f"There is no list “{key}” in: {' '.join(text.split())[:120] or 'nothing'}") from error
    return rows
