"""The conductor's own process: how many there are, and what happens when it cannot do its work."""

import errno
import json
import os
import signal
import sys
from pathlib import Path

import pytest
from seedproof.admission.request import RunRequest
from seedproof_mcp.runner.conductor import Conductor
from seedproof_mcp.runner.engines import Slot
from seedproof_mcp.runner.engines.local import LocalEngine
from seedproof_mcp.runner.launcher import ensure_conductor
from seedproof_mcp.service.service import Service
from seedproof_mcp.surface.cli import main
from seedproof_mcp.system import files, locks, spawn
from seedproof_mcp.system.paths import ProjectPaths, slot_lock

from tests.support.callers import tools
from tests.support.real_runs import conductors
from tests.support.seeds import SEEDS
from tests.support.waiting import PATIENCE_S, wait_until

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture
def paths(project: Path) -> ProjectPaths:
    """A project whose state folder exists."""
    found = ProjectPaths(project)
    files.make_folder(found.state)
    return found


# --- what it cannot do ----------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("place", "is_file", "says"),
    [
        (".seedproof/runs", True, "the conductor cannot go on: .seedproof/runs: File exists"),
        (".seedproof/conductor.lock", False, "the conductor cannot go on: .seedproof/conductor.lock: Is a directory"),
    ],
)
async def test_a_run_that_the_conductor_cannot_start_says_why_and_starts_once_that_is_mended(
    project: Path, capsys: pytest.CaptureFixture[str], place: str, is_file: bool, says: str
) -> None:
    blocked = project / place
    blocked.parent.mkdir()
    blocked.write_text("mine") if is_file else blocked.mkdir()
    async with tools(project) as call:
        await call("run_seed", queue_all=True, wait_s=0)
        wait_until(lambda: ProjectPaths(project).complaint.exists())
        waiting = await call("run_seed", seed=42, wait_s=0)
        behind = await call("run_seed", seed=137, wait_s=0)
        assert main(["status", "--project", str(project)]) == 0
        told = " ".join(capsys.readouterr().out.split())
        blocked.unlink() if is_file else blocked.rmdir()
        ended = await call("run_seed", seed=42, wait_s=PATIENCE_S)
    for answer in (waiting, behind):
        assert (answer.data["state"], answer.data["reason"]) == ("queued", says)
        assert f"Reason: {says}" in answer.text
    assert says.replace("the", "The", 1) in told
    assert str(project) not in says
    assert (ended.data["state"], ended.data["reason"]) == ("succeeded", None)
    assert not ProjectPaths(project).complaint.exists()


