"""`run_seed` and `stop_run`: what is joined, queued, repeated, stopped and waited for."""

import dataclasses
import json
import os
import shutil
import signal
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from seedproof_mcp.system import locks
from seedproof_mcp.system.paths import RunPaths

from tests.support import in_process
from tests.support.callers import Caller, tools
from tests.support.clock import Clock
from tests.support.in_process import InProcessEngine, Training, in_process_service, option, quick_tools, train
from tests.support.real_runs import records
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.anyio

FIRST = "g1-baseline-s42-a1"


# --- the same call again ----------------------------------------------------------------------


async def test_a_result_is_returned_again_and_never_trained_again(project: Path) -> None:
    async with quick_tools(project) as call:
        once = await call("run_seed", seed=42)
        again = await call("run_seed", seed=42)
        exact = await call("run_seed", seed=42, attempt=1)
    assert once.data == again.data == exact.data
    assert len(records(project, "run_requested")) == 1


async def test_a_call_without_seed_joins_the_run_in_flight(project: Path) -> None:
    engine = InProcessEngine()
    engine.held = True
    async with quick_tools(project, engine) as call:
        started = await call("run_seed", wait_s=0)
        joined = await call("run_seed", wait_s=0)
        engine.release()
        await call("run_seed", seed=42)
        after = await call("run_seed", wait_s=0)
    assert started.data["run_id"] == joined.data["run_id"] == FIRST
    assert after.data["seed"] == 137


async def test_queue_all_queues_what_the_arm_is_sure_to_need_and_no_more(project: Path) -> None:
    engine = InProcessEngine()
    async with quick_tools(project, engine) as call:
        await call.measure_baseline()
        engine.held = True
        answer = await call(
            "run_seed", experiment="a", flags=["--shift", "0.001"], hypothesis="x", queue_all=True, wait_s=0
        )
        again = await call("run_seed", experiment="a", queue_all=True, wait_s=0)
        queued = await call("run_seed", experiment="a", seed=256, wait_s=0)
    assert [run["seed"] for run in records(project, "run_requested")[5:]] == [42, 137, 256]
    assert (answer.data["state"], answer.data["remaining"]) == ("running", 3)
    assert again.data["run_id"] == answer.data["run_id"]
    assert (queued.data["state"], queued.data["queue_position"]) == ("queued", 3)


async def test_two_more_seeds_are_due_only_within_two_sigma(project: Path) -> None:
    async with quick_tools(project) as call:
        await call.measure_baseline()
        await call.measure("near", "--shift", "0.001")
        near = await call("run_seed", experiment="near", seed=256)
        await call.measure("far", "--shift", "0.1")
        far = await call("run_seed", experiment="far", seed=256)
    assert (near.data["remaining"], near.next) == (2, "run_seed(experiment='near', seed=512)")
    assert (far.data["remaining"], far.next) == (0, "compare(experiment='far')")


async def test_the_same_flags_cannot_be_queued_under_several_names_before_a_result_lands(project: Path) -> None:
    engine = InProcessEngine()
    async with quick_tools(project, engine) as call:
        await call.measure_baseline()
        engine.held = True
        declared = {"flags": ["--shift", "0.001"], "hypothesis": "x", "queue_all": True, "wait_s": 0}
        first = await call("run_seed", experiment="a", **declared)
        others = [await call("run_seed", experiment=name, **declared) for name in ("b", "c")]
        engine.held = False
        engine.release()
        followed = await call("run_seed", **others[0].data["next"]["arguments"])
    assert first.data["state"] == "running"
    for other in others:
        assert other.text.startswith("flags_duplicate: a has the same flags and is being measured")
        assert other.next == "run_seed(experiment='a', seed=42, attempt=1)"
    assert followed.data["state"] == "succeeded"
    assert len(records(project, "experiment_declared")) == 1


