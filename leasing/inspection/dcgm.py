"""GPUs as dcgm-exporter tells of them, in Prometheus' text format."""

import re
from collections import defaultdict
from dataclasses import dataclass

_LINE = re.compile(r"(DCGM_\w+)\{(.*)\}\s+(\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_INT32_BLANK, _FP64_BLANK, _INT64_BLANK = 0x7FFFFFF0, float(1 << 47), float(1 << 62)  # DCGM's "no value", and reasons

SHARED = "DCGM_FI_DEV_FB_USED"  # told for each instance of a GPU that is cut into some; the others are the GPU's


@dataclass(frozen=True)
class Sample:
    """
    One GPU at one moment, field for field a `provisioners.base.GPUReading`. None: the exporter does not tell.

    DCGM keeps the newest Xid until it is restarted, so `xid` may be an old one: compare with the sample before.
    """

    index: int
    uuid: str
    utilization: int | None = None  # per cent
    memory_mib: int | None = None
    temperature_c: int | None = None
    power_mw: int | None = None
    energy_mj: int | None = None
    xid: int = 0
    ecc_uncorrected: int | None = None
    lost: bool = False


def samples(text: str) -> tuple[Sample, ...]:
    """The GPUs in the exporter's answer, by index. Lines of other metrics, and broken ones, are passed over."""
    found: dict[tuple[int, str], dict[str, float]] = defaultdict(dict)
    for metric, labels, written in _LINE.findall(text):
        of = dict(_LABEL.findall(labels))
        value = _value(written)
        if not of.get("gpu", "").isdigit() or "UUID" not in of or value is None:
            continue
        told = found[int(of["gpu"]), of["UUID"]]
        told[metric] = told.get(metric, 0.0) + value if metric == SHARED else max(value, told.get(metric, value))
    return tuple(_sample(index, uuid, told) for (index, uuid), told in sorted(found.items()))


def _value(written: str) -> float | None:
    """The number, or None for one of DCGM's ways to say that there is none."""
    try:
        value = float(written)
    except ValueError:
        return None
    blank = _INT32_BLANK <= value < _INT32_BLANK + 16 or _FP64_BLANK <= value < _FP64_BLANK + 16
    return None if blank or value >= _INT64_BLANK or value != value or value < 0 else value


def _sample(index: int, uuid: str, told: dict[str, float]) -> Sample:
    def whole(metric: str, factor: int = 1) -> int | None:
        value = told.get(f"DCGM_FI_DEV_{metric}")
        return None if value is None else round(value * factor)

    return Sample(
        index=index,
        uuid=uuid,
        utilization=whole("GPU_UTIL"),
        memory_mib=whole("FB_USED"),
        temperature_c=whole("GPU_TEMP"),
        power_mw=whole("POWER_USAGE", 1000),
        energy_mj=whole("TOTAL_ENERGY_CONSUMPTION"),
        xid=whole("XID_ERRORS") or 0,
        ecc_uncorrected=whole("ECC_DBE_VOL_TOTAL"),
    )
