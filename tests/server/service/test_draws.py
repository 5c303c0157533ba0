"""What an attempt without a result told of it, how often it may be repeated, and what closes an arm."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from seedproof_mcp.runner.engines import Slot
from seedproof_mcp.system.paths import ProjectPaths, RunPaths
from seedproof_mcp.verify.checks import Outcome
from seedproof_mcp.verify.verify import verify

from tests.support.callers import Answer, Caller
from tests.support.in_process import InProcessEngine, Training, quick_tools
from tests.support.studies import records
from tests.support.tables import Key, Table

BASE = (4.00, 4.01, 3.99, 4.02, 3.98)
BETTER = (3.90, 3.91, 3.92)
PRESET = '[rules.metric]\npreset = "llm-research-kit"\n'


@dataclass
class Planned(InProcessEngine):
    """Each attempt at a seed does what is planned for it; after the last one, what the table says."""

    table: Table = field(default_factory=lambda: Table().arm("baseline", BASE).arm("exp_a", BETTER))
    plan: dict[Key, list[Training]] = field(default_factory=dict)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By id of a run, what its supervisor says otherwise."""
    as_preset: bool = False
    """Whether the table's values are left in metrics.json as well."""

    def __post_init__(self) -> None:
        super().__init__(self._train)
        self._done: dict[str, Training] = {}
        self._run = ""

    def submit(self, run_dir: Path, slot: Slot | None = None) -> str:
        self._run = run_dir.name
        return super().submit(run_dir, slot)

    def _train(self, argv: Sequence[str]) -> Training:
        if self._run not in self._done:
            waiting = self.plan.get(Table.key(argv), [])
            self._done[self._run] = waiting.pop(0) if waiting else self._by_table(argv)
        return self._done[self._run]

    def _by_table(self, argv: Sequence[str]) -> Training:
        done = self.table(argv)
        value = done.log.partition("val_loss: ")[2].split(" ")[0]
        left = {"metrics.json": json.dumps({"final_metrics": {"val_loss": float(value), "val_accuracy": 0.5}})}
        return Training(done.log, files=left) if self.as_preset else done

    def _publish(self, run: RunPaths, end: str, exit_code: int | None, wall_time_s: float) -> None:
        super()._publish(run, end, exit_code, wall_time_s)
        if run.folder.name in self.results:
            said = json.loads(run.result.read_bytes()) | self.results[run.folder.name]
            run.result.write_text(json.dumps(said))


def crash(line: str, exit_code: int = 1, wall_time_s: float = 2.0) -> Training:
    return Training(f"loading\n{line}\n", exit_code, wall_time_s=wall_time_s)


async def declare(call: Caller, name: str = "a", *flags: str, **more: Any) -> Answer:
    return await call("run_seed", experiment=name, flags=list(flags or ("--lr", "1")), hypothesis="it helps", **more)


async def follow(call: Caller, answer: Answer, limit: int = 20) -> Answer:
    """Do what is offered while that is a run; what ended an attempt is taken to lie outside the flags."""
    while (offered := answer.data["next"]) and offered["tool"] == "run_seed":
        assert (limit := limit - 1), answer.text
        arguments = offered["arguments"]
        if "If the cause lay outside the flags" in offered["why"]:
            seed, attempt = answer.data["seed"], answer.data["attempt"] + 1
            arguments = {"experiment": answer.data["experiment"], "seed": seed, "attempt": attempt}
        elif offered["you_choose"]:
            break
        answer = await call("run_seed", **arguments)
    return answer


async def stopped(call: Caller, engine: Planned, answer: Answer | None = None, **arguments: Any) -> Answer:
    """Start a run and stop it."""
    engine.held = True
    begun = await call("run_seed", wait_s=0, **arguments)
    ended = await call("stop_run", run_id=begun.data["run_id"], reason="the machine is needed")
    engine.held = False
    return ended


def notices(answer: Answer, code: str) -> list[str]:
    return [one["message"] for one in answer.data["notices"] if one["code"] == code]