async def test_an_arm_that_only_crashed_is_not_retried_once_another_name_has_shown_its_metric(project: Path) -> None:
    broken = [True]

    def mended_later(argv: Sequence[str]) -> Training:
        is_broken = "--shift" in argv and broken[0]
        return Training("Traceback: no such package\n", 1) if is_broken else train(argv)

    async with quick_tools(project, InProcessEngine(mended_later)) as call:
        await call.measure_baseline()
        await call("write_report")
        crashed = await call("run_seed", experiment="a", flags=["--shift", "0.001"], hypothesis="x")
        broken[0] = False
        second = await call("run_seed", experiment="b", flags=["--shift=0.001"], hypothesis="x")
        retried = await call("run_seed", experiment="a", seed=42, attempt=2)
        going_on = await call("run_seed", experiment="a", seed=137)
        recorded = await call("run_seed", experiment="a", seed=42)
        listed = await call("list_experiments")
    assert (crashed.data["state"], second.data["state"]) == ("failed", "succeeded")
    for refused in (retried, going_on):
        assert refused.text.startswith("flags_duplicate: b has the same flags and has been measured")
        assert refused.next == "run_seed(experiment='b', seed=137)"
    assert recorded.data["state"] == "failed"
    assert recorded.data["next"]["you_choose"] == ["experiment", "flags", "hypothesis"]
    assert listed.next == "run_seed(experiment='b', seed=137)"


# --- attempts ---------------------------------------------------------------------------------


async def test_a_run_that_showed_no_value_may_be_repeated_as_often_as_its_end_is_another(project: Path) -> None:
    broken = [True]
    packages = iter("abcdefgh")

    def mended_later(argv: Sequence[str]) -> Training:
        return Training(f"Traceback: no such package {next(packages)}\n", 1) if broken[0] else train(argv)

    async with quick_tools(project, InProcessEngine(mended_later)) as call:
        answer = await call("run_seed")
        for attempt in (2, 3, 4):
            assert answer.data["state"] == "failed"
            assert answer.data["reason"] == "exit code 1"
            assert "no such package" in answer.data["untrusted_output"]
            assert answer.next == (f"run_seed(seed=42, attempt={attempt})" if attempt < 4 else "check_baseline()")
            answer = await call("run_seed", seed=42, attempt=attempt)
        assert "4 attempts ended without a val_loss: tell your user" in answer.text
        broken[0] = False
        answer = await call("run_seed", seed=42, attempt=5)
        listed = await call("check_baseline")
    assert (answer.data["state"], answer.data["attempt"]) == ("succeeded", 5)
    assert listed.data["seeds"][0]["attempt"] == 5


async def test_after_a_value_was_seen_one_more_attempt_is_allowed_and_then_the_arm_has_failed(project: Path) -> None:
    async with quick_tools(project) as call:
        await call.measure_baseline()
        first = await call("run_seed", experiment="late", flags=["--fail_after"], hypothesis="x")
        second = await call("run_seed", experiment="late", seed=42, attempt=2)
        third = await call("run_seed", experiment="late", seed=42, attempt=3)
        compared = await call("compare", experiment="late")
        row = (await call("list_experiments")).data["experiments"][0]
    assert [answer.data["state"] for answer in (first, second)] == ["failed", "failed"]
    assert first.data["metrics"]["val_loss"] == pytest.approx(4, abs=0.1)
    assert (third.code, compared.code, row["state"]) == ("arm_failed", "arm_failed", "failed")


