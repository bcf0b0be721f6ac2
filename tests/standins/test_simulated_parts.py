"""The made-up parts of a simulated node: its GPUs' figures, what nvidia-smi says of them, and its canaries."""

import json
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from standins.nodes import gpu, hardware, wiping
from standins.nodes.faults import Fault, Faults
from standins.nodes.state import Refused
from standins.nodes.telemetry import Meter

FACTS = {
    "gpu_model": "H100 SXM",
    "gpu_count": 2,
    "gpu_memory_gb": 80,
    "vcpus": 224,
    "memory_gb": 2048,
    "nvme_gb": 30_720,
}
NOON = 1_790_000_000.0
FULL_MW = 700_000


def rows(meter: Meter, now: float, *, tenancy: str = "running", fault: Fault | None = None) -> list[dict[str, Any]]:
    """What the meter says at `now`, by name."""
    line = meter.line(now=now, boot_id="boot", tenancy=tenancy, fault=fault or Fault())
    names = ("index", "uuid", "load", "memory", "temperature", "power", "energy", "xid", "ecc", "lost")
    return [dict(zip(names, row, strict=True)) for row in json.loads(line)[3]]


def test_the_same_node_reads_the_same_at_the_same_moment() -> None:
    assert rows(Meter("nd_a", FACTS), NOON) == rows(Meter("nd_a", FACTS), NOON)
    assert rows(Meter("nd_a", FACTS), NOON) != rows(Meter("nd_b", FACTS), NOON)
    moments = [rows(Meter("nd_a", FACTS), NOON + 60 * minute)[0]["load"] for minute in range(120)]
    assert len(set(moments)) > 10


def test_power_and_temperature_follow_the_load_up_to_the_models_limit() -> None:
    meter = Meter("nd_a", FACTS)
    for minute in range(300):
        for row in rows(meter, NOON + 60 * minute):
            assert 0 < row["load"] <= 100
            assert FULL_MW / 10 < row["power"] <= FULL_MW
            assert row["power"] == int(FULL_MW * (0.1 + 0.9 * row["load"] / 100))
            assert 30 < row["temperature"] <= 75
            assert 0 < row["memory"] < 81_920


def test_an_idle_gpu_draws_a_tenth() -> None:
    (row, _) = rows(Meter("nd_a", FACTS), NOON, tenancy="absent")
    assert (row["load"], row["memory"], row["power"]) == (0, 0, FULL_MW / 10)


def test_energy_is_power_times_time_and_never_goes_back() -> None:
    meter = Meter("nd_a", FACTS)
    before = rows(meter, NOON)
    after = rows(meter, NOON + 15)
    for old, new in zip(before, after, strict=True):
        assert new["energy"] - old["energy"] == 15 * new["power"]
    assert rows(meter, NOON)[0]["energy"] == after[0]["energy"]


def test_a_lost_gpu_is_listed_and_says_nothing() -> None:
    first, second = rows(Meter("nd_a", FACTS), NOON, fault=Fault(lost=[1]))
    assert (first["lost"], second["lost"], second["power"], second["energy"]) == (False, True, None, None)


def test_an_error_is_told_once() -> None:
    meter, fault = Meter("nd_a", FACTS), Fault(xids=[(0, 31), (0, 79)])
    assert [row["xid"] for row in rows(meter, NOON, fault=fault)] == [79, 0]
    assert [row["xid"] for row in rows(meter, NOON, fault=fault)] == [0, 0]


def test_the_parts_of_a_node_add_up_to_what_its_type_promises(tmp_path: Path) -> None:
    found = hardware.inventory("nd_a", FACTS, Faults(tmp_path))
    assert sum(disk["size_gb"] for disk in found["disks"]) == 30_720
    serials = [part["serial"] for part in [*found["disks"], *found["gpus"]]]
    assert len(set(serials)) == len(serials)
    assert found == hardware.inventory("nd_a", FACTS, Faults(tmp_path))


def test_a_simulated_burn_in_is_a_little_above_the_target_or_the_makers_figure() -> None:
    assert hardware.measures({**FACTS, "matmul": 600})["matmul"] == 606
    assert hardware.measures(FACTS)["gpu_memory_bandwidth"] == 3383.5
    assert "matmul" not in hardware.measures({"gpu_count": 0})


def test_what_nobody_knows_how_to_break_is_refused(tmp_path: Path) -> None:
    for request in ({"node": "nd_a", "what": "coffee"}, {"node": "../etc", "what": "mend"}):
        with pytest.raises(Refused):
            Faults(tmp_path).change(request)
    assert list(tmp_path.iterdir()) == []


def smi(folder: Path, *arguments: str, lost: tuple[int, ...] = ()) -> subprocess.CompletedProcess[str]:
    gpu.install(folder, "nd_a", FACTS, lost)
    return subprocess.run([str(folder / "nvidia-smi"), *arguments], capture_output=True, text=True)


def test_nvidia_smi_answers_a_health_loop(tmp_path: Path) -> None:
    fields = "index,uuid,utilization.gpu,memory.used,temperature.gpu,power.draw,ecc.errors.uncorrected.volatile.total"
    said = smi(tmp_path, f"--query-gpu={fields}", "--format=csv,noheader,nounits").stdout
    assert said.splitlines()[1] == "1, GPU-simulated-nd_a-1, 0, 0, 31, 70.00, 0"


def test_nvidia_smi_answers_in_xml(tmp_path: Path) -> None:
    document = ElementTree.fromstring(smi(tmp_path, "-q", "-x").stdout)
    found = hardware.inventory("nd_a", FACTS, Faults(tmp_path / "faults"))
    assert document.findtext("attached_gpus") == "2"
    named = [(part.findtext("uuid"), part.findtext("serial"), part.get("id")) for part in document.iter("gpu")]
    assert named == [(part["uuid"], part["serial"], part["pci"]) for part in found["gpus"]]


def test_nvidia_smi_fails_for_a_gpu_that_is_lost_and_lists_the_others(tmp_path: Path) -> None:
    said = smi(tmp_path, "-L", lost=(0,))
    assert said.returncode == 15
    assert "GPU is lost" in said.stderr
    assert [line[:5] for line in said.stdout.splitlines()] == ["GPU 1"]


def test_a_canary_that_can_still_be_read_fails_the_wipe(tmp_path: Path) -> None:
    for place in wiping.PLACES:
        wiping.write_canary(tmp_path, place, "secret")
    survivors = wiping.Canaries(tmp_path, "secret")
    assert [passed for _, passed, _ in survivors.verdicts()] == [False] * 3
    deleted = wiping.Canaries(tmp_path, "secret")
    for place in wiping.PLACES:
        (tmp_path / f"canary-{place}").unlink()
    assert [passed for _, passed, _ in deleted.verdicts()] == [False] * 3, "deleting alone leaves the blocks"


def test_a_canary_that_was_overwritten_passes(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    wiping.write_canary(folder, "middle", "secret")
    held = wiping.Canaries(folder, "secret")
    wiping.destroy(folder)
    assert [passed for _, passed, _ in held.verdicts()] == [True] * 3
