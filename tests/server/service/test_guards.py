"""A night that nobody watches: failures in a row, a disk that fills, a machine that sleeps."""

import json
import os
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from seedproof.admission.guards import Limits, check_room, check_runaway
from seedproof.model.refusals import DiskLow, Runaway
from seedproof_mcp.runner import conductor_status, outputs
from seedproof_mcp.runner.engines import Slot
from seedproof_mcp.surface.cli import main
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import Caller, tools
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.real_runs import records
from tests.support.seeds import SEEDS
from tests.support.stories import Story
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.anyio


async def declare(call: Caller, name: str, *flags: str) -> Any:
    """Declare an experiment and run its first seed."""
    return await call("run_seed", experiment=name, flags=list(flags), hypothesis="it helps")


# --- runaway ----------------------------------------------------------------------------------------


def after(*states: str) -> Story:
    """A story of runs that ended so, one after the other."""
    story = Story().tell("generation_started", generation=1, rules=Story().rules.document(), reason=None)
    for attempt, state in enumerate(states, 1):
        run_id = f"g1-baseline-s42-a{attempt}"
        story.tell(
            "run_requested", run_id=run_id, experiment=None, generation=1, role="measure", seed=42, attempt=attempt
        )
        kinds = {"cancelled": "run_cancelled", "interrupted": "run_interrupted"}
        fields = {} if state in kinds else {"state": state}
        story.tell(kinds.get(state, "run_finished"), run_id=run_id, metrics={}, reason="so", **fields)
    return story


def test_runs_that_were_never_started_are_no_failures_that_call_for_a_person() -> None:
    story = after(*["failed"] * 9)
    story.tell("run_requested", run_id="x", experiment=None, generation=1, role="measure", seed=42, attempt=10)
    story.tell("run_finished", run_id="x", metrics={}, reason="not_comparable: so", state="failed", never_started=True)
    assert story.state.failures_in_row == 9


@pytest.mark.parametrize("failure", ["failed", "diverged", "timed_out"])
def test_ten_runs_in_a_row_that_failed_diverged_or_timed_out_are_a_runaway(failure: str) -> None:
    check_runaway(after(*[failure] * 9).state, Limits())
    with pytest.raises(Runaway, match="the last 10 runs failed or diverged"):
        check_runaway(after(*[failure] * 10).state, Limits())


@pytest.mark.parametrize("other", ["cancelled", "interrupted"])
def test_what_was_stopped_or_lost_neither_counts_nor_ends_the_row(other: str) -> None:
    check_runaway(after(*[other] * 20).state, Limits())
    assert after(*["failed"] * 5, *[other] * 3, *["diverged"] * 4).state.failures_in_row == 9


def test_a_success_ends_the_row() -> None:
    assert after(*["failed"] * 9, "succeeded", "failed").state.failures_in_row == 1


async def test_after_ten_failures_nothing_new_is_declared_and_what_is_known_goes_on(quick_project: Path) -> None:
    async with quick_tools(quick_project) as call:
        await call.measure_baseline()
        for name in "abcdefghi":
            await declare(call, name, "--nan_at", "42", "--lr", name)
        await declare(call, "broken", "--crash")
        before = ProjectPaths(quick_project).ledger.read_bytes()
        refused = await declare(call, "new", "--lr", "1")
        unchanged = ProjectPaths(quick_project).ledger.read_bytes()
        known = await call("run_seed", experiment="broken", seed=42, attempt=2)
        baseline = await call("run_seed", new_baseline="the loader was mended")
        names = {tool.name for tool in (await call.client.list_tools()).tools}
    assert refused.text == (
        "runaway: the last 10 runs failed or diverged; a new experiment would too. A person looks at the cause and "
        "runs `seedproof resume`. Next: list_experiments()"
    )
    assert before == unchanged
    assert (known.data["state"], baseline.data["state"]) == ("failed", "succeeded")
    assert names == {"check_baseline", "run_seed", "compare", "write_report", "list_experiments", "stop_run"}


