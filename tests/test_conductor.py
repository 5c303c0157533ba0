"""The conductor's own process: how many there are, and what happens when it cannot do its work."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from seedproof_mcp import disk
from seedproof_mcp.cli import main
from seedproof_mcp.conductor_start import ensure_conductor
from seedproof_mcp.paths import ProjectPaths

from tests.conftest import PATIENCE_S, SEEDS, tools, wait_until

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def conductors(project: Path) -> list[int]:
    """The processes that conduct a project, or are about to."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"seedproof_mcp.conductor" in words and os.fsencode(project) in words:
            found.append(int(entry.name))
    return found


@pytest.fixture
def paths(project: Path) -> ProjectPaths:
    """A project whose state folder exists."""
    found = ProjectPaths(project)
    disk.make_folder(found.state)
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
    wait_until(lambda: disk.is_locked(paths.conductor_lock))
    (pid,) = conductors(paths.root)
    ensure_conductor(paths)
    assert conductors(paths.root) == [pid]
    os.kill(pid, signal.SIGTERM)


@linux_only
def test_a_conductor_that_dies_at_its_start_is_not_started_again_at_once(paths: ProjectPaths) -> None:
    paths.conductor_lock.mkdir()
    ensure_conductor(paths)
    wait_until(lambda: b"Is a directory" in paths.conductor_log.read_bytes() and not conductors(paths.root))
    for _ in range(20):
        ensure_conductor(paths)
    assert len(conductors(paths.root)) <= 1
    paths.conductor_lock.rmdir()
    wait_until(lambda: ensure_conductor(paths) or disk.is_locked(paths.conductor_lock))


@linux_only
def test_a_conductor_that_leaves_is_followed_by_another_at_once(paths: ProjectPaths) -> None:
    ensure_conductor(paths)
    wait_until(lambda: disk.is_locked(paths.conductor_lock))
    ensure_conductor(paths)
    wait_until(lambda: not disk.is_locked(paths.conductor_lock))
    ensure_conductor(paths)
    wait_until(lambda: disk.is_locked(paths.conductor_lock))


class Alive:
    """A process that has not ended."""

    pid = 4711

    def poll(self) -> None:
        return None


def test_a_conductor_that_gave_up_its_lock_unseen_is_not_taken_for_one_that_starts(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[object] = []
    monkeypatch.setattr(disk, "spawn", lambda *_, **__: starts.append(None) or Alive())
    for _ in range(3):
        ensure_conductor(paths)
    assert len(starts) == 1
    with disk.lock(paths.conductor_lock) as lock:
        lock.sign(str(Alive.pid))
    ensure_conductor(paths)
    assert len(starts) == 2