@pytest.mark.slow
@pytest.mark.anyio
async def test_settings_that_break_while_a_run_waits_are_what_it_waits_for(project: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    (project / "seedproof.toml").write_text(f"[settings.env]\nFAKE_GATE = {json.dumps(str(gate))}\n")
    paths = ProjectPaths(project)
    async with tools(project) as call:
        await call("run_seed", queue_all=True, wait_s=0)
        wait_until(lambda: paths.run("g1-baseline-s42-a1").started.exists())
        (project / "seedproof.toml").write_text("[settings]\nslot = 3\n")
        gate.touch()
        wait_until(lambda: b"bad_settings" in (paths.complaint.read_bytes() if paths.complaint.exists() else b""))
        (project / "seedproof.toml").unlink()
        for seed in SEEDS:
            ended = await call("run_seed", seed=seed, wait_s=PATIENCE_S)
            assert (ended.data["state"], ended.data["reason"]) == ("succeeded", None)


# --- how many -----------------------------------------------------------------------------------


@linux_only
def test_asking_again_while_a_conductor_starts_starts_no_other(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDPROOF_IDLE_S", "600")  # it stays until it is told to go
    for _ in range(10):
        ensure_conductor(paths)
    wait_until(lambda: locks.is_locked(paths.conductor_lock))
    (pid,) = conductors(paths.root)
    ensure_conductor(paths)
    assert conductors(paths.root) == [pid]
    os.kill(pid, signal.SIGTERM)


@pytest.mark.slow
@linux_only
def test_a_conductor_that_dies_at_its_start_is_not_started_again_at_once(paths: ProjectPaths) -> None:
    paths.conductor_lock.mkdir()
    ensure_conductor(paths)
    wait_until(lambda: b"Is a directory" in paths.conductor_log.read_bytes() and not conductors(paths.root))
    for _ in range(20):
        ensure_conductor(paths)
    assert len(conductors(paths.root)) <= 1
    paths.conductor_lock.rmdir()
    wait_until(lambda: ensure_conductor(paths) or locks.is_locked(paths.conductor_lock))


@linux_only
def test_a_conductor_that_leaves_is_followed_by_another_at_once(paths: ProjectPaths) -> None:
    ensure_conductor(paths)
    wait_until(lambda: locks.is_locked(paths.conductor_lock))
    ensure_conductor(paths)
    wait_until(lambda: not locks.is_locked(paths.conductor_lock))
    ensure_conductor(paths)
    wait_until(lambda: locks.is_locked(paths.conductor_lock))


class Alive:
    """A process that has not ended."""

    pid = 4711

    def poll(self) -> None:
        return None


def test_a_conductor_that_gave_up_its_lock_unseen_is_not_taken_for_one_that_starts(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[object] = []
    monkeypatch.setattr(spawn, "start", lambda *_, **__: starts.append(None) or Alive())
    for _ in range(3):
        ensure_conductor(paths)
    assert len(starts) == 1
    with locks.lock(paths.conductor_lock) as lock:
        lock.sign(str(Alive.pid))
    ensure_conductor(paths)
    assert len(starts) == 2


# --- a start that was cut short ----------------------------------------------------------------


class Unplaced(LocalEngine):
    """The conductor dies before it has placed the run whose start it has written down."""

    def submit(self, run_dir: Path, slot: Slot | None = None) -> str:
        raise OSError("killed here")


@pytest.fixture
def cut_short(project: Path) -> tuple[Service, str]:
    """A project of whose first run no more than the record of its start exists."""
    service = Service(project, start_conductor=lambda paths: None)
    run_id = service.request_run(RunRequest())
    with pytest.raises(OSError, match="killed here"):
        Conductor(service.paths, Unplaced()).step()
    return service, run_id


def work_off(service: Service) -> None:
    """Another conductor, until there is nothing left to do."""
    conductor = Conductor(service.paths, LocalEngine())
    wait_until(lambda: not conductor.step())


def test_a_start_that_was_cut_short_is_made_up_for(cut_short: tuple[Service, str]) -> None:
    service, run_id = cut_short
    work_off(service)
    assert service.observe(run_id).state == "succeeded"


def test_a_start_that_was_cut_short_waits_for_its_slot_and_can_be_stopped_meanwhile(
    cut_short: tuple[Service, str],
) -> None:
    service, run_id = cut_short
    slot = locks.try_lock(slot_lock("default"))
    assert slot is not None
    with slot:
        conductor = Conductor(service.paths, LocalEngine())
        for _ in range(3):
            conductor.step()
        waiting = service.observe(run_id)
        LocalEngine().cancel(str(service.paths.run(run_id).folder), "changed my mind")
        work_off(service)
    ended = service.observe(run_id)
    assert waiting.state == "queued"
    assert (ended.state, ended.reason) == ("cancelled", "changed my mind")
    assert not service.paths.run(run_id).started.exists()


@pytest.mark.parametrize("change", ["code", "surroundings"])
def test_a_start_that_was_cut_short_is_not_made_up_for_with_anything_else(
    cut_short: tuple[Service, str], project: Path, change: str
) -> None:
    service, run_id = cut_short
    if change == "code":
        script = project / "train_llm.py"
        script.write_text(script.read_text() + "# edited\n")
    else:
        (project / "seedproof.toml").write_text('[settings.env]\nOMP_NUM_THREADS = "7"\n')
    work_off(service)
    ended = service.observe(run_id)
    assert ended.state == "interrupted"
    assert ("train_llm.py changed" if change == "code" else "its surroundings changed") in str(ended.reason)
    assert not service.paths.run(run_id).started.exists()


def test_a_process_of_an_earlier_run_that_keeps_the_slot_is_told_of(project: Path) -> None:
    service = Service(project, start_conductor=lambda paths: None)
    run_id = service.request_run(RunRequest())
    path = slot_lock("default")
    files.make_folder(path.parent)
    slot = locks.try_lock(path)
    assert slot is not None
    with slot:
        slot.sign("7")
        service.paths.conductor_lock.write_text("7")
        starting = service.observe(run_id)
        os.utime(path, (0, 0))
        kept = service.observe(run_id)
    assert starting.reason is None
    assert kept.reason == "a process that an earlier run left holds the slot default; it starts when that one ends"


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (None, "the conductor cannot be started (/gone/python: No such file or directory): the environment that Seed"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "no process can be started (Resource temp"),
    ],
    ids=["no interpreter", "no more processes"],
)
async def test_where_no_conductor_can_be_started_it_is_said_and_the_request_is_kept(
    project: Path, monkeypatch: pytest.MonkeyPatch, problem: OSError | None, said: str
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        assert problem is not None
        raise problem

    async with tools(project) as call:
        with monkeypatch.context() as broken:
            if problem is None:
                broken.setattr(sys, "executable", "/gone/python")
            else:
                broken.setattr(spawn, "start", fail)
            refused = await call("run_seed")
            assert (refused.code, said in refused.text) == ("not_writable", True), refused.text
        answer = await call("run_seed", wait_s=PATIENCE_S)
    assert (answer.data["run_id"], answer.data["state"]) == ("g1-baseline-s42-a1", "succeeded")