# --- draws ----------------------------------------------------------------------------------------


async def test_with_a_preset_a_stopped_run_whose_log_shows_the_loss_is_a_draw(quick_project: Path) -> None:
    """The preset reads a file that is written at the end; the log shows the loss all the time."""
    (quick_project / "seedproof.toml").write_text(PRESET)
    engine = Planned(as_preset=True)
    engine.plan["exp_a", 42] = [Training("Step 100 | Val Loss: 4.2000, Val Acc: 0.1\n")]
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed", queue_all=True)
        first = await stopped(call, engine, experiment="a", flags=["--lr", "1"], hypothesis="it helps")
        judged = await follow(call, first)
        judged = await call("compare", experiment="a")
        (end,) = records(quick_project, "run_cancelled")
    assert first.data["reason"].startswith("the machine is needed; ")
    assert first.data["reason"].endswith("; its last value 4.2000")
    assert end["no_result"] == {"draw": {"value": "4.2000"}}
    assert judged.data["headline"].startswith("NEUTRAL (capped: cancelled seed) (1 discarded attempt): ")


async def test_a_value_that_no_pattern_reads_is_a_draw_and_the_third_is_refused(quick_project: Path) -> None:
    engine = Planned()
    engine.plan["exp_a", 42] = [Training(f"eval/loss 4.{n}\n") for n in range(2)]
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed", queue_all=True)
        first = await stopped(call, engine, experiment="a", flags=["--lr", "1"], hypothesis="it helps")
        second = await stopped(call, engine, experiment="a", seed=42, attempt=2)
        third = await call("run_seed", experiment="a", seed=42, attempt=3)
        twin = await declare(call, "b", "--lr", "1")
    assert first.data["reason"] == 'the machine is needed; the nearest to val_loss is "eval/loss 4.0"'
    assert (second.data["state"], third.code, twin.code) == ("cancelled", "arm_failed", "flags_duplicate")


@pytest.mark.parametrize(("wall_time_s", "is_draw"), [(59.0, False), (60.0, True)])
async def test_an_attempt_that_trained_for_a_minute_is_a_draw(
    quick_project: Path, wall_time_s: float, is_draw: bool
) -> None:
    engine = Planned()
    engine.plan["exp_a", 42] = [crash(f"KeyError: '{word}'", wall_time_s=wall_time_s) for word in ("x", "y", "z")]
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed", queue_all=True)
        first = await declare(call)
        await call("run_seed", experiment="a", seed=42, attempt=2)
        third = await call("run_seed", experiment="a", seed=42, attempt=3)
    trained = "; trained for 60 s, no readable value" if is_draw else ""
    assert first.data["reason"] == f"exit code 1{trained}"
    assert (third.code == "arm_failed") is is_draw


async def test_more_than_one_attempt_that_trained_stands_in_the_headline(quick_project: Path) -> None:
    engine = Planned()
    engine.plan["exp_a", 42] = [crash("KeyError: 'x'", wall_time_s=70.0)]
    engine.plan["exp_b", 42] = [Training("Step 1 | val_loss: 4.3\n", 1, wall_time_s=70.0)]
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed", queue_all=True)
        await follow(call, await declare(call))
        once = await call("compare", experiment="a")
        await follow(call, await declare(call, "b", "--lr", "2"))
        shown = await call("compare", experiment="b")
    assert "discarded" not in once.data["headline"]
    assert "1 discarded attempt" in shown.data["headline"]


async def test_many_attempts_without_a_result_are_one_sentence(quick_project: Path) -> None:
    engine = Planned()
    engine.plan["exp_a", 42] = [crash(f"no package {word}") for word in ("x", "y", "z")]
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed", queue_all=True)
        third = await follow(call, await declare(call))
        assert third.next == "stop_run(experiment='a', reason=…)"
        await follow(call, await call("run_seed", experiment="a", seed=42, attempt=4))
        judged = await call("compare", experiment="a")
    assert notices(judged, "attempt_without_result") == [
        "a: 3 attempts ended without a result (3 failed), without any val_loss; the newest, attempt 3 at seed 42: "
        "exit code 1."
    ]
    assert "discarded" not in judged.data["headline"]