async def test_a_seed_that_fails_for_good_is_said_with_the_run_that_decided_it_and_in_the_list(project: Path) -> None:
    engine = InProcessEngine()
    async with quick_tools(project, engine) as call:
        await call.measure_baseline()
        first = await call("run_seed", experiment="late", flags=["--fail_after"], hypothesis="x")
        engine.held = True
        await call("run_seed", experiment="late", seed=42, attempt=2, wait_s=0)
        second = await call("stop_run", run_id="g1-exp-late-s42-a2", reason="enough")
        engine.held = False
        listed = await call("list_experiments")
    sentence = "seed 42 failed for good; the arm ends without a verdict"
    assert first.data["notices"] == []
    assert second.data["notices"][0] == {"code": "arm_failed", "message": f"late: {sentence}."}
    assert [notice["code"] for notice in second.data["notices"]] == ["arm_failed", "cancelled_seed"]
    assert listed.data["experiments"][0]["reason"] == sentence
    assert f"- late: failed, 0 seeds done, 0 needed ({sentence})" in listed.text


async def test_a_baseline_seed_that_fails_for_good_or_diverges_is_said_with_the_run(project: Path) -> None:
    def spoils(argv: Sequence[str]) -> Training:
        return Training("val_loss: nan\n") if mended else Training(train(argv).log, 1)

    mended: list[bool] = []

    async with quick_tools(project, InProcessEngine(spoils)) as call:
        once = await call("run_seed")
        failed = await call("run_seed", seed=42, attempt=2)
        mended.append(True)
        diverged = await call("run_seed", new_baseline="mended")
    assert once.data["notices"] == []
    assert failed.data["notices"] == [{"code": "baseline_void", "message": "baseline seed 42 failed for good."}]
    message = "baseline seed 42 diverged: its last val_loss is not finite."
    assert diverged.data["notices"] == [{"code": "baseline_void", "message": message}]


async def test_next_offers_another_attempt_at_once_and_then_the_other_seeds(project: Path) -> None:
    def crashes_at_first(argv: Sequence[str]) -> Training:
        is_first = not (project / ".seedproof/runs/g1-baseline-s42-a2").exists()
        return Training("out of memory\n", 1) if option(argv, "--seed") == "42" and is_first else train(argv)

    async with quick_tools(project, InProcessEngine(crashes_at_first)) as call:
        failed = await call("run_seed")
        again = await call("run_seed", seed=42, attempt=2)
    assert failed.next == "run_seed(seed=42, attempt=2)"
    assert (again.data["state"], again.next) == ("succeeded", "run_seed(seed=137)")


# --- stopping ---------------------------------------------------------------------------------


async def test_a_running_training_is_stopped_with_everything_known_so_far_and_may_be_repeated_once(
    project: Path,
) -> None:
    engine = InProcessEngine()
    engine.held = True
    async with quick_tools(project, engine) as call:
        await call("run_seed", wait_s=0)
        stopped = await call("stop_run", run_id=FIRST, reason="too slow")
        engine.held = False
        again = await call("run_seed", seed=42, attempt=2)
    assert (stopped.data["state"], stopped.data["reason"]) == ("cancelled", "too slow")
    assert records(project, "run_cancelled")[0]["metrics"]["val_loss"]["line"] == 2
    assert again.data["state"] == "succeeded"


async def test_a_queued_run_is_stopped_before_it_starts(project: Path) -> None:
    engine = InProcessEngine()
    engine.held = True
    async with quick_tools(project, engine) as call:
        await call("run_seed", queue_all=True, wait_s=0)
        stopped = await call("stop_run", run_id="g1-baseline-s137-a1", reason="not needed")
        engine.held = False
        engine.release()
        await call("run_seed", seed=1024)
    assert (stopped.data["state"], stopped.data["elapsed_s"]) == ("cancelled", None)
    assert [one["run_id"] for one in records(project, "run_started")] == [
        f"g1-baseline-s{seed}-a1" for seed in (42, 256, 512, 1024)
    ]


# --- generations ------------------------------------------------------------------------------


