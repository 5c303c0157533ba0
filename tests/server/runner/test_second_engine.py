"""Runs on an engine that is not this machine: settings choose it, and everything told of a run comes from there."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from seedproof.admission.request import RunRequest
from seedproof.model.refusals import BadSettings
from seedproof_mcp.host import environment, place
from seedproof_mcp.host.place import Machine, ThisMachine
from seedproof_mcp.host.settings import ENGINES, Settings, load_config
from seedproof_mcp.runner.conductor import Conductor
from seedproof_mcp.runner.engines import Engine, Engines, MissingEngine, RunState, Slot, engine_for
from seedproof_mcp.runner.engines.local import LocalEngine
from seedproof_mcp.service.service import Service
from seedproof_mcp.service.stop_resume import StopResume
from seedproof_mcp.supervisor import processes
from seedproof_mcp.surface.cli import main
from seedproof_mcp.system import locks
from seedproof_mcp.system.paths import ProjectPaths, RunPaths

from tests.support.callers import Caller, tools
from tests.support.in_process import InProcessEngine, Training, in_process_service, train
from tests.support.places import ROOT
from tests.support.seeds import SEEDS
from tests.support.studies import records
from tests.support.waiting import PATIENCE_S

FIRST = "g1-baseline-s42-a1"
SETTINGS = '[settings]\nengine = "elsewhere"\n'
MACHINE = Machine("node-7", "Cluster-1.0", 128, 96.5)
ENVIRONMENT = {
    "implementation": "cpython",
    "version": "3.12.1",
    "packages": {"torch": "2.5"},
    "torch": "2.5",
    "cuda": "12.4",
    "gpus": ["NVIDIA H100"],
    "driver": "550.54",
    "cpu": "EPYC",
}


class Node:
    """A machine that nobody can look at from here."""

    def machine(self) -> Machine:
        return MACHINE

    def environment(self, python: str, env: Mapping[str, str], cwd: Path) -> dict[str, Any]:
        return dict(ENVIRONMENT)

    def import_path(self, python: str, env: Mapping[str, str], cwd: Path) -> tuple[str, ...]:
        return ()


class Elsewhere(InProcessEngine):
    """Its log reaches the run's folder when the run ends, its clock is its own, and its slots have its own queue."""

    def __init__(self) -> None:
        super().__init__(train, Node())
        self.logs: dict[str, bytes] = {}
        self.swept: list[str] = []
        self.lost: set[str] = set()
        self.taken_by: str | None = None

    def reserve(self, slot: str) -> AbstractContextManager[Slot | None]:
        return nullcontext(None if self.taken_by else Slot(slot))

    def slot_holder(self, slot: str, conductor: str | None) -> str | None:
        return self.taken_by

    def submit(self, run_dir: Path, slot: Slot | None = None) -> str:
        assert slot is not None
        held, self.held = self.held, True
        super().submit(run_dir, slot)
        log = RunPaths(run_dir).log
        self.logs[str(run_dir)] = log.read_bytes()
        log.unlink()
        self.held = held
        if not held:
            self.release()
        return str(run_dir)

    def _publish(self, run: RunPaths, end: str, exit_code: int | None, wall_time_s: float) -> None:
        run.log.write_bytes(self.logs[str(run.folder)])
        super()._publish(run, end, exit_code, wall_time_s)

    def poll(self, handle: str) -> RunState:
        return "lost" if handle in self.lost else super().poll(handle)

    def read_log(self, handle: str, offset: int, limit: int) -> bytes:
        return self.logs[handle][offset:][:limit]

    def elapsed_s(self, handle: str) -> float | None:
        return 1234.5

    def sweep(self, handle: str) -> None:
        self.swept.append(handle)


_shared: list[Elsewhere] = []


def registered() -> Engine:
    """What the registry names: an engine that several objects of one test share, as they would a cluster."""
    return _shared[-1]