# --- equal ends -----------------------------------------------------------------------------------


async def test_the_same_end_twice_closes_an_arm_that_may_be_declared_anew_with_other_flags(
    quick_project: Path,
) -> None:
    engine = Planned()
    engine.plan["exp_a", 42] = [crash(f"pid {pid}: KeyError at 0x7f{pid}: no --lrr") for pid in (17, 4711)]
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed", queue_all=True)
        await declare(call, "a", "--lrr", "1")
        closed = await call("run_seed", experiment="a", seed=42, attempt=2)
        refused = await call("run_seed", experiment="a", seed=42, attempt=3)
        same = await declare(call, "a", "--lrr", "1")
        mended = await declare(call, "a", "--lr", "1")
        await follow(call, mended)
        judged = await call("compare", experiment="a")
        report = await call("write_report", experiment="a")
    why = 'two attempts ended in the same way without a value (exit code 1, last line "pid #: KeyError at #: no --lrr")'
    assert closed.next == "run_seed(experiment='a', flags=…, hypothesis=…)"
    assert (refused.code, why in refused.text, same.code) == ("arm_failed", True, "arm_failed")
    assert (mended.data["state"], mended.data["attempt"]) == ("succeeded", 3)
    assert judged.data["verdict"] == "WINNER"
    assert judged.data["campaign"]["declared"] == 1
    assert notices(judged, "declared_anew") == [
        "a was declared before (#17: --lrr 1), and its 2 attempts then had no value."
    ]
    text = (quick_project / report.data["path"]).read_text()
    assert "| a | 42 | 1 | failed |" in text
    assert "| a | 42 | 3 | succeeded |" in text


async def test_a_crash_between_results_closes_the_arm_as_well(quick_project: Path) -> None:
    """A script that ends before a bad value is printed would choose among results."""
    engine = Planned()
    engine.plan["exp_a", 42] = [crash("CUDA error")]
    engine.plan["exp_a", 137] = [crash("CUDA error")]
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed", queue_all=True)
        ended = await follow(call, await declare(call))
        judged = await call("compare", experiment="a")
    assert notices(ended, "arm_failed")
    assert judged.code == "arm_failed"


# --- the first run of an arm ----------------------------------------------------------------------


async def test_of_seeds_that_are_queued_together_the_first_meets_a_fault_for_all(quick_project: Path) -> None:
    engine = Planned()
    engine.plan["baseline", 42] = [crash("ModuleNotFoundError: No module named 'torch'")]
    engine.plan["exp_a", 42] = [crash("unrecognized arguments: --lrr")]
    async with quick_tools(quick_project, engine) as call:
        first = await call("run_seed", queue_all=True)
        dropped = await call("run_seed", seed=137)
        await follow(call, first)
        ready = await call("check_baseline")
        failed = await declare(call, "a", "--lrr", "1", queue_all=True)
        listed = await call("list_experiments")
        await declare(call, "a", "--lr", "1", queue_all=True)
        judged = await call("compare", experiment="a")
    assert first.next == "run_seed(seed=42, attempt=2)"
    assert ready.data["phase"] == "ready"
    assert [(one["run_id"], one["reason"]) for one in records(quick_project, "run_not_needed")] == [
        (f"g1-{arm}-s{seed}-a1", f"g1-{arm}-s42-a1 ended without a val_loss, and this one would")
        for arm, seeds in (("baseline", (137, 256, 512, 1024)), ("exp-a", (137, 256)))
        for seed in seeds
    ]
    assert (dropped.data["run_id"], dropped.data["state"]) == ("g1-baseline-s137-a2", "succeeded")
    assert (failed.data["state"], listed.data["queued"]) == ("failed", 0)
    assert judged.data["verdict"] == "WINNER", judged.text
    checks = verify(ProjectPaths(quick_project), regenerate=True)
    assert [check.message for check in checks if check.outcome is Outcome.FAIL] == []


