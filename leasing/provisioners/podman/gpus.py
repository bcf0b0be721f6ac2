"""GPUs in a host's report (see node/watch.sh). A GPU that fell off the bus is told from one that was never there."""

import re
from collections.abc import Mapping
from contextlib import suppress

from leasing.provisioners.base import FactValue, GPUReading

# The driver names a GPU that fell off by its place on the bus, and some drivers then list no other either.
GONE = re.compile(r"Unable to determine the device handle|GPU is lost|fallen off the bus", re.IGNORECASE)
PLACE = re.compile(r"\b(?:[0-9A-F]{4,8}:)?([0-9A-F]{2}:[0-9A-F]{2}(?:\.[0-7])?)\b", re.IGNORECASE)
FIELDS = 8


class Memory:
    """Which GPUs the host has, as its record says or as it has shown itself, and where on the bus they are."""

    def __init__(self, facts: Mapping[str, FactValue]) -> None:
        uuids = [uuid for uuid in str(facts.get("gpu_uuids") or "").split(",") if uuid]
        self.index = {uuid: index for index, uuid in enumerate(uuids)}
        self.places: dict[str, str] = {}

    def readings(self, report: list[list[str]]) -> tuple[GPUReading, ...]:
        """One for each GPU that there is or should be, by index."""
        lines = [fields[1] for fields in report if fields[0] == "gpu"]
        rows = {row[1]: row for line in lines if len(row := [field.strip() for field in line.split(",")]) == FIELDS}
        for uuid, row in rows.items():
            self.index[uuid] = int(row[0])
            self.places[uuid] = _place(row[2])
        named = {_place(line) for line in lines if GONE.search(line)}
        energy = {int(fields[1]): int(fields[2]) for fields in report if fields[0] == "energy"}
        xids = {_place(fields[1]): int(fields[2]) for fields in report if fields[0] == "xid"}
        lost = {uuid for uuid in self.index if self._is_lost(uuid, rows, named)}
        found = [
            _reading(uuid, index, rows.get(uuid, []), uuid in lost, energy.get(index), xids.get(self._at(uuid), 0))
            for uuid, index in self.index.items()
        ]
        return tuple(sorted(found, key=lambda gpu: gpu.index))

    def _is_lost(self, uuid: str, rows: Mapping[str, list[str]], named: set[str]) -> bool:
        """Listed, but its fields say that it is lost; or not listed, and no other one is named as the reason."""
        if uuid in rows:
            return any(GONE.search(field) for field in rows[uuid])
        return self._at(uuid) in named or named.isdisjoint(self.places.values())

    def _at(self, uuid: str) -> str:
        return self.places.get(uuid, "unknown")


def _reading(uuid: str, index: int, row: list[str], lost: bool, energy: int | None, xid: int) -> GPUReading:  # noqa: FBT001
    """Of a row in the order of GPU_FIELDS; an empty row tells nothing."""
    utilization, memory, temperature, watts, ecc = [_number(field) for field in row[3:]] or [None] * 5
    return GPUReading(
        index=index,
        uuid=uuid,
        utilization=_whole(utilization),
        memory_mib=_whole(memory),
        temperature_c=_whole(temperature),
        power_mw=None if watts is None else round(watts * 1000),
        energy_mj=energy,
        xid=xid,
        ecc_uncorrected=_whole(ecc),
        lost=lost,
    )


def _number(field: str) -> float | None:
    """What the driver does not tell stands in brackets."""
    with suppress(ValueError):
        return float(field)
    return None


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)


def _place(text: str) -> str:
    """Bus and device of the first address in the text: messages differ in how they write the rest."""
    found = PLACE.search(text)
    return found[1].upper().split(".")[0] if found else "none"