@pytest.fixture
def elsewhere(quick_project: Path, monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """The engine of the project by its settings; whoever asks this machine instead fails."""
    engine = Elsewhere()
    _shared[:] = [engine]
    monkeypatch.setitem(ENGINES, "elsewhere", f"{__name__}:registered")
    (quick_project / "seedproof.toml").write_text(SETTINGS)

    def behind_its_back(*_: object) -> None:
        raise AssertionError("this machine was asked")

    for owner, name in (
        *((ThisMachine, one) for one in ("machine", "environment", "import_path")),
        *((environment, one) for one in ("environment", "import_path", "_answer", "_driver_gpus", "_cpu")),
        (place, "load_average"),
        (processes, "sweep"),
        (LocalEngine, "__init__"),
    ):
        monkeypatch.setattr(owner, name, behind_its_back)
    return engine


def quick_tools_of_settings(folder: Path) -> AbstractAsyncContextManager[Caller]:
    """The tools of a project whose engine its settings choose."""
    return tools(folder, service=in_process_service(folder, None))


# --- a whole study elsewhere ----------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_study_on_another_engine_records_its_host_device_load_and_log_and_nothing_of_this_machine(
    quick_project: Path, elsewhere: Elsewhere
) -> None:
    async with quick_tools_of_settings(quick_project) as call:
        await call("run_seed", queue_all=True)
        await call.measure("better", "--shift", "-0.5")
        said = await call("compare", experiment="better")
    assert said.data["verdict"] == "WINNER", said.text
    started, finished = records(quick_project, "run_started"), records(quick_project, "run_finished")
    assert len(started) == len(finished) == len(SEEDS) + 3
    for one in started:
        told = one["fingerprint"]
        assert Machine(told["host"], told["platform"], told["cpu_count"], told["load"]) == MACHINE
        assert told["environment_sha256"] == environment.environment_sha256(ENVIRONMENT)
    assert started[0]["environment"] == ENVIRONMENT
    assert {one["load"] for one in finished} == {MACHINE.load}
    assert finished[0]["log_bytes"] == len(elsewhere.logs[str(ProjectPaths(quick_project).run(FIRST).folder)])


@pytest.mark.anyio
async def test_progress_time_and_the_wait_for_a_slot_are_those_of_the_engine(
    quick_project: Path, elsewhere: Elsewhere
) -> None:
    async with quick_tools_of_settings(quick_project) as call:
        elsewhere.taken_by = "job 4711 of another user"
        waiting = await call("run_seed", wait_s=0)
        elsewhere.taken_by, elsewhere.held = None, True
        running = await call("run_seed", seed=42, wait_s=0)
    assert waiting.data["state"] == "queued"
    assert waiting.data["reason"] == "job 4711 of another user holds the slot default; it starts when that one ends"
    assert (running.data["state"], running.data["elapsed_s"], running.data["step"]) == ("running", 1234.5, 100)
    assert not ProjectPaths(quick_project).run(FIRST).log.exists(), "its log is not on this machine yet"
    assert not locks.is_locked(ProjectPaths(quick_project).run(FIRST).alive)


@pytest.mark.anyio
async def test_the_tail_of_a_failed_run_is_read_through_its_engine(quick_project: Path, elsewhere: Elsewhere) -> None:
    elsewhere.trains = lambda argv: Training("out of memory on node-7\n", 1)
    async with quick_tools_of_settings(quick_project) as call:
        failed = await call("run_seed")
    assert failed.data["state"] == "failed"
    assert "out of memory on node-7" in failed.data["untrusted_output"]


@pytest.mark.anyio
async def test_what_a_lost_run_left_is_ended_by_its_engine(quick_project: Path, elsewhere: Elsewhere) -> None:
    folder = ProjectPaths(quick_project).run(FIRST)
    elsewhere.held = True
    async with quick_tools_of_settings(quick_project) as call:
        await call("run_seed", wait_s=0)
        folder.log.write_bytes(b"as far as it came\n")
        elsewhere.lost.add(str(folder.folder))
        await call("run_seed", seed=42, attempt=1)
    assert elsewhere.swept == [str(folder.folder)]
    assert [one["run_id"] for one in records(quick_project, "run_interrupted")] == [FIRST]


# --- the choice -------------------------------------------------------------------------------


def test_a_run_stays_with_its_engine_when_the_setting_changes(quick_project: Path, elsewhere: Elsewhere) -> None:
    elsewhere.held = True
    service = in_process_service(quick_project, None)
    service.request_run(RunRequest())
    (quick_project / "seedproof.toml").unlink()
    running = in_process_service(quick_project, None).observe(FIRST)
    stopped = service.stop_run(FIRST, "enough")
    assert (running.state, running.elapsed_s, stopped.state) == ("running", 1234.5, "cancelled")