async def test_once_a_seed_has_a_value_the_queue_goes_on_after_a_crash(quick_project: Path) -> None:
    engine = Planned()
    engine.plan["baseline", 137] = [crash("CUDA error")]
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed", queue_all=True)
        seen = await call("check_baseline")
    assert seen.data["missing_seeds"] == [137]
    assert records(quick_project, "run_not_needed") == []


async def test_a_stopped_first_run_ends_no_other(quick_project: Path) -> None:
    """Nothing of the script ended it: the next one shows whether it runs."""
    engine = Planned()
    engine.held = True
    async with quick_tools(quick_project, engine) as call:
        first = await call("run_seed", queue_all=True, wait_s=0)
        engine.held = False
        await call("stop_run", run_id=first.data["run_id"], reason="the machine is needed")
        await call("run_seed", seed=1024)
        seen = await call("check_baseline")
    assert seen.data["missing_seeds"] == [42]


async def test_a_baseline_that_ends_twice_in_the_same_way_says_what_to_mend(quick_project: Path) -> None:
    engine = Planned()
    engine.plan["baseline", 42] = [crash("No module named 'torch'")] * 2
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed")
        await call("run_seed", seed=42, attempt=2)
        void = await call("check_baseline")
        again = await call("run_seed", new_baseline="torch was missing", queue_all=True)
        ready = await call("check_baseline")
    assert void.data["reason"] == (
        "two baseline attempts ended in the same way without a val_loss (exit code 1, last line "
        "\"No module named 'torch'\"): mend what the log of g1-baseline-s42-a2 shows, then begin a new baseline."
    )
    assert (void.data["phase"], again.is_error, ready.data["phase"]) == ("void", False, "ready")


async def test_equal_ends_of_the_control_side_end_a_confirmation(quick_project: Path) -> None:
    engine = Planned()
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed", queue_all=True)
        await follow(call, await declare(call))
        verdict = await call("compare", experiment="a")
        assert verdict.data["verdict"] == "WINNER"
        seeds = records(quick_project, "verdict_issued")[0]["fresh_seeds"]
        engine.plan["control_a", seeds[0]] = [crash("boom")] * 2
        first = await call("run_seed", experiment="a", role="confirm")
        second = await call("run_seed", **first.data["next"]["arguments"])
        ended = await call("compare", experiment="a")
    assert (first.data["state"], second.data["state"]) == ("failed", "failed")
    assert ended.data["confirmation"]["state"] == "incomplete"


# --- honest work: nothing of all this -------------------------------------------------------------


@pytest.mark.parametrize(
    ("ends", "more"),
    [
        pytest.param([crash("ModuleNotFoundError: x")], {}, id="a crash at import"),
        pytest.param([crash("CUDA out of memory. Tried to allocate 2 GiB")] * 3, {}, id="out of memory"),
        pytest.param([crash("Killed", 137)] * 3, {}, id="killed by the kernel"),
        pytest.param([crash("loading")] * 3, {"exit_code": None, "signal": "SIGKILL"}, id="killed by a signal"),
        pytest.param([Training("Step 5 | val_loss: 4.3\n")] * 3, {"end": "interrupted"}, id="preempted"),
        pytest.param([crash("No space left", 1, 90.0)] * 3, {"disk_was_full": True}, id="a full disk"),
    ],
)
async def test_what_ends_honest_attempts_leaves_no_bracket_and_no_refusal(
    quick_project: Path, ends: list[Training], more: dict[str, Any]
) -> None:
    engine = Planned()
    engine.plan["exp_a", 42] = list(ends)
    engine.results = {f"g1-exp-a-s42-a{n}": more for n in range(1, len(ends) + 1)}
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed", queue_all=True)
        first = await declare(call)
        await follow(call, first)
        judged = await call("compare", experiment="a")
    assert first.data["run_id"] in engine.results
    assert judged.data["headline"].startswith("WINNER (unconfirmed): ")
    # The values of the table are coarse.
    codes = [one["code"] for one in judged.data["notices"] if one["code"] != "coarse_resolution"]
    assert codes == ["attempt_without_result"]


