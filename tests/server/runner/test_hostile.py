"""Trainings that do what no training should (tests/hostile): state, reason and value are right, and nothing stays."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from seedproof.model.rules import Rules
from seedproof_mcp.runner.log_reader import read_log
from seedproof_mcp.supervisor.capped_log import CappedLog
from seedproof_mcp.system import files, locks
from seedproof_mcp.system.paths import RunPaths, slot_lock

from tests.support.amounts import amount
from tests.support.callers import Answer, tools
from tests.support.places import HOSTILE
from tests.support.privileges import run_as_anybody
from tests.support.real_runs import conductors, records
from tests.support.servers import served
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and a subreaper")]

FIRST = "g1-baseline-s42-a1"
CAP_BYTES = 1_000_000
# What a process may grow by however much a training prints.
MOST_GROWTH_KB = 50 << 10


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conductors leave as soon as there is nothing to do."""
    monkeypatch.setenv("SEEDPROOF_IDLE_S", "0.1")


@pytest.fixture
def beside(project: Path) -> Iterator[Path]:
    """The project; whatever a failed test left running in it is ended."""
    yield project
    for pid in left_running(project):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def becomes_hostile(project: Path, script: str, rules: str = "", **settings: object) -> None:
    """Let the project train with one of the hostile scripts."""
    shutil.copy(HOSTILE / f"{script}.py", project / "train_llm.py")
    values = {"grace_s": 0.2, **settings}
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items() if name != "env"]
    env = [f"{name} = {json.dumps(value)}" for name, value in dict(settings.get("env", {})).items()]  # type: ignore[call-overload]
    text = "\n".join(["[rules]", rules, "[settings]", *lines, "[settings.env]", *env])
    (project / "seedproof.toml").write_text(text + "\n")


def of_run(project: Path, run_id: str = FIRST) -> RunPaths:
    return RunPaths(project / ".seedproof/runs" / run_id)


def left_running(project: Path) -> list[int]:
    """Processes that work in the project's folder, or carry the marker of one of its runs."""
    marker = b"SEEDPROOF_RUN=" + os.fsencode(project)
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            is_marked = any(one.startswith(marker) for one in (entry / "environ").read_bytes().split(b"\0"))
            if is_marked or Path(os.readlink(entry / "cwd")).is_relative_to(project):
                found.append(int(entry.name))
    return found


def assert_nothing_stays(project: Path) -> None:
    """No process of the run lives, and the next one may have the slot."""
    assert left_running(project) == []
    slot = locks.try_lock(slot_lock("default"))
    assert slot is not None
    slot.release()


def outcome(answer: Answer) -> tuple[Any, Any, Any]:
    return answer.data["state"], answer.data["reason"], answer.data["metrics"].get("val_loss")