def test_a_run_of_an_engine_that_is_gone_is_shown_and_can_be_stopped(quick_project: Path, elsewhere: Elsewhere) -> None:
    elsewhere.held = True
    in_process_service(quick_project, None).request_run(RunRequest())
    (quick_project / "seedproof.toml").unlink()
    del ENGINES["elsewhere"]
    service = Service(quick_project, start_conductor=lambda _paths: None)
    assert service.observe(FIRST).state == "running"
    with pytest.raises(BadSettings, match="by the engine 'elsewhere', which this Seedproof lacks; it has local"):
        Conductor(service.paths).step()
    StopResume(service.paths, service._ledger, service._engines).stop(FIRST, "its engine is gone")
    folder = service.paths.run(FIRST)
    assert json.loads(folder.cancel.read_bytes()) == {"reason": "its engine is gone"}


@pytest.mark.parametrize("spec", ["[" * 200_000, '{"engine": null}', '{"engine": ["local"]}', "3", ""])
def test_whatever_a_training_writes_into_its_spec_the_run_is_one_of_this_machine(tmp_path: Path, spec: str) -> None:
    run = RunPaths(tmp_path)
    run.spec.write_text(spec)
    assert isinstance(Engines().of(run), LocalEngine)


def test_a_run_of_an_earlier_seedproof_is_one_of_this_machine(tmp_path: Path) -> None:
    run, engines = RunPaths(tmp_path), Engines()
    assert isinstance(engines.of(run), LocalEngine)
    run.spec.write_text('{"run_id": "x"}')
    assert engines.of(run) is engines.chosen(Settings())


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_of_the_registry_can_be_chosen(tmp_path: Path, name: str) -> None:
    path = tmp_path / "seedproof.toml"
    path.write_text(f'[settings]\nengine = "{name}"\n')
    assert not isinstance(engine_for(load_config(path).settings.engine), MissingEngine)


@pytest.mark.parametrize("value", ['"cloud"', "3"])
def test_an_engine_that_is_not_in_the_registry_is_refused_with_those_that_are(tmp_path: Path, value: str) -> None:
    path = tmp_path / "seedproof.toml"
    path.write_text(f"[settings]\nengine = {value}\n")
    with pytest.raises(BadSettings, match=r'line 2: settings\.engine: allowed is "local"'):
        load_config(path)


# --- the example in the documents -----------------------------------------------------------------


def example() -> str:
    text = (ROOT / "docs/development.md").read_text()
    return text.split("## A new engine\n")[1].split("```python\n")[1].split("```\n")[0]


@pytest.mark.anyio
async def test_the_example_in_the_documents_takes_a_real_run_to_its_end(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site"
    (information := installed / "queue_engine-1.dist-info").mkdir(parents=True)
    (installed / "queue_engine.py").write_text(example())
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: queue-engine\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[seedproof.engines]\nqueue = queue_engine:QueueEngine\n")
    monkeypatch.syspath_prepend(installed)
    queue = tmp_path / "queue"
    queue.mkdir()
    told = {"machine": {"host": "node-7", "platform": "Linux", "cpu_count": 128, "load": 0.5}}
    (queue / "node.json").write_text(json.dumps({**told, "environment": ENVIRONMENT, "import_path": []}))
    (project / "seedproof.toml").write_text('[settings]\nengine = "queue"\n')
    async with quick_tools_of_settings(project) as call:
        refused = await call("run_seed", wait_s=0)
        assert "engine_options needs queue" in refused.text
        (project / "seedproof.toml").write_text(
            f'[settings]\nengine = "queue"\nengine_options = {{ queue = {json.dumps(str(queue))} }}\n'
        )
        assert main(["doctor", "--project", str(project)]) == 0
        placed = await call("run_seed", wait_s=0)
        (job,) = queue.glob("*.run")
        supervise = [sys.executable, "-P", "-m", "seedproof_mcp.supervisor.supervise", job.read_text()]
        subprocess.run(supervise, check=True, timeout=PATIENCE_S)  # what the other machine does
        ended = await call("run_seed", seed=42, attempt=1)
    assert (placed.data["state"], ended.data["run_id"]) == ("queued", FIRST)
    (finished,) = records(project, "run_finished")
    assert finished["state"] == "succeeded"
    assert records(project, "run_started")[0]["fingerprint"]["host"] == "node-7"
    assert json.loads(ProjectPaths(project).run(FIRST).started.read_bytes())["host"] == os.uname().nodename
    assert finished["load"] == json.loads(ProjectPaths(project).run(FIRST).result.read_bytes())["load"]
