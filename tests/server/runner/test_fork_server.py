"""Supervisors that a process forks which has loaded what they need."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from seedproof_mcp.runner.engines import local as local_engine
from seedproof_mcp.system import locks
from seedproof_mcp.system.paths import slot_lock

from tests.support.supervised import LocalRuns, Run, eventually, is_gone, stop_forking

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs packets between processes")

DESCRIPTORS = """
for number in os.listdir("/proc/self/fd"):
    try:
        print(os.readlink(f"/proc/self/fd/{number}"))
    except FileNotFoundError:
        pass
"""


@pytest.fixture
def forking(local: LocalRuns, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The process that forks the supervisors of the runs."""
    monkeypatch.setattr(local_engine, "_fork_server", None)
    monkeypatch.setattr(local_engine, "_supervisors", [])
    local.engine.prepare()
    (process,) = local_engine._supervisors
    yield process.pid
    stop_forking()
    for started in (process, *local_engine._supervisors):
        started.wait()


def submit(local: LocalRuns, code: str) -> Run:
    """Submit a run together with its slot, as a conductor does."""
    run = local.prepare(code)
    with local.engine.reserve("default") as slot:
        assert slot is not None
        local.engine.submit(run.paths.folder, slot)
    return run


def parent_of(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as stat:
        return int(stat.read().rpartition(")")[2].split()[1])


def test_a_run_is_supervised_by_a_fork_in_a_session_of_its_own(local: LocalRuns, forking: int) -> None:
    run = submit(local, "await_file('go')")
    supervisor = run.started["supervisor_pid"]
    assert parent_of(supervisor) == forking
    assert os.getsid(supervisor) == supervisor
    assert [os.readlink(f"/proc/{supervisor}/fd/{output}") for output in (1, 2)] == 2 * [str(run.paths.supervisor_log)]
    shown = Path(f"/proc/{supervisor}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    module = shown.index(b"seedproof_mcp.supervisor.supervise")
    assert shown[module + 1 : module + 3] == [os.fsencode(run.paths.folder), b"--lock-fd"]
    (local.work / "go").touch()
    assert local.result(run)["exit_code"] == 0
    assert len(local_engine._supervisors) == 1


def test_a_run_in_a_folder_with_a_very_long_path_is_supervised_like_others(
    local: LocalRuns, forking: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_runs_folder", local.work.joinpath(*(10 * ["x" * 200])))
    run = submit(local, "print('fine')")
    assert local.result(run)["exit_code"] == 0


def test_its_training_inherits_the_slot_and_nothing_else(local: LocalRuns, forking: int) -> None:
    run = submit(local, DESCRIPTORS)
    local.result(run)
    found = [os.path.basename(line) for line in run.log.decode().splitlines()]
    # Its stdin, both outputs, the slot, and what it opened itself: the record of what it reads.
    assert sorted(one for one in found if not one.endswith(".reads")) == sorted(
        ["null", "output.log", "output.log", "default.lock"]
    )


def test_each_run_has_a_fork_and_slot_and_life_sign_are_free_when_it_has_ended(local: LocalRuns, forking: int) -> None:
    runs = []
    for _ in range(3):
        runs.append(submit(local, "print('fine')"))
        assert local.result(runs[-1])["exit_code"] == 0
        eventually(lambda: not locks.is_locked(runs[-1].paths.alive))
        assert not locks.is_locked(slot_lock("default"))
    assert len({run.started["supervisor_pid"] for run in runs}) == 3
    eventually(lambda: all(is_gone(run.started["supervisor_pid"]) for run in runs))


def test_it_ends_with_whoever_asks_and_its_supervisors_go_on(local: LocalRuns, forking: int) -> None:
    run = submit(local, "say('up'); await_file('go')")
    local.read("up")
    stop_forking()
    eventually(lambda: is_gone(forking))
    (local.work / "go").touch()
    assert local.result(run)["exit_code"] == 0


def test_where_it_has_died_a_supervisor_is_started_instead_and_then_another_one_forks(
    local: LocalRuns, forking: int
) -> None:
    os.kill(forking, signal.SIGKILL)
    eventually(lambda: is_gone(forking))
    run = submit(local, "print('fine')")
    assert local.result(run)["exit_code"] == 0
    local.engine.prepare()
    run = submit(local, "await_file('go')")
    (local.work / "go").touch()
    assert local.result(run)["exit_code"] == 0
    assert local_engine._fork_server is not None


def test_a_request_that_dies_with_it_leaves_a_run_that_never_began_and_can_be_submitted_again(
    local: LocalRuns, forking: int
) -> None:
    os.kill(forking, signal.SIGSTOP)
    run = submit(local, "print('fine')")
    assert local.poll(run) == "queued"
    assert locks.is_locked(slot_lock("default"))
    os.kill(forking, signal.SIGKILL)
    eventually(lambda: local.poll(run) == "lost")
    assert not run.paths.log.exists()
    assert not locks.is_locked(slot_lock("default"))
    local.engine.submit(run.paths.folder)
    assert local.result(run)["exit_code"] == 0