async def test_resume_lifts_the_guard_and_is_recorded_with_its_reason(
    quick_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (quick_project / "seedproof.toml").write_text("[settings]\nrunaway_after = 2\n")
    arguments = ["resume", "--project", str(quick_project), "--reason"]
    async with quick_tools(quick_project) as call:
        await call.measure_baseline()
        for name in ("a", "b"):
            await declare(call, name, "--nan_at", "42", "--lr", name)
        refused = await declare(call, "new", "--lr", "1")
        assert main([*arguments, " "]) == 3
        assert main([*arguments, "the loader dropped a column"]) == 0
        accepted = await declare(call, "new", "--lr", "1")
        report = await call("write_report")
    said = capsys.readouterr()
    assert refused.code == "runaway"
    assert "bad_arguments: reason says in 1 to 2000 characters why the runs failed." in said.err
    assert said.out.startswith("Noted, after 2 runs in a row that failed or diverged.")
    (resumed,) = [record for record in records(quick_project) if record["kind"] == "resumed"]
    assert (resumed["reason"], resumed["failures"]) == ("the loader dropped a column", 2)
    assert accepted.data["state"] == "succeeded"
    head, _, _ = (quick_project / report.data["path"]).read_text().partition("## Baseline Statistics")
    assert (
        "- `seedproof resume` allowed new experiments again after 2 runs in a row that failed or diverged "
        f"(record #{resumed['seq']}): the loader dropped a column\n"
    ) in head


def test_resume_where_nothing_failed_is_refused_and_leaves_no_trace(
    quick_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["resume", "--project", str(quick_project), "--reason", "to be safe"]) == 3
    assert "nothing_due" in capsys.readouterr().err
    assert not (quick_project / ".seedproof").exists()


# --- the disk ---------------------------------------------------------------------------------------


def demand(project: Path, gigabytes: float, gate: Path | None = None) -> None:
    """Settings that want so much to be free."""
    env = "" if gate is None else f"env = {{ FAKE_GATE = {json.dumps(str(gate))} }}\n"
    (project / "seedproof.toml").write_text(f"[settings]\nmin_free_gb = {gigabytes}\n{env}")


async def test_a_request_on_a_full_disk_is_refused_in_numbers_and_leaves_no_trace(quick_project: Path) -> None:
    demand(quick_project, 1e9)
    async with quick_tools(quick_project) as call:
        answer = await call("run_seed")
    assert answer.code == "disk_low"
    assert answer.next == "list_experiments()"
    assert (
        " GB are free, and a run needs 1000000000.00 GB: the largest output folder so far and 1e+09 GB." in answer.text
    )
    assert not (quick_project / ".seedproof").exists()


async def test_a_result_that_is_recorded_is_answered_on_a_full_disk(quick_project: Path) -> None:
    async with quick_tools(quick_project) as call:
        await call("run_seed")
        demand(quick_project, 1e9)
        repeated, following = await call("run_seed", seed=42), await call("run_seed")
    assert repeated.data["state"] == "succeeded"
    assert following.code == "disk_low"


async def test_the_largest_output_folder_so_far_must_fit_once_more(quick_project: Path) -> None:
    async with quick_tools(quick_project) as call:
        await call("run_seed")
    (finished,) = [record for record in records(quick_project) if record["kind"] == "run_finished"]
    left = quick_project / "checkpoints/baseline_1M_seed42/model.bin"
    assert finished["output_bytes"] == left.stat().st_blocks * 512
    story = after("succeeded", "succeeded").tell(
        "run_requested", run_id="x", experiment=None, generation=1, role="measure", seed=137, attempt=1
    )
    story.tell("run_finished", run_id="x", state="succeeded", metrics={}, output_id=[1, 2], output_bytes=4 * 10**9)
    check_room(story.state, Limits(free_bytes=5 * 10**9))
    with pytest.raises(DiskLow, match=r"4\.99 GB are free, and a run needs 5\.00 GB"):
        check_room(story.state, Limits(free_bytes=5 * 10**9 - 10**7))
    check_room(story.state, Limits(free_bytes=None))  # what is not known refuses nothing


@pytest.mark.parametrize(
    ("kind", "state", "counts"),
    [
        ("run_finished", "succeeded", True),
        ("run_finished", "diverged", True),
        ("run_finished", "failed", False),
        ("run_finished", "timed_out", False),
        ("run_cancelled", None, False),
        ("run_interrupted", None, False),
    ],
)
def test_a_run_that_broke_off_is_no_measure_of_what_the_next_one_needs(
    kind: str, state: str | None, counts: bool
) -> None:
    story = after().tell("run_requested", run_id="x", experiment=None, generation=1, role="measure", seed=42, attempt=1)
    fields = {} if state is None else {"state": state}
    story.tell(kind, run_id="x", metrics={}, reason="so", output_id=[1, 2], output_bytes=4 * 10**9, **fields)
    assert story.state.largest_output_bytes == (4 * 10**9 if counts else 0)


async def test_a_holey_output_blocks_nothing_and_without_a_reserve_nothing_is_asked_for(quick_project: Path) -> None:
    class Holey(InProcessEngine):
        def submit(self, run_dir: Path, slot: Slot | None = None) -> str:
            self.held = True
            super().submit(run_dir)
            for model in quick_project.glob("checkpoints/*/model.bin"):
                os.truncate(model, 1 << 42)
            self.held = False
            self.release()
            return str(run_dir)

    async with quick_tools(quick_project, Holey()) as call:
        answers = [await call("run_seed") for _ in range(2)]
    assert [answer.data.get("state") for answer in answers] == ["succeeded"] * 2
    # A ledger from before, in which its full length counts.
    state = after().state
    state.largest_output_bytes = 1 << 42
    check_room(state, Limits(free_bytes=10**9, reserve_bytes=0))
    with pytest.raises(DiskLow, match="`min_free_gb = 0` under "):
        check_room(state, Limits(free_bytes=10**9))


@pytest.mark.parametrize(
    ("free", "said"),
    [
        ({"project": 2, "large": 1000}, None),
        ({"project": 1000, "large": 5.5}, "5.50 GB are free, and a run needs 6.00 GB: the largest output folder"),
        ({"project": 0.5, "large": 1000}, "0.50 GB are free on the project's own disk, and a run needs 1 GB there"),
    ],
    ids=["room", "none for outputs", "none for logs"],
)
async def test_where_checkpoints_is_a_link_the_disk_that_it_leads_to_counts(
    quick_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: dict[str, float], said: str | None
) -> None:
    large = tmp_path / "large disk"
    large.mkdir()
    (quick_project / "checkpoints").symlink_to(large)
    monkeypatch.setattr(
        files, "free_bytes", lambda path: int(free["large" if path.resolve() == large.resolve() else "project"] * 10**9)
    )
    monkeypatch.setattr(outputs, "size", lambda _folder: 5 * 10**9)
    async with quick_tools(quick_project, InProcessEngine()) as call:
        free, enough = {"project": 1000, "large": 1000}, free
        await call("run_seed")
        free = enough
        answer = await call("run_seed")
    assert answer.code == (None if said is None else "disk_low")
    assert (said or "") in answer.text


async def test_a_queued_run_waits_for_the_disk_says_so_and_goes_on_when_there_is_room(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = tmp_path / "gate"
    demand(project, 0, gate)
    async with tools(project) as call:
        for seed in SEEDS[:2]:
            await call("run_seed", seed=seed, wait_s=0)
        wait_until(ProjectPaths(project).run("g1-baseline-s42-a1").started.exists)
        demand(project, 1e9, gate)
        gate.touch()
        first = await call("run_seed", seed=42, wait_s=PATIENCE_S)
        wait_until(ProjectPaths(project).complaint.exists)
        waiting = await call("run_seed", seed=137, wait_s=0)
        refused = await call("run_seed", seed=256, wait_s=0)
        assert main(["status", "--project", str(project)]) == 0
        status = " ".join(capsys.readouterr().out.split())
        demand(project, 0, gate)
        second = await call("run_seed", seed=137, wait_s=PATIENCE_S)
    assert first.data["state"] == "succeeded"
    assert waiting.data["state"] == "queued"
    assert waiting.data["reason"].startswith("the conductor cannot go on: disk_low: ")
    assert refused.code == "disk_low"
    assert "The conductor cannot go on: disk_low: " in status
    assert (second.data["state"], second.data["reason"]) == ("succeeded", None)


def test_the_conductor_logs_each_kind_of_problem_once_and_keeps_its_numbers_true(
    quick_project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths, now_s = ProjectPaths(quick_project), 0.0
    paths.state.mkdir()
    reporter = conductor_status.ProblemReporter(paths, lambda: now_s)
    read = []
    for step in range(400):  # a disk that fills, looked at ten times a second
        now_s = step / 10
        reporter.report(f"disk_low: {9 - step / 100:.2f} GB are free")
        read.append(conductor_status.read_problem(paths))
    assert len(caplog.records) == 1
    assert [text for text, _ in groupby(read)] == [
        f"disk_low: {gb} GB are free" for gb in ("9.00", "8.00", "7.00", "6.00")
    ]
    conductor_status.ProblemReporter(paths).report("disk_low: 5.00 GB are free")  # the next conductor
    assert (len(caplog.records), conductor_status.read_problem(paths)) == (1, "disk_low: 5.00 GB are free")
    reporter.report("bad_settings: line 3")
    reporter.report(None)
    reporter.report(None)
    reporter.report("disk_low: 1.00 GB are free")
    assert [record.getMessage()[:8] for record in caplog.records] == ["disk_low", "bad_sett", "disk_low"]


# --- sleep ------------------------------------------------------------------------------------------

# Of the two clocks that tell a sleep, the one that goes on jumps an hour between two looks, for one run.
SLEEPER = """
import sys, time
if any("supervise" in word for word in sys.orig_argv):
    real, looks = time.clock_gettime, [0]
    def clock_gettime(clock):
        # A forked supervisor has the words of its own run there, and those of its parent in sys.orig_argv.
        if clock == time.CLOCK_BOOTTIME and sys._getframe(1).f_code.co_name == "asleep_s":
            looks[0] += b"s137-a1" in open("/proc/self/cmdline", "rb").read()
        return real(clock) + 3600 * looks[0] * (clock == time.CLOCK_BOOTTIME)
    time.clock_gettime = clock_gettime
"""


def customize(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let every Python process that is started run this first."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork") or not Path("/proc").is_dir(), reason="needs CLOCK_BOOTTIME")
async def test_a_machine_that_slept_marks_the_run_in_ledger_replies_and_report(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    customize(tmp_path / "site", monkeypatch, SLEEPER)
    async with tools(project) as call:
        await call.measure_baseline()
        replies = [await call("run_seed", seed=137), await call("check_baseline")]
        report = await call("write_report")
    slept = {record["run_id"]: record.get("slept_s") for record in records(project) if record["kind"] == "run_finished"}
    assert slept == {f"g1-baseline-s{seed}-a1": 3600.0 if seed == 137 else None for seed in SEEDS}
    says = "baseline: the machine slept 3600 s during seed 137; its wall time is not one."
    for reply in replies:
        assert {"code": "slept", "message": says} in reply.data["notices"]
        assert f"Notice (slept): {says}" in reply.text
    assert "the machine slept 3600 s during seed 137" in (project / report.data["path"]).read_text()
    assert all(row["metrics"]["wall_time_s"] < 3000 for row in replies[1].data["seeds"])
