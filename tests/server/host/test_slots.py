"""The slots of a machine: one for each GPU that a driver's program lists, and refused where devices differ."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from seedproof.admission.request import RunRequest
from seedproof.model.refusals import BadSettings
from seedproof.model.run_key import Role, RunKey, Side
from seedproof.model.runs import Run, RunState
from seedproof_mcp.host.place import Machine
from seedproof_mcp.host.placement import free_slots
from seedproof_mcp.host.settings import Settings
from seedproof_mcp.host.slots import NamedSlot, visible_slots
from seedproof_mcp.runner.conductor import Conductor
from seedproof_mcp.runner.engines.local import LocalEngine
from seedproof_mcp.service.service import Service

from tests.support.in_process import InProcessEngine, train
from tests.support.real_runs import records
from tests.support.repositories import make_repository, write

# As nvidia-smi 580 and rocm-smi of ROCm 6.3 print them.
NVIDIA = """\
0, GPU-5a1e0a9c-93a4-4e3f-8d5d-1f4b2a6c7d01, NVIDIA H100 80GB HBM3
1, GPU-7b2f1bad-04b5-4f40-9e6e-2f5c3b7d8e12, NVIDIA H100 80GB HBM3
2, GPU-8c302cbe-15c6-4051-8f7f-306d4c8e9f23, NVIDIA H100 80GB HBM3
"""
AMD = '{"card0": {"Card Series": "AMD Instinct MI300X"}, "card1": {"Card Series": "AMD Instinct MI300X"}}'
MODULE = "seedproof_mcp.host.slots"
UUID = "GPU-7b2f1bad-04b5-4f40-9e6e-2f5c3b7d8e12"


def gpu(*indices: int) -> tuple[NamedSlot, ...]:
    order = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return tuple(NamedSlot(f"gpu{one}", {**order, "CUDA_VISIBLE_DEVICES": str(one)}) for one in indices)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that alone is on the path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    return folder


def stand_in(folder: Path, name: str, says: str, code: int = 0) -> None:
    """A program of a driver that prints this, whatever it is asked."""
    (folder / name).write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{says}\nEND\nexit {code}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({}, gpu(0, 1, 2)),
        ({"CUDA_VISIBLE_DEVICES": "2,0"}, gpu(2, 0)),
        ({"CUDA_VISIBLE_DEVICES": UUID}, gpu(1)),
        ({"CUDA_VISIBLE_DEVICES": f"{UUID[:8]},0"}, gpu(1, 0)),
        ({"CUDA_VISIBLE_DEVICES": "1,-1,2"}, gpu(1)),
        ({"CUDA_VISIBLE_DEVICES": ""}, (NamedSlot("default"),)),
    ],
)
def test_auto_makes_one_slot_for_each_gpu_that_a_training_would_see(
    programs: Path, env: dict[str, str], found: tuple[NamedSlot, ...]
) -> None:
    stand_in(programs, "nvidia-smi", NVIDIA)
    assert visible_slots(env) == found
    assert LocalEngine().slots(Settings(slots="auto", env=env)) == found


def test_auto_makes_one_slot_for_each_gpu_of_amd(programs: Path) -> None:
    stand_in(programs, "rocm-smi", AMD)
    assert visible_slots({}) == tuple(NamedSlot(f"gpu{one}", {"HIP_VISIBLE_DEVICES": str(one)}) for one in (0, 1))
    assert visible_slots({"ROCR_VISIBLE_DEVICES": "1"}) == (NamedSlot("gpu1", {"ROCR_VISIBLE_DEVICES": "1"}),)


@pytest.mark.parametrize(("says", "code"), [("", 0), ("NVIDIA-SMI has failed", 9), ("No devices were found", 6)])
def test_auto_makes_one_slot_where_no_gpu_is_listed(programs: Path, says: str, code: int) -> None:
    assert visible_slots({}) == (NamedSlot("default"),)
    stand_in(programs, "nvidia-smi", says, code)
    stand_in(programs, "rocm-smi", says, code)
    assert visible_slots({"PATH": os.environ["PATH"]}) == (NamedSlot("default"),)


def test_a_list_that_comes_too_late_is_refused_and_asked_for_again(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{MODULE}._ASK_S", 0.2)
    monkeypatch.setattr(f"{MODULE}._SILENT_S", 60.0)
    project = tmp_path / "project"
    write(project, {"train_llm.py": "", "seedproof.toml": '[settings]\nslots = "auto"\n'})
    asked = tmp_path / "asked"
    (programs / "nvidia-smi").write_text(f"#!/bin/sh\necho >> '{asked}'\nexec /bin/sleep 60\n")
    (programs / "nvidia-smi").chmod(0o755)
    for _ in range(2):  # one call asks several times, and waits once
        with pytest.raises(BadSettings) as refused:
            Service(project, start_conductor=lambda _: None).request_run(RunRequest())
    assert refused.value.message == (
        'settings.slots = "auto": nvidia-smi gave no answer in 0.2 s, so it is not known which GPUs there are; turn on '
        "persistence mode (nvidia-smi -pm 1), or name the slots yourself."
    )
    assert asked.read_text().count("\n") == 1
    assert not (project / ".seedproof").exists()
    monkeypatch.setattr(f"{MODULE}._SILENT_S", 0.0)
    stand_in(programs, "nvidia-smi", NVIDIA)
    assert visible_slots({}) == gpu(0, 1, 2)


def test_a_list_that_fails_is_refused_and_asked_for_again(programs: Path) -> None:
    stand_in(programs, "nvidia-smi", "Failed to initialize NVML: Unknown Error", 255)
    with pytest.raises(BadSettings, match=r"nvidia-smi failed with exit code 255, so .*; mend that, or name the slots"):
        visible_slots({})
    stand_in(programs, "nvidia-smi", NVIDIA)
    stand_in(programs, "rocm-smi", AMD)  # is not asked where there are others
    assert visible_slots({}) == gpu(0, 1, 2)


@pytest.mark.parametrize("named", ["7", "GPU-", "MIG-1"])
def test_auto_refuses_a_device_that_the_driver_does_not_list(programs: Path, named: str) -> None:
    stand_in(programs, "nvidia-smi", NVIDIA)
    why = f"CUDA_VISIBLE_DEVICES is '{named}', and the driver lists no single GPU '{named}'; name the slots yourself"
    with pytest.raises(BadSettings, match=why):
        visible_slots({"CUDA_VISIBLE_DEVICES": named})


# --- equal devices --------------------------------------------------------------------------------


class Node:
    """A machine with these GPUs."""

    def __init__(self, *gpus: str) -> None:
        self._gpus = gpus

    def machine(self) -> Machine:
        return Machine("node", "Linux", 8, 0.1)

    def environment(self, python: str, env: Mapping[str, str], cwd: Path) -> dict[str, Any]:
        found = {"packages": {}, "torch": None, "cuda": None, "gpus": list(self._gpus), "driver": "550", "cpu": "EPYC"}
        return {"implementation": "cpython", "version": "3.12.1", **found}

    def import_path(self, python: str, env: Mapping[str, str], cwd: Path) -> tuple[str, ...]:
        return ()


def slots_on(folder: Path, *gpus: str, order: str = "", other: bool = False) -> tuple[Service, InProcessEngine, Path]:
    """A project with one slot for each GPU of a machine.

    Args:
        order: Whether the slots say which GPU a number means.
        other: Whether a variable that is none of the devices' has another value on each slot.
    """
    engine = InProcessEngine(train, Node(*gpus))
    env = ', CUDA_DEVICE_ORDER = "PCI_BUS_ID"' if order else ""
    more = [f', RATE = "0.{n}"' if other else "" for n in range(len(gpus))]
    slots = (f'{{name = "gpu{n}", env = {{CUDA_VISIBLE_DEVICES = "{n}"{env}{more[n]}}}}}' for n in range(len(gpus)))
    project = make_repository(folder / "project", {"train_llm.py": ""})
    (project / "seedproof.toml").write_text(f"[settings]\nslots = [{', '.join(slots)}]\n")
    return Service(project, engine, lambda _: None), engine, project


def work_off(service: Service, engine: InProcessEngine) -> None:
    """Let runs train side by side until nothing is left to do."""
    engine.held = True
    conductor = Conductor(service.paths, engine)
    while conductor.step():
        engine.release()


@pytest.mark.parametrize(("order", "told"), [("", ("0 of A100, H100", "1 of A100, H100")), ("pci", ("A100", "H100"))])
def test_slots_with_other_devices_are_refused_with_both_names_before_anything_is_recorded(
    tmp_path: Path, order: str, told: tuple[str, str]
) -> None:
    service, _, project = slots_on(tmp_path, "A100", "H100", order=order)
    with pytest.raises(BadSettings) as refused:
        service.request_run(RunRequest())
    first, second = (f"the slot gpu{number} has GPU {one}, driver 550" for number, one in enumerate(told))
    assert refused.value.message.startswith(f"settings.slots: {first}, and {second}; ")
    assert not (project / ".seedproof").exists()


def test_a_conductor_starts_nothing_on_slots_whose_devices_have_become_unlike(tmp_path: Path) -> None:
    service, engine, project = slots_on(tmp_path, "H100", "H100")
    service.request_run(RunRequest())
    engine.where = Node("H100", "A100")
    with pytest.raises(BadSettings, match="the slot gpu0 has"):
        Conductor(service.paths, engine).step()
    assert not records(project, "run_started")


def test_equal_devices_are_compared_as_one_with_another_number_each(tmp_path: Path) -> None:
    service, engine, project = slots_on(tmp_path, "H100", "H100")
    service.request_run(RunRequest(queue_all=True))
    work_off(service, engine)
    numbers = [one["fingerprint"]["slot_env"]["CUDA_VISIBLE_DEVICES"] for one in records(project, "run_started")]
    assert numbers == ["0", "0", "1", "0", "1", "0"]  # the last one is the probe
    assert service.check_baseline().phase == "ready"
    assert [notice.code for notice in service.check_baseline().notices] == ["several_at_once"]


def test_a_baseline_with_more_seeds_takes_over_the_runs_of_other_slots(tmp_path: Path) -> None:
    service, engine, project = slots_on(tmp_path, "H100", "H100")
    service.request_run(RunRequest(queue_all=True))
    work_off(service, engine)
    settings = project / "seedproof.toml"
    settings.write_text(f"[rules]\nbaseline_seeds = [42, 137, 256, 512, 1024, 7]\n{settings.read_text()}")
    service.request_run(RunRequest(new_baseline="one more seed"))
    assert len(records(project, "generation_started")[1]["adopted"]) == 5


def test_a_variable_of_a_slot_that_chooses_no_device_is_told_where_slots_differ(tmp_path: Path) -> None:
    service, engine, _ = slots_on(tmp_path, "H100", "H100", other=True)
    service.request_run(RunRequest(queue_all=True))
    work_off(service, engine)
    told = [notice.message for notice in service.check_baseline().notices if notice.code == "variables_differ"]
    assert told == [
        "[settings.env] set RATE to another value for 2 of 5 runs of baseline than for the first run; values are "
        "recorded as hashes only."
    ]


def run_on(slot: str, **slot_env: str) -> Run:
    key = RunKey(1, Role.MEASURE, Side.BASELINE, None, 42, 1)
    surroundings = {"slot": slot, **({"slot_env": slot_env} if slot_env else {})}
    return Run(key.run_id, key, RunState.RUNNING, surroundings=surroundings)


@pytest.mark.parametrize(
    ("held", "share_devices", "free"),
    [
        (run_on("gpu0", CUDA_VISIBLE_DEVICES="0"), True, ["gpu1"]),
        (run_on("old", CUDA_VISIBLE_DEVICES="1"), True, ["gpu0"]),
        (run_on("gpu1", CUDA_VISIBLE_DEVICES="0"), True, []),
        (run_on("gpu7", CUDA_VISIBLE_DEVICES="7"), True, ["gpu0", "gpu1"]),
        (run_on("default"), True, []),  # it sees all of them
        (run_on("default"), False, ["gpu0", "gpu1"]),  # the jobs of a cluster
    ],
)
def test_a_slot_is_free_where_no_run_has_its_name_or_device(held: Run, share_devices: bool, free: list[str]) -> None:
    slots = [NamedSlot(f"gpu{one}", {"CUDA_VISIBLE_DEVICES": str(one)}) for one in range(2)]
    assert [slot.name for slot in free_slots(slots, [held], share_devices)] == free
    twice = [NamedSlot(name, {"CUDA_VISIBLE_DEVICES": "0"}) for name in ("left", "right")]  # two runs on one GPU
    assert [slot.name for slot in free_slots(twice, [run_on("left", CUDA_VISIBLE_DEVICES="0")], True)] == ["right"]