def kilobytes(pid: int, name: str) -> int:
    """A line of a process's status, such as the most memory that it ever held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


# --- one script each ----------------------------------------------------------------------------

WELL = ("succeeded", None, 4.1)
LONG_LINE_MB = amount(sample="20", whole="20", soak="200")
MANY_LINES_MB = amount(sample="20", whole="20", soak="100")
# How many processes each script leaves; the others leave none.
LEFT = {"daemons": 2, "forks": 500, "keeps_stdout_open": 1, "late_daemon": 1}


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("daemons", WELL),
        ("ends_by_signal", ("failed", "killed by SIGSEGV", 4.1)),
        *(
            pytest.param(script, expected, marks=pytest.mark.slow)
            for script, expected in (
                ("forks", WELL),
                ("keeps_stdout_open", WELL),
                ("one_long_line", WELL),
                ("binary_garbage", WELL),
                ("carriage_returns", WELL),
                ("many_lines", WELL),
                ("closes_stdout", WELL),
                ("late_daemon", WELL),
                ("out_of_memory", ("failed", "exit code 1", None)),
            )
        ),
    ],
)
async def test_a_hostile_training_ends_as_what_it_was_and_leaves_nothing(
    beside: Path, script: str, expected: tuple[str, str | None, float | None]
) -> None:
    becomes_hostile(beside, script, env={"LOG_MB": LONG_LINE_MB if script == "one_long_line" else MANY_LINES_MB})
    async with tools(beside) as call:
        ended = await call("run_seed", wait_s=PATIENCE_S)
    assert outcome(ended) == expected, ended.text
    assert_nothing_stays(beside)
    (record,) = records(beside, "run_finished")
    assert json.loads(of_run(beside).result.read_bytes())["killed_leftovers"] == LEFT.get(script, 0)
    assert of_run(beside).supervisor_log.read_bytes() == b""
    if script == "out_of_memory":
        assert "MemoryError" in ended.data["untrusted_output"]
    if script == "late_daemon":  # it was printed, and is not counted
        assert of_run(beside).log.read_bytes().endswith(b"val_loss: 0.1\n")
    if script == "carriage_returns":
        assert record["step"] == 200_000


async def test_a_training_that_ignores_term_is_stopped_all_the_same(beside: Path) -> None:
    becomes_hostile(beside, "ignores_term")
    async with tools(beside) as call:
        await call("run_seed", wait_s=0)
        wait_until((beside / "ready").exists)
        ended = await call("stop_run", run_id=FIRST, reason="it hangs")
    assert outcome(ended) == ("cancelled", "it hangs", 4.1)
    assert records(beside, "run_cancelled")[0]["signal"] == "SIGKILL"
    assert_nothing_stays(beside)


@pytest.mark.slow
async def test_a_training_that_is_stopped_for_ever_ends_at_its_time_limit(beside: Path) -> None:
    becomes_hostile(beside, "stops_itself", timeout_min=0.02)
    async with tools(beside) as call:
        ended = await call("run_seed", wait_s=PATIENCE_S)
    assert ended.data["state"] == "timed_out"
    assert ended.data["reason"] == "ended at its time limit of 0.02 min"
    assert_nothing_stays(beside)


@pytest.mark.slow
async def test_grandchildren_of_a_killed_supervisor_are_swept_each_time(beside: Path) -> None:
    becomes_hostile(beside, "grandchildren")
    async with tools(beside) as call:
        for attempt in (1, 2):
            run = of_run(beside, f"g1-baseline-s42-a{attempt}")
            await call("run_seed", seed=42, attempt=attempt, wait_s=0)
            wait_until((beside / "ready").exists)
            wait_until(run.started.exists)
            os.kill(json.loads(run.started.read_bytes())["supervisor_pid"], signal.SIGKILL)
            lost = await call("run_seed", seed=42, attempt=attempt, wait_s=PATIENCE_S)
            assert outcome(lost) == ("interrupted", "the supervisor or the machine was lost", 4.2)
            assert lost.next == f"run_seed(seed=42, attempt={attempt + 1})"
            assert_nothing_stays(beside)
            for name in (*beside.glob("up-*"), beside / "ready"):
                name.unlink()
        (beside / "calm").touch()
        ended = await call("run_seed", seed=42, attempt=3, wait_s=PATIENCE_S)
    assert outcome(ended) == WELL


# --- output folders -------------------------------------------------------------------------------

THREE_SEEDS = "baseline_seeds = [42, 137, 256]\nexperiment_seeds = [42, 137, 256]\nextra_seeds = []"


async def measured(project: Path) -> None:
    async with tools(project) as call:
        await call("run_seed", queue_all=True, wait_s=0)
        for seed in (42, 137, 256):
            ended = await call("run_seed", seed=seed, wait_s=PATIENCE_S)
            assert outcome(ended) == ("succeeded", None, float(f"4.{seed}")), ended.text


async def measured_and_reported(project: Path) -> Answer:
    await measured(project)
    async with tools(project) as call:
        return await call("write_report")


@pytest.mark.slow
async def test_links_to_the_users_files_are_removed_and_the_files_stay(beside: Path) -> None:
    becomes_hostile(beside, "links_in_output", THREE_SEEDS)
    (beside / "user/inner").mkdir(parents=True)
    (beside / "user/precious").write_text("mine")
    (beside / "user/inner/too").write_text("mine too")
    report = await measured_and_reported(beside)
    assert not report.is_error, report.text
    assert len(report.data["removed"]) == 3
    assert list((beside / "checkpoints").iterdir()) == []
    assert sorted(path.name for path in (beside / "user").rglob("*")) == ["inner", "precious", "too"]
    assert (beside / "user/precious").read_text() + (beside / "user/inner/too").read_text() == "minemine too"
    assert (beside / "train_llm.py").exists()
    assert_nothing_stays(beside)


@pytest.mark.slow
async def test_an_output_folder_that_nobody_may_write_in_is_cleaned_up(beside: Path, tmp_path: Path) -> None:
    becomes_hostile(beside, "read_only_output", THREE_SEEDS)
    await measured(beside)
    report = [sys.executable, "-m", "seedproof_mcp.surface.cli", "report", "--project", str(beside)]
    reported = run_as_anybody(report, tmp_path)
    assert reported.returncode == 0, reported.stdout + reported.stderr
    assert list((beside / "checkpoints").iterdir()) == []
    (removed,) = records(beside, "files_removed")
    assert len(removed["paths"]) == 3


@pytest.mark.slow
async def test_an_output_folder_of_any_depth_is_measured_and_removed(beside: Path) -> None:
    becomes_hostile(beside, "deep_output", THREE_SEEDS)
    async with tools(beside) as call:
        failed = await call("run_seed", seed=42, wait_s=PATIENCE_S)
        (beside / "calm").touch()
        again = await call("run_seed", seed=42, attempt=2, wait_s=PATIENCE_S)
        await call("run_seed", queue_all=True, wait_s=0)
        for seed in (137, 256):
            await call("run_seed", seed=seed, wait_s=PATIENCE_S)
        report = await call("write_report")
    assert (failed.data["state"], outcome(again)) == ("failed", ("succeeded", None, 4.42))
    assert not report.is_error, report.text
    assert (len(report.data["removed"]), report.data["freed_bytes"]) == (3, 3 * 1000)
    assert list((beside / "checkpoints").iterdir()) == []
    assert all(one["output_bytes"] > 0 for one in records(beside, "run_finished"))


# --- memory -----------------------------------------------------------------------------------


def servers(project: Path) -> list[int]:
    """The processes that serve a project."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"serve" in words and os.fsencode(project) in words:
                found.append(int(entry.name))
    return found