async def test_the_same_reason_joins_a_generation_without_results_and_another_begins_the_next(project: Path) -> None:
    engine = InProcessEngine()
    async with quick_tools(project, engine) as call:
        await call.measure_baseline()
        engine.held = True
        second = await call("run_seed", new_baseline="new data", wait_s=0)
        same = await call("run_seed", new_baseline="new data", wait_s=0)
        engine.held = False
        engine.release()
        await call("run_seed", seed=42)
        third = await call("run_seed", new_baseline="new data")
        status = await call("check_baseline")
    assert second.data["run_id"] == same.data["run_id"] == "g2-baseline-s42-a1"
    assert second.data["next"]["arguments"] == {"seed": 42, "attempt": 1}
    assert (third.data["run_id"], status.data["generation"]) == ("g3-baseline-s42-a1", 3)
    assert [one["reason"] for one in records(project, "generation_started")] == [None, "new data", "new data"]


async def test_a_generation_whose_only_run_was_stopped_is_joined_by_the_same_reason(project: Path) -> None:
    engine = InProcessEngine()
    engine.held = True
    async with quick_tools(project, engine) as call:
        await call("run_seed", new_baseline="new data", wait_s=0)
        await call("stop_run", run_id="g1-baseline-s42-a1", reason="not yet")
        engine.held = False
        joined = await call("run_seed", new_baseline="new data")
        after = await call("run_seed", new_baseline="new data")
    assert joined.data["run_id"] == "g1-baseline-s137-a1"
    assert after.data["run_id"] == "g2-baseline-s42-a1"
    assert [one["generation"] for one in records(project, "generation_started")] == [1, 2]


async def test_a_generation_that_stopped_runs_have_made_void_is_not_joined(project: Path) -> None:
    engine = InProcessEngine()
    engine.held = True
    async with quick_tools(project, engine) as call:
        await call("run_seed", new_baseline="new data", wait_s=0)
        await call("stop_run", run_id="g1-baseline-s42-a1", reason="too slow")
        await call("run_seed", seed=42, attempt=2, wait_s=0)
        await call("stop_run", run_id="g1-baseline-s42-a2", reason="too slow")
        status = await call("check_baseline")
        again = await call("run_seed", new_baseline="new data", wait_s=0)
    assert (status.data["phase"], again.data["run_id"]) == ("void", "g2-baseline-s42-a1")


async def test_a_name_may_be_declared_anew_against_the_next_baseline_and_compare_means_that_one(project: Path) -> None:
    async with quick_tools(project) as call:
        await call.measure_baseline()
        await call.measure("idea", "--shift", "-0.1")
        first = await call("compare", experiment="idea")
        await call("run_seed", new_baseline="new data")
        await call.measure_baseline()
        between = await call("compare", experiment="idea")
        await call.measure("idea", "--shift", "0.1")
        second = await call("compare", experiment="idea")
        rows = (await call("list_experiments")).data["experiments"]
    assert (between.data["generation"], between.data["headline"]) == (1, first.data["headline"])
    assert "earlier_generation" in [notice["code"] for notice in between.data["notices"]]
    assert (first.data["verdict"], second.data["verdict"]) == ("WINNER", "LOSER")
    assert [(row["generation"], row["verdict"]) for row in rows] == [(1, "WINNER"), (2, "LOSER")]


async def test_a_recorded_result_stays_reachable_after_the_rules_have_changed(project: Path) -> None:
    async with quick_tools(project) as call:
        await call.measure_baseline()
        await call.measure("idea", "--shift", "0.001")
        before = await call("run_seed", experiment="idea", seed=42)
        (project / "seedproof.toml").write_text("[rules]\nwinner_sigma = 1.5\n")
        baseline = await call("run_seed", seed=42)
        again = await call("run_seed", experiment="idea", seed=42)
        exact = await call("run_seed", experiment="idea", seed=42, attempt=1)
        changed = await call("run_seed", experiment="idea", seed=42, flags=["--shift", "9"])
        others = [
            await call("run_seed", experiment="idea", **arguments)
            for arguments in ({}, {"seed": 512}, {"seed": 42, "attempt": 2}, {"queue_all": True})
        ]
    assert baseline.data["state"] == "succeeded"
    assert again.data == exact.data
    assert again.data["metrics"] == before.data["metrics"]
    assert again.data["next"]["you_choose"] == ["new_baseline"]
    assert changed.code == "flags_changed"
    assert [other.code for other in others] == ["baseline_void"] * 4