async def test_a_run_stopped_once_in_its_first_seconds_leaves_no_bracket(quick_project: Path) -> None:
    engine = Planned()
    engine.plan["exp_a", 42] = [Training("iter 0: loss 10.98, time 3 ms\n")]
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed", queue_all=True)
        first = await stopped(call, engine, experiment="a", flags=["--lr", "1"], hypothesis="it helps")
        await follow(call, first)
        judged = await call("compare", experiment="a")
    assert judged.data["headline"].startswith("WINNER (unconfirmed): ")
    assert len(notices(judged, "attempt_without_result")) == 1


async def test_out_of_memory_and_then_a_smaller_batch_under_the_same_name(quick_project: Path) -> None:
    engine = Planned()
    engine.plan["exp_a", 42] = [crash("torch.OutOfMemoryError: CUDA out of memory.")]
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed", queue_all=True)
        await declare(call, "a", "--batch_size", "64")
        smaller = await declare(call, "a", "--batch_size", "32")
        await follow(call, smaller)
        judged = await call("compare", experiment="a")
        listed = await call("list_experiments")
    assert (smaller.data["state"], smaller.data["attempt"]) == ("succeeded", 2)
    assert judged.data["headline"].startswith("WINNER (unconfirmed): ")
    assert [one["flags"] for one in listed.data["experiments"]] == [["--batch_size", "32"]]


# --- the same in other words ----------------------------------------------------------------------


async def test_the_same_flags_in_other_words_stand_in_the_headline(quick_project: Path) -> None:
    engine = Planned(Table().arm("baseline", BASE).arm("exp_a", (4.1, 4.11, 4.12)).arm("exp_b", BETTER))
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed", queue_all=True)
        await follow(call, await declare(call, "a", "--learning_rate", "0.010"))
        await call("compare", experiment="a")
        await follow(call, await declare(call, "b", "--learning-r", "1e-2"))
        judged = await call("compare", experiment="b")
    assert judged.data["headline"].startswith("WINNER (unconfirmed; same flags as a, LOSER): ")
    (said,) = notices(judged, "declared_before")
    assert said.startswith("b: flags that say the same were declared before as a (#")


async def test_a_null_experiment_that_is_a_winner_says_so(quick_project: Path) -> None:
    engine = Planned(Table().arm("baseline", BASE).arm("exp_n", BETTER))
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed", queue_all=True)
        started = await call("run_seed", experiment="n", hypothesis="null: nothing changes")
        await follow(call, started)
        judged = await call("compare", experiment="n")
    assert judged.data["headline"].startswith("WINNER (unconfirmed; declared without effect): ")
    assert len(notices(judged, "null_winner")) == 1


async def test_another_metric_in_the_next_generation_stands_in_the_headline(quick_project: Path) -> None:
    engine = Planned()
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed", queue_all=True)
        await follow(call, await declare(call))
        await call("compare", experiment="a")
        pattern = "[rules.metric]\nname = 'val_loss'\npattern = 'step (?P<value>[0-9.]+)'\n"
        (quick_project / "seedproof.toml").write_text(pattern)
        engine.table.prints = {
            (arm, seed): f"step {4 + seed / 1e4}\n"
            for arm in ("baseline", "exp_a")
            for seed in (42, 137, 256, 512, 1024)
        }
        await call("run_seed", new_baseline="a better metric", queue_all=True)
        await follow(call, await declare(call))
        judged = await call("compare", experiment="a")
    assert "same flags under 1 other metric in earlier generations" in judged.data["headline"]
