"""Signals, shutdown and `seedproof stop --all`: who leaves, what goes on, and what is said of it."""

import os
import signal
import sys
from pathlib import Path

import pytest
from seedproof_mcp.service.service import Service
from seedproof_mcp.surface.cli import main
from seedproof_mcp.system import locks
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import Caller, tools
from tests.support.real_runs import FIRST, a_pair, conductors, records, started
from tests.support.servers import INITIALIZE, INITIALIZED, ask, call_of, hang_up, raw_server, tell
from tests.support.supervised import is_gone
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")]

ASKED_TO_LEAVE = [signal.SIGTERM, signal.SIGHUP]


# --- one of them ------------------------------------------------------------------------------------


def test_a_server_that_is_told_to_leave_leaves_at_once_and_the_training_goes_on(project: Path, gate: Path) -> None:
    for number in (*ASKED_TO_LEAVE, signal.SIGINT):
        with raw_server(project) as process:
            ask(process, INITIALIZE)
            tell(process, INITIALIZED)
            tell(process, call_of(2, "run_seed", wait_s=600))
            training = started(project)["pid"]
            process.send_signal(number)
            assert process.wait(PATIENCE_S) == -number  # with stdin still open
            said, errors = hang_up(process)
        assert (said, b"Traceback" in errors) == (b"", False)
        assert not is_gone(training)
    gate.touch()
    service = Service(project)
    wait_until(lambda: service.observe(FIRST).state == "succeeded")
    assert len(records(project, "run_started")) == 1


@pytest.mark.slow
async def test_a_conductor_that_is_told_to_leave_is_followed_by_one_that_adopts_the_training(
    project: Path, gate: Path
) -> None:
    async with tools(project) as call:
        await call("run_seed", queue_all=True, wait_s=0)
        started(project)
        for number in ASKED_TO_LEAVE:
            wait_until(lambda: conductors(project) and locks.is_locked(ProjectPaths(project).conductor_lock))
            (pid,) = conductors(project)
            os.kill(pid, number)
            wait_until(lambda pid=pid: is_gone(pid))
            await call("run_seed", seed=42, wait_s=0)
        gate.touch()
        answers = [await call("run_seed", seed=seed, wait_s=PATIENCE_S) for seed in (42, 137)]
    assert [(answer.data["state"], answer.data["attempt"]) for answer in answers] == [("succeeded", 1)] * 2


async def test_a_supervisor_that_is_told_to_leave_ends_the_training_which_may_be_repeated(
    project: Path, gate: Path
) -> None:
    following = {"seed": 42}
    async with tools(project) as call:
        for attempt, number in enumerate(ASKED_TO_LEAVE, 1):
            asked = await call("run_seed", **following, wait_s=0)
            run = started(project, asked.data["run_id"])
            os.kill(run["supervisor_pid"], number)
            ended = await call("run_seed", seed=42, attempt=attempt, wait_s=PATIENCE_S)
            assert ended.data["state"] == "interrupted"
            assert f"the supervisor received {number.name}" in ended.data["reason"]
            assert is_gone(run["pid"])
            following = ended.data["next"]["arguments"]
        gate.touch()
        again = await call("run_seed", **following, wait_s=PATIENCE_S)
    assert (again.data["seed"], again.data["attempt"], again.data["state"]) == (42, 3, "succeeded")


# --- all of them ------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_machine_that_shuts_down_interrupts_the_run_also_where_the_training_hears_of_it_first(
    project: Path, gate: Path
) -> None:
    async with tools(project) as call:
        await call("run_seed", wait_s=0)
        run = started(project)
        wait_until(lambda: b"9.5" in ProjectPaths(project).run(FIRST).log.read_bytes())
        everyone = [run["pid"], run["supervisor_pid"], *conductors(project)]
        os.kill(run["supervisor_pid"], signal.SIGSTOP)  # so that it hears of both at once
        os.kill(run["pid"], signal.SIGTERM)
        wait_until(lambda: is_gone(run["pid"]))
        for pid in everyone[1:]:
            os.kill(pid, signal.SIGTERM)
        os.kill(run["supervisor_pid"], signal.SIGCONT)
        wait_until(lambda: all(is_gone(pid) for pid in everyone))
        ended = await call("run_seed", seed=42, wait_s=PATIENCE_S)
    assert (ended.data["state"], ended.data["metrics"]["val_loss"]) == ("interrupted", 9.5)
    assert ended.data["next"]["arguments"] == {"seed": 42, "attempt": 2}


@pytest.mark.slow
async def test_a_training_that_somebody_else_ends_with_a_signal_has_failed(project: Path, gate: Path) -> None:
    async with tools(project) as call:
        await call("run_seed", wait_s=0)
        os.kill(started(project)["pid"], signal.SIGTERM)
        ended = await call("run_seed", seed=42, wait_s=PATIENCE_S)
    assert ended.data["state"] == "failed"
    assert "SIGTERM" in ended.data["reason"]


async def test_stop_all_ends_what_this_project_runs_and_has_queued_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stop = ["stop", "--all", "--reason", "the night is over", "--project"]
    async with a_pair(tmp_path, "gpu0", "gpu1") as ((here, call_here), (there, call_there)):
        await call_here("run_seed", queue_all=True, wait_s=0)
        await call_there("run_seed", wait_s=0)
        ours, theirs = started(here), started(there)
        assert main([*stop, str(here)]) == 0
        said = capsys.readouterr().out.splitlines()
        assert is_gone(ours["pid"])
        assert not is_gone(theirs["pid"])
        await _nothing_runs(call_here)
        assert main([*stop, str(here)]) == 0
        assert capsys.readouterr().out == "Nothing was queued or running.\n"
        (there / "gate").touch()
        ended = await call_there("run_seed", seed=42, wait_s=PATIENCE_S)
    assert len(said) == 6
    assert all("cancelled" in line for line in said[:5])
    assert all(f"seed {seed}" in line for seed, line in zip((1024, 512, 256, 137, 42), said, strict=False)), said
    assert said[-1] == "5 of 5 runs were ended."
    cancelled = records(here, "run_cancelled")
    assert {record["reason"] for record in cancelled} == {"the night is over"}
    assert len(cancelled) == 5
    assert len(records(here, "run_started")) == 1
    assert ended.data["state"] == "succeeded"


async def _nothing_runs(call: Caller) -> None:
    listed = await call("list_experiments")
    assert (listed.data["running"], listed.data["queued"]) == (None, 0)


@pytest.mark.slow
async def test_stop_all_says_what_it_ended_before_what_it_could_not(
    project: Path, gate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with tools(project) as call:
        await call("run_seed", queue_all=True, wait_s=0)
        started(project)
        (conductor,) = conductors(project)
        os.kill(conductor, signal.SIGSTOP)  # it would note at once that the supervisor has found the request
        ProjectPaths(project).run(FIRST).cancel.mkdir()  # in the place of the file that asks for the end
        code = main(["stop", "--all", "--reason", "enough", "--project", str(project)])
        os.kill(conductor, signal.SIGCONT)
        said = capsys.readouterr()
    assert code == 3
    assert len(said.out.splitlines()) == 4
    assert said.err.startswith("not_writable: ")


def test_stop_all_without_a_reason_is_refused_and_leaves_no_trace(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stop", "--all", "--reason", " ", "--project", str(project)]) == 3
    assert "reason says in 1 to 2000 characters why the runs are stopped" in capsys.readouterr().err
    assert not (project / ".seedproof").exists()