async def test_a_run_that_a_new_generation_overtook_names_a_call_that_is_allowed(project: Path) -> None:
    engine = InProcessEngine()
    async with quick_tools(project, engine) as call:
        await call.measure_baseline()
        engine.held = True
        await call("run_seed", experiment="idea", flags=["--shift", "0.1"], hypothesis="x", wait_s=0)
        await call("run_seed", new_baseline="the data was fixed", wait_s=0)
        # A call that waits for the run when the generation begins sees it so.
        overtaken = await anyio.to_thread.run_sync(in_process_service(project, engine).observe, "g1-exp-idea-s42-a1")
        assert overtaken.next is not None
        joined = await call(overtaken.next.tool, **overtaken.next.arguments, wait_s=0)
        engine.held = False
        engine.release()
        followed = await call(overtaken.next.tool, **overtaken.next.arguments)
    assert (overtaken.state, str(overtaken.next)) == ("running", "run_seed(seed=42, attempt=1)")
    assert (joined.data["run_id"], joined.data["state"]) == ("g2-baseline-s42-a1", "queued")
    assert (followed.data["run_id"], followed.data["state"]) == ("g2-baseline-s42-a1", "succeeded")


# --- waiting ----------------------------------------------------------------------------------


async def test_a_call_waits_no_longer_than_asked_reports_progress_and_names_the_very_run(project: Path) -> None:
    engine = InProcessEngine()
    engine.held = True
    told: list[tuple[float, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))

    async with quick_tools(project, engine) as call:
        await call.client.call_tool("run_seed", {"wait_s": 1.5}, progress_callback=note)
        answer = await call("run_seed", wait_s=0)
    assert (answer.data["state"], answer.next) == ("running", "run_seed(seed=42, attempt=1)")
    assert (answer.data["step"], answer.data["metrics"]) == (100, {"val_loss": pytest.approx(3.998559, abs=0.01)})
    assert told
    assert told[0][1] is not None
    assert "step 100" in told[0][1]


async def test_cancelling_the_call_does_not_stop_the_run(project: Path) -> None:
    engine = InProcessEngine()
    engine.held = True
    async with quick_tools(project, engine) as call:
        with anyio.move_on_after(0.3) as scope:
            await call("run_seed", wait_s=PATIENCE_S)
        assert scope.cancelled_caught
        engine.release()
        answer = await call("run_seed", seed=42)
    assert (answer.data["state"], answer.data["attempt"]) == ("succeeded", 1)
    assert len(records(project, "run_requested")) == 1


async def test_the_time_to_go_comes_from_the_baselines_wall_times(project: Path) -> None:
    engine = InProcessEngine()
    async with quick_tools(project, engine) as call:
        await call("run_seed")
        engine.held = True
        answer = await call("run_seed", wait_s=0)
    # Two seconds is what a run takes there, and this one seems to have begun long ago.
    assert answer.data["eta_s"] == 0
    assert answer.data["elapsed_s"] > 2


async def test_the_time_to_go_is_what_the_baselines_runs_took_less_what_has_passed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = InProcessEngine(lambda argv: dataclasses.replace(train(argv), wall_time_s=5000.0))
    async with quick_tools(project, engine) as call:
        await call("run_seed")
        engine.held = True
        monkeypatch.setattr(in_process, "STARTED_AT", (datetime.now(UTC) - timedelta(seconds=1000)).isoformat())
        answer = await call("run_seed", wait_s=0)
    assert answer.data["elapsed_s"] >= 1000
    assert answer.data["eta_s"] + answer.data["elapsed_s"] == pytest.approx(5000)
    assert answer.data["eta_s"] > 0
    assert " s to go" in answer.text