@pytest.mark.slow
async def test_no_process_grows_with_what_a_training_prints(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDPROOF_IDLE_S", "600")  # the conductor stays until its memory has been read
    becomes_hostile(beside, "prints_a_lot", env={"LOG_MB": amount(sample="64", whole="64", soak="1000")})
    async with served(beside) as call:
        await call("run_seed", wait_s=0)
        wait_until(of_run(beside).started.exists)
        (conductor,), (server,) = conductors(beside), servers(beside)
        supervisor = json.loads(of_run(beside).started.read_bytes())["supervisor_pid"]
        before = {pid: kilobytes(pid, "VmHWM") for pid in (server, conductor, supervisor)}
        (beside / "go").touch()
        while not (beside / "printed").exists():
            await call("run_seed", seed=42, wait_s=1)
        seen = await call("run_seed", seed=42, wait_s=0)
        grown = {supervisor: kilobytes(supervisor, "VmHWM") - before[supervisor]}
        (beside / "end").touch()
        ended = await call("run_seed", seed=42, wait_s=PATIENCE_S)
        for pid in (server, conductor):
            grown[pid] = kilobytes(pid, "VmHWM") - before[pid]
    os.kill(conductor, signal.SIGTERM)
    print("grown by kB: server, conductor, supervisor:", [grown[pid] for pid in before])
    assert outcome(ended) == WELL
    assert seen.data["step"] in (7, 100)
    assert records(beside, "run_finished")[0]["step"] == 100
    assert max(grown.values()) < MOST_GROWTH_KB
    assert_nothing_stays(beside)


# --- the log cap ------------------------------------------------------------------------------


def stored_bytes(path: Path) -> int:
    return path.stat().st_blocks * 512


@pytest.mark.slow
async def test_only_head_and_tail_of_a_log_are_kept_while_it_grows_and_after(beside: Path) -> None:
    becomes_hostile(beside, "prints_a_lot", log_cap_mb=1.0, env={"LOG_MB": amount(sample="20", whole="20", soak="200")})
    log = of_run(beside).log
    async with tools(beside) as call:
        await call("run_seed", seed=42, wait_s=0)
        (beside / "go").touch()
        wait_until((beside / "printed").exists)
        # The hole follows in steps of an eighth of what is kept.
        wait_until(lambda: stored_bytes(log) < 1.2 * CAP_BYTES)
        running = await call("run_seed", seed=42, wait_s=0)
        (beside / "end").touch()
        ended = await call("run_seed", seed=42, wait_s=PATIENCE_S)
        await call("run_seed", seed=137, wait_s=PATIENCE_S)
    assert running.data["state"] == "running"
    assert outcome(ended) == WELL
    assert stored_bytes(log) < 1.05 * CAP_BYTES
    content = log.read_bytes()
    assert content.startswith(b"Step 0 | val_loss: 9.0\nStep 7 |")
    assert content.endswith(b"xxx\nStep 100 | val_loss: 4.1\n")
    assert content[490_000:].lstrip(b"Step7 | val_loss: 5.0x\n")[:1] == b"\0"
    first, second = records(beside, "run_finished")
    assert (first["step"], first["start_text"]) == (100, "9.0")
    # The same output leaves the same log, however the hole grew.
    assert first["log_sha256"] == second["log_sha256"]
    assert read_log(log, len(content), Rules()).sha256 == first["log_sha256"]


async def test_what_a_daemon_prints_after_the_end_is_capped_and_takes_nothing_that_counts(beside: Path) -> None:
    becomes_hostile(beside, "late_flood", log_cap_mb=1.0, grace_s=60.0, env={"LOG_MB": "20"})
    async with tools(beside) as call:
        await call("run_seed", wait_s=0)
        wait_until((beside / "flooded").exists)
        wait_until(lambda: stored_bytes(of_run(beside).log) < 1.8 * CAP_BYTES)
        (beside / "enough").touch()
        ended = await call("run_seed", seed=42, wait_s=PATIENCE_S)
    assert outcome(ended) == WELL
    assert records(beside, "run_finished")[0]["step"] == 100
    assert_nothing_stays(beside)


def test_a_line_that_the_log_cap_cut_is_no_line(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    block = 4096
    head, tail = b"val_loss: 4.2\n", b"\nno value here\n"
    # In front of the hole ends what would be 4.1 of 4.123, behind it begins what is of another metric.
    front = head + b"x" * (block - len(head) - 13) + b"val_loss: 4.1"
    path.write_bytes(front + b"23 rest\n" + b"y" * (block - 12) + b"not_" + b"val_loss: 3.0" + tail)
    descriptor = os.open(path, os.O_RDWR)
    assert files.punch_hole(descriptor, block, 2 * block)
    os.close(descriptor)
    assert path.read_bytes()[block - 2 : block + 1] == b".1\0"
    assert path.read_bytes()[2 * block :] == b"val_loss: 3.0" + tail
    reading = read_log(path, path.stat().st_size, Rules())
    assert reading.metrics["val_loss"].value == 4.2


def test_a_hole_is_no_part_and_what_is_not_a_hole_is(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * 40_960)
    descriptor = os.open(path, os.O_RDWR)
    assert list(files.data_parts(descriptor, 40_960)) == [(0, 40_960)]
    assert list(files.data_parts(descriptor, 10)) == [(0, 10)]
    assert list(files.data_parts(descriptor, 0)) == []
    assert files.punch_hole(descriptor, 8192, 8192)
    assert files.punch_hole(descriptor, 8192, 16_384)
    assert list(files.data_parts(descriptor, 40_960)) == [(0, 8192), (16_384, 40_960)]
    assert list(files.data_parts(descriptor, 10_000)) == [(0, 8192)]
    assert files.punch_hole(descriptor, 0, 40_960)
    assert list(files.data_parts(descriptor, 40_960)) == []
    assert path.stat().st_size == 40_960
    os.close(descriptor)


@pytest.mark.parametrize("fallocate", [None, lambda *_: -1], ids=["no fallocate", "a file system without holes"])
def test_where_no_hole_can_be_made_everything_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fallocate: Any
) -> None:
    monkeypatch.setattr(files, "_fallocate", fallocate)
    path = tmp_path / "output.log"
    path.write_bytes(b"line\n" * 1_000_000)
    descriptor = os.open(path, os.O_RDWR)
    log = CappedLog(descriptor, CAP_BYTES)
    log.trim()
    log.trim()
    log.settle(5_000_000)
    os.close(descriptor)
    assert path.read_bytes() == b"line\n" * 1_000_000
    assert stored_bytes(path) >= 5_000_000
    assert read_log(path, 5_000_000, Rules()).lines == 1_000_000