async def test_progress_is_reported_at_least_every_five_seconds(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str | None] = []
    engine = InProcessEngine()
    engine.held = True

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    async with quick_tools(project, engine) as call:
        clock = Clock.of_the_tools(monkeypatch)
        await call.client.call_tool("run_seed", {"wait_s": 30}, progress_callback=note)
    assert clock.now_s == pytest.approx(30)
    assert len(told) >= 30 / 5
    assert all("step 100" in str(message) for message in told)


# --- how runs are carried out ----------------------------------------------------------------


def python(folder: Path) -> Path:
    """Something that looks like an environment's interpreter; what it is called is all that matters here."""
    found = folder / "bin/python"
    found.parent.mkdir(parents=True)
    found.touch(0o755)
    return found


async def test_the_interpreter_is_the_settings_then_the_projects_then_the_active_ones_then_any(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    active, own = python(tmp_path / "active"), python(project / ".venv")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    (project / "tools").mkdir()
    for place in (project / "tools/python3.12", tmp_path / "python3.12"):
        place.touch(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([os.environ["PATH"], str(tmp_path)]))
    settings = project / "seedproof.toml"
    async with quick_tools(project) as call:
        settings.write_text('[settings]\npython = "tools/python3.12"\n')
        await call("run_seed")
        settings.write_text('[settings]\npython = "python3.12"\n')
        await call("run_seed")
        settings.unlink()
        await call("run_seed")
        shutil.rmtree(project / ".venv")
        await call("run_seed")
        monkeypatch.delenv("VIRTUAL_ENV")
        await call("run_seed")
    used = [one["argv"][0] for one in records(project, "run_started")]
    assert used == [
        str(project / "tools/python3.12"),
        "python3.12",
        str(own),
        str(active),
        shutil.which("python3") or "python3",
    ]


@pytest.mark.parametrize(("wall_time_s", "later_limit_s"), [(2.0, 600.0), (199.0, 600.0), (1000.0, 3000.0)])
async def test_the_time_limit_is_a_day_then_three_times_the_slowest_baseline_run_and_ten_minutes_at_least(
    project: Path, wall_time_s: float, later_limit_s: float
) -> None:
    def slow(argv: Sequence[str]) -> Training:
        slowest = option(argv, "--seed") == "256"
        return dataclasses.replace(train(argv), wall_time_s=wall_time_s if slowest else 1.0)

    async with quick_tools(project, InProcessEngine(slow)) as call:
        await call.measure_baseline()
        await call("run_seed", experiment="idea", flags=["--shift", "0.1"], hypothesis="x")
    limits = [one["timeout_s"] for one in records(project, "run_started")]
    assert limits == [*[24 * 3600.0] * 5, later_limit_s]


# --- real processes ---------------------------------------------------------------------------


async def wait_for(call: Caller, **arguments: Any) -> dict[str, Any]:
    answer = await call("run_seed", wait_s=PATIENCE_S, **arguments)
    return answer.data


async def test_the_time_limit_ends_a_training_and_says_so(project: Path, tmp_path: Path) -> None:
    settings = (
        f"[settings]\ntimeout_min = 0.01\ngrace_s = 0.1\nenv = {{ FAKE_GATE = {json.dumps(str(tmp_path / 'no'))} }}\n"
    )
    (project / "seedproof.toml").write_text(settings)
    async with tools(project) as call:
        ended = await wait_for(call)
    assert ended["state"] == "timed_out", ended["reason"]
    assert "ended at its time limit of 0.01 min" in ended["reason"]


async def test_two_projects_train_one_after_the_other_on_a_slot_and_the_waiting_one_says_why(
    project: Path, tmp_path: Path
) -> None:
    gate, other = tmp_path / "gate", tmp_path / "other"
    shutil.copytree(project, other)
    (project / "seedproof.toml").write_text(f"[settings.env]\nFAKE_GATE = {json.dumps(str(gate))}\n")
    async with tools(project) as first, tools(other) as second:
        await first("run_seed", wait_s=0)
        wait_until(lambda: (project / f".seedproof/runs/{FIRST}/started.json").exists())
        await second("run_seed", wait_s=0)
        wait_until(lambda: locks.is_locked(other / ".seedproof/conductor.lock"))
        waiting = await second("run_seed", seed=42, wait_s=0)
        assert not (other / f".seedproof/runs/{FIRST}/started.json").exists()
        gate.touch()
        ended = [await wait_for(call, seed=42) for call in (first, second)]
    assert (waiting.data["state"], waiting.data["queue_position"]) == ("queued", 1)
    assert waiting.data["reason"] == "another training holds the slot default; it starts when that one ends"
    assert [one["state"] for one in ended] == ["succeeded", "succeeded"]
    assert ended[1]["reason"] is None


async def test_settings_env_reaches_the_training_and_the_ledger_keeps_names_and_no_secrets(project: Path) -> None:
    (project / "train_llm.py").write_text(
        "import os\nprint('password=' + os.environ['API_TOKEN'])\n"
        "print('val_loss:', len(os.environ['API_TOKEN']) / 10 + float(os.environ['OMP_NUM_THREADS']))\n"
    )
    (project / "seedproof.toml").write_text('[settings.env]\nAPI_TOKEN = "hunter22222"\nOMP_NUM_THREADS = "3"\n')
    async with tools(project) as call:
        ended = await wait_for(call)
    assert ended["metrics"]["val_loss"] == pytest.approx(4.1)
    ledger = (project / ".seedproof/ledger.jsonl").read_text()
    assert "hunter22222" not in ledger
    assert "API_TOKEN" in ledger
    assert '"OMP_NUM_THREADS":"3"' in ledger


async def test_a_dead_conductor_is_replaced_by_the_next_call_and_the_run_is_the_same(
    project: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    (project / "seedproof.toml").write_text(f"[settings.env]\nFAKE_GATE = {json.dumps(str(gate))}\n")
    async with tools(project) as call:
        started = await call("run_seed", wait_s=0)
        wait_until(lambda: (project / f".seedproof/runs/{FIRST}/started.json").exists())
        kill_conductor(project)
        gate.touch()
        ended = await wait_for(call, seed=42)
    assert (ended["run_id"], ended["state"]) == (started.data["run_id"], "succeeded")
    assert len(records(project, "run_started")) == 1


def kill_conductor(project: Path) -> None:
    """Kill -9 whoever conducts this project."""
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"seedproof_mcp.runner.conductor" in words and os.fsencode(project) in words:
            os.kill(int(entry.name), signal.SIGKILL)
            return
    raise AssertionError("no conductor lives")


class PowerCut(InProcessEngine):
    """The end of each log was not on the disk yet when the power went, though the result was."""

    kept_bytes = 30

    def _publish(self, run: RunPaths, end: str, exit_code: int | None, wall_time_s: float) -> None:
        super()._publish(run, end, exit_code, wall_time_s)
        os.truncate(run.log, self.kept_bytes)


@pytest.mark.parametrize("kept_bytes", [0, 30])
async def test_a_log_that_lost_its_end_gives_no_value(quick_project: Path, kept_bytes: int) -> None:
    engine = PowerCut()
    engine.kept_bytes = kept_bytes
    async with quick_tools(quick_project, engine) as call:
        lost = await call("run_seed")
        again = await call("run_seed", **lost.data["next"]["arguments"])
    assert lost.data["state"] == "interrupted"
    assert lost.data["reason"] == "output.log is shorter than it was when the training ended"
    assert lost.data["next"]["arguments"]["attempt"] == 2
    assert again.data["attempt"] == 2
