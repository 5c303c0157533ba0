"""Probes, caps and disclosures through the tools: what a reply and a report say of runs that are not what they seem."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.callers import Answer, Caller
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.real_runs import records
from tests.support.seeds import FRESH, SEEDS
from tests.support.tables import Table

pytestmark = pytest.mark.anyio

BASE = (4.00, 4.01, 3.99, 4.02, 3.98)
BETTER = (3.90, 3.91, 3.89)
VERDICTS = re.compile(r"\b(WINNER|NEUTRAL|LOSER)\b")


@pytest.fixture
def project(quick_project: Path) -> Path:
    """In memory: no process is needed here."""
    return quick_project


def table(values: Sequence[float] = BETTER, name: str = "exp_muon") -> Table:
    return Table().arm("baseline", BASE).arm(name, values)


async def begin(call: Caller, name: str = "muon", *flags: str, hypothesis: str = "it helps") -> Answer:
    """Declare an experiment and run its first seed."""
    return await call("run_seed", experiment=name, flags=list(flags or ("--lr", "0.02")), hypothesis=hypothesis)


async def finish(call: Caller, answer: Answer) -> Answer:
    """Follow `next` to the verdict."""
    while answer.data["next"]["tool"] == "run_seed":
        answer = await call("run_seed", **answer.data["next"]["arguments"])
    return await call("compare", **answer.data["next"]["arguments"])


def told(answer: Answer, code: str) -> list[str]:
    return [notice["message"] for notice in answer.data["notices"] if notice["code"] == code]


async def reported(call: Caller, project: Path, name: str = "muon") -> str:
    written = await call("write_report", experiment=name)
    return (project / written.data["path"]).read_text()


# --- caps -----------------------------------------------------------------------------------------


async def test_an_honest_winner_is_capped_by_nothing_and_told_nothing(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        said = await finish(call, await begin(call))
    assert (said.data["verdict"], said.data["caps"]) == ("WINNER", [])
    assert [one["code"] for one in said.data["notices"]] == ["coarse_resolution"] * 2  # two decimals beside .0158


async def test_a_winner_that_stopped_early_is_neutral_everywhere(project: Path) -> None:
    training = table()
    training.steps = {("exp_muon", seed): 80 for seed in SEEDS}
    training.wall("exp_muon", [1.6] * 3)
    async with quick_tools(project, InProcessEngine(training)) as call:
        await call.measure_baseline()
        first = await begin(call)
        said = await finish(call, first)
        confirm = await call("run_seed", experiment="muon", role="confirm")
        listed = await call("list_experiments")
        report = await reported(call, project)
        status = await call("list_experiments")
    (early,) = told(first, "stopped_early")
    assert "seed 42 at step 80: below 90 % of the baseline's smallest, 100, and in less time" in early
    assert said.data["headline"] == "NEUTRAL (capped: stopped early): 6.32 sigma better"
    assert (said.data["verdict"], said.data["caps"]) == ("NEUTRAL", ["stopped early"])
    assert said.data["confirmation"] is None
    assert "measure a new baseline whose command takes as many" in said.data["reason"]
    assert said.text.count("below 90 %") == 1  # the notice says the same in the structure
    assert "The difference is not trusted (stopped early)" in said.data["paragraph"]
    assert said.data["next"]["tool"] == "write_report"
    assert confirm.code == "confirm_not_due"
    assert (listed.data["campaign"]["winners"], said.data["campaign"]["winners"]) == (0, 0)
    assert listed.data["experiments"][0]["headline"] == said.data["headline"]
    assert listed.data["experiments"][0]["confirmation"] is None
    assert f"- {said.data['headline']}\n" in report and f"- {told(said, 'stopped_early')[0]}\n" in report
    assert "suggestive" not in report and "disagree" not in report
    assert status.data["next"]["arguments"] == {}
    (issued,) = records(project, "verdict_issued")
    assert (issued["verdict"], issued["caps"]) == ("NEUTRAL", ["stopped early"])


async def test_a_training_of_a_few_steps_less_and_one_without_steps_are_trusted(project: Path) -> None:
    training = table()
    training.steps = {("exp_muon", 42): 91, ("exp_muon", 137): None}
    async with quick_tools(project, InProcessEngine(training)) as call:
        await call.measure_baseline()
        said = await finish(call, await begin(call))
    assert said.data["verdict"] == "WINNER"
    assert told(said, "stopped_early") == []


async def test_a_winner_that_hardly_took_time_is_neutral(project: Path) -> None:
    training = table().wall("baseline", [10.0] * 5).wall("exp_muon", [1.0, 9.0, 9.0])
    async with quick_tools(project, InProcessEngine(training)) as call:
        await call.measure_baseline()
        first = await begin(call)
        said = await finish(call, first)
        report = await reported(call, project)
    assert told(first, "did_not_train") == told(said, "did_not_train") != []
    assert said.data["headline"] == "NEUTRAL (capped: did not train): 6.32 sigma better"
    assert "seed 42 lasted 1.00 s, below a fifth of the baseline's mean, 10.00 s" in report


async def test_under_screening_a_winner_is_capped_at_its_first_look(project: Path) -> None:
    (project / "seedproof.toml").write_text('[rules]\ndesign = "screening"\n')
    training = table()
    training.steps = {("exp_muon", seed): 80 for seed in SEEDS}
    training.wall("exp_muon", [1.6] * 3)
    async with quick_tools(project, InProcessEngine(training)) as call:
        await call.measure_baseline()
        said = await finish(call, await begin(call))
    assert said.data["headline"] == ("NEUTRAL (capped: stopped early) (screening design): 6.32 sigma better")
    assert said.data["next"]["tool"] == "write_report"


async def test_a_loser_that_stopped_early_stays_one(project: Path) -> None:
    training = table((4.2, 4.2, 4.2))
    training.steps = {("exp_muon", seed): 80 for seed in SEEDS}
    training.wall("exp_muon", [1.6] * 3)
    async with quick_tools(project, InProcessEngine(training)) as call:
        await call.measure_baseline()
        said = await finish(call, await begin(call))
    assert said.data["headline"].startswith("LOSER: ") and said.data["caps"] == []
    assert len(told(said, "stopped_early")) == 1


async def stop_first(call: Caller, engine: InProcessEngine, reason: str = "it looks bad") -> Answer:
    """Start the first seed of an experiment, and stop it once its value is to be seen."""
    engine.held = True
    running = await call("run_seed", experiment="muon", flags=["--lr", "0.02"], hypothesis="it helps", wait_s=0)
    stopped = await call("stop_run", run_id=running.data["run_id"], reason=reason)
    engine.held = False
    return stopped


async def test_a_seed_that_was_stopped_after_its_value_and_drawn_again_caps_and_is_printed(project: Path) -> None:
    training = table()
    training.losses["exp_muon", 42] = "4.1"
    engine = InProcessEngine(training)
    async with quick_tools(project, engine) as call:
        await call.measure_baseline()
        stopped = await stop_first(call, engine, "it looks bad\n# and more")
        assert stopped.data["next"]["arguments"] == {"experiment": "muon", "seed": 42, "attempt": 2}
        training.losses["exp_muon", 42] = "3.9"
        said = await finish(call, stopped)
        report = await reported(call, project)
    message = (
        "muon: attempt 1 at seed 42 was stopped after it had shown val_loss 4.1 (step 100): it looks bad # and more. "
        "With another attempt the seed is a second draw, and an improvement that rests on it is not trusted."
    )
    assert told(stopped, "cancelled_seed") == told(said, "cancelled_seed") == [message]
    assert said.data["headline"] == "NEUTRAL (capped: cancelled seed) (1 discarded attempt): 6.32 sigma better"
    assert f"- {message}\n" in report
    assert "| muon | 42 | 1 | cancelled | 4.1 | 1.00 | 100 | it looks bad # and more |" in report


async def test_a_repeat_that_shows_what_the_stopped_run_had_shown_is_no_second_draw(project: Path) -> None:
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await call.measure_baseline()
        stopped = await stop_first(call, engine, "the machine is needed")
        said = await finish(call, stopped)
        report = await reported(call, project)
    assert (said.data["verdict"], said.data["caps"], told(said, "cancelled_seed")) == ("WINNER", [], [])
    assert "discarded" not in said.data["headline"]
    assert "| muon | 42 | 1 | cancelled | 3.9 | 1.00 | 100 | the machine is needed |" in report
    assert records(project, "run_finished")[5]["repeats"] == [1]


async def test_a_seed_that_was_stopped_before_any_value_caps_nothing(project: Path) -> None:
    training = table()
    training.losses["exp_muon", 42] = "crash"
    engine = InProcessEngine(training)
    async with quick_tools(project, engine) as call:
        await call.measure_baseline()
        stopped = await stop_first(call, engine, "wrong folder")
        training.losses["exp_muon", 42] = "3.9"
        said = await finish(call, stopped)
        report = await reported(call, project)
    assert (said.data["verdict"], told(said, "cancelled_seed")) == ("WINNER", [])
    assert told(said, "attempt_without_result") == [
        "muon: attempt 1 at seed 42 cancelled without any val_loss: wrong folder."
    ]
    assert "| muon | 42 | 1 | cancelled | - | 1.00 | - | wrong folder |" in report


async def test_a_seed_of_the_baseline_that_was_drawn_again_is_told_at_once_and_caps(project: Path) -> None:
    training = table()
    right, training.losses["baseline", 42] = training.losses["baseline", 42], "3.5"
    engine = InProcessEngine(training)
    engine.held = True
    async with quick_tools(project, engine) as call:
        running = await call("run_seed", wait_s=0)
        await call("stop_run", run_id=running.data["run_id"], reason="it looks good")
        engine.held = False
        training.losses["baseline", 42] = right
        await call("run_seed", seed=42, attempt=2)
        await call.measure_baseline()
        status = await call("check_baseline")
        await call("write_report")
        said = await finish(call, await begin(call))
    (early,) = told(status, "cancelled_seed")
    assert early.startswith("baseline: attempt 1 at seed 42 was stopped after it had shown val_loss 3.5 (step 100)")
    assert said.data["headline"] == "NEUTRAL (capped: cancelled seed) (1 discarded attempt): 6.32 sigma better"
    assert early in (project / "docs/research/baseline_variance_1M.md").read_text()


# --- probes ---------------------------------------------------------------------------------------


async def test_a_flag_without_effect_is_told_from_the_first_seed_on(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table(BASE[:3]))) as call:
        await call.measure_baseline()
        first = await begin(call)
        said = await finish(call, first)
        report = await reported(call, project)
        null = await begin(call, "nothing", "--lr", "0.02", hypothesis="null: the same again")
    assert told(first, "no_effect_flag")[0].startswith("muon: 1 of 1 seeds gave the baseline's val_loss")
    (message,) = told(said, "no_effect_flag")
    assert message.startswith("muon: 5 of 5 seeds gave the baseline's val_loss to the last digit; the flags have no")
    assert message in report
    assert told(null, "no_effect_flag") == []


async def test_two_seeds_with_the_same_value_are_told(project: Path) -> None:
    training = Table().arm("baseline", (4.0, 4.0137, 3.99, 4.0137, 3.98))
    async with quick_tools(project, InProcessEngine(training)) as call:
        await call.measure_baseline()
        status = await call("check_baseline")
    assert told(status, "same_values") == [
        "baseline: seeds 137, 512 gave the same val_loss, 4.0137; is each of them a training of its own?"
    ]


async def test_evaluations_of_another_size_are_told_from_counts_in_the_ledger(project: Path) -> None:
    training = table()
    training.prints = {("baseline", seed): "val_tokens: 1,048,576 | eval_batches: 8\n" for seed in SEEDS}
    training.prints |= {("exp_muon", seed): "val_tokens: 65536 | eval_batches: 8\n" for seed in SEEDS}
    async with quick_tools(project, InProcessEngine(training)) as call:
        await call.measure_baseline()
        first = await begin(call)
        said = await finish(call, first)
        report = await reported(call, project)
    assert records(project, "run_finished")[0]["counts"] == {"val_tokens": "1048576", "eval_batches": "8"}
    assert told(first, "eval_size_differs")[0].startswith(
        "muon: val_tokens is 65536 at seed 42, in the baseline 1048576;"
    )
    assert said.data["verdict"] == "WINNER"  # told, not capped
    assert told(said, "eval_size_differs")[0] in report


async def test_a_log_that_another_arm_left_before_is_told(project: Path) -> None:
    base, better = (4.0012, 4.0113, 3.9921, 4.0207, 3.9809), (3.9012, 3.9117, 3.8923)
    training = Table().arm("baseline", base).arm("exp_a", better).arm("exp_b", better)
    async with quick_tools(project, InProcessEngine(training)) as call:
        await call.measure_baseline()
        alone = await finish(call, await begin(call, "a", "--lr", "1"))
        first = await begin(call, "b", "--wd", "1")
        said = await finish(call, first)
        report = await reported(call, project, "b")
        idle = await begin(call, "idle", "--idle")
        null = await begin(call, "null", "--idle", hypothesis="null: nothing")
    assert told(alone, "identical_logs") == []
    assert told(first, "identical_logs") == ["b: the log of seed 42 is that of a seed 42, byte for byte."]
    assert len(told(said, "identical_logs")) == 3
    assert told(said, "identical_logs")[2] in report
    assert told(idle, "identical_logs") == ["idle: the log of seed 42 is that of baseline seed 42, byte for byte."]
    # A null experiment repeats the baseline, as was declared; why it is that of another experiment is a question.
    assert told(null, "identical_logs") == ["null: the log of seed 42 is that of idle seed 42, byte for byte."]


async def test_logs_of_one_line_are_no_copies_where_the_metric_is_coarse(project: Path) -> None:
    """Two decimals beside a sigma of 0.0158: the values, and with them the logs, are equal by chance."""
    training = Table().arm("baseline", (4.0, 4.01, 3.99, 4.01, 3.98)).arm("exp_a", (3.98, 4.02, 3.97, 4.03, 4.04))
    async with quick_tools(project, InProcessEngine(training)) as call:
        await call.measure_baseline()
        said = await finish(call, await begin(call, "a", "--lr", "1"))
    assert told(said, "identical_logs") == told(said, "same_values") == []
    assert told(said, "ties_expected") == [
        "baseline: val_loss comes in steps of 0.01, and sigma is 0.013, so equal values are expected (seeds 137, 512: "
        "4.01)."
    ]


async def test_fresh_runs_whose_flags_change_nothing_are_told_by_their_logs(project: Path) -> None:
    training = Table().arm("baseline", BASE).arm("exp_a", BETTER).arm("exp_b", [value + 0.001 for value in BETTER])
    plain, held = (4.003, 4.013, 3.993), (3.903, 3.913, 3.893)
    for name, values in (("control_a", plain), ("confirm_a", held), ("confirm_b", plain)):
        training.arm(name, values, FRESH)
    async with quick_tools(project, InProcessEngine(training)) as call:
        await call.measure_baseline()
        begun = [await begin(call, name, flag, "1") for name, flag in (("a", "--lr"), ("b", "--wd"))]
        for answer in begun:
            first = await finish(call, answer)
            said = await finish(call, first)
    # The controls are a's: both were declared before the fresh seeds were drawn.
    assert told(said, "identical_logs") == [
        f"b: the log of seed {seed} is that of a seed {seed} without flags, byte for byte." for seed in FRESH
    ]


# --- earlier tries --------------------------------------------------------------------------------


async def test_the_same_flags_under_another_name_are_told_where_the_first_showed_nothing(project: Path) -> None:
    training = table().arm("exp_first", ["crash"] * 5)
    async with quick_tools(project, InProcessEngine(training)) as call:
        await call.measure_baseline()
        await begin(call, "first", "--lr=0.02")
        renamed = await begin(call)
        said = await finish(call, renamed)
        report = await reported(call, project)
    (declared,) = (one["seq"] for one in records(project, "experiment_declared") if one["experiment"] == "first")
    message = f"muon: the same flags were declared before as first (#{declared}: --lr=0.02; showed no val_loss)."
    assert told(renamed, "declared_before") == told(said, "declared_before") == [message]
    assert f"- {message}\n" in report


async def test_near_duplicates_are_told_with_names_and_values_and_later_with_verdicts(
    project: Path,
) -> None:
    training = table((4.1, 4.11, 4.12), "exp_first").arm("exp_muon", BETTER)
    async with quick_tools(project, InProcessEngine(training)) as call:
        await call.measure_baseline()
        judged = await finish(call, await begin(call, "first", "--lr", "0.02"))
        near = await begin(call, "muon", "--lr", "0.022")
        second = await call("run_seed", experiment="muon")
        said = await finish(call, second)
        report = await reported(call, project)
        far = await begin(call, "far", "--lr", "0.2")
    assert told(judged, "near_duplicate") == [] == told(far, "near_duplicate")
    (early,) = told(near, "near_duplicate")
    assert re.search(r"declared before as first \(#\d+: --lr 0\.02; judged\);", early)
    assert not VERDICTS.search(near.text)
    assert told(second, "near_duplicate") == []  # said once, with the declaration
    (late,) = told(said, "near_duplicate")
    assert f"--lr 0.02; {judged.data['headline']})" in late
    assert late in report


async def test_flags_of_an_earlier_generation_are_told_with_their_generation(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await finish(call, await begin(call))
        await call("run_seed", new_baseline="a new driver")
        await call.measure_baseline()
        again = await begin(call)
        near = await begin(call, "near", "--lr", "0.021")
    assert re.search(r"as muon \(#\d+, generation 1: --lr 0\.02; judged\)\.", told(again, "declared_before")[0])
    message = told(near, "near_duplicate")[0]
    assert re.search(r"as muon \(#\d+, generation 1: .*; judged\); muon \(#\d+: .*; 1 run showed val_loss", message)


async def test_a_long_sweep_is_told_by_its_newest_and_their_number(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(Table().arm("baseline", BASE))) as call:
        await call.measure_baseline()
        for place in range(7):
            last = await begin(call, f"n{place}", "--lr", f"{0.02 + place / 10_000}")
    (message,) = told(last, "near_duplicate")
    assert "as n1 (#" in message and "n5 (#" in message and ", and 1 more before these; the more" in message


async def test_flags_with_telling_names_are_told_at_the_declaration_in_the_verdict_and_in_the_report(
    project: Path,
) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        first = await begin(call, "muon", "--max_steps", "1", "--value_lr", "0.1")
        second = await call("run_seed", experiment="muon")
        said = await finish(call, second)
        report = await reported(call, project)
        plain = await begin(call, "plain", "--value_lr", "0.5")
    (message,) = told(first, "flag_suspect")
    assert message.startswith("muon: by its name --max_steps may change evaluation, data or length")
    assert (told(second, "flag_suspect"), told(said, "flag_suspect")) == ([], [message])
    assert message in report
    assert told(plain, "flag_suspect") == []


async def test_a_report_is_restored_byte_for_byte_after_neighbours_were_declared(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await finish(call, await begin(call))
        report = await reported(call, project)
        await begin(call, "near", "--lr", "0.021")
        path = project / "docs/research/experiment_muon_1M.md"
        path.unlink()
        assert await reported(call, project) == report


async def test_no_reply_before_a_verdict_speaks_of_one(project: Path) -> None:
    engine = InProcessEngine(table(BASE[:3]))
    async with quick_tools(project, engine) as call:
        await call.measure_baseline()
        await call("run_seed", experiment="first", flags=["--steps", "1"], hypothesis="it helps")
        stopped = await stop_first(call, engine)
        replies = [stopped, await call("run_seed", experiment="muon", seed=42, attempt=2)]
        replies.append(await begin(call, "near", "--lr", "0.021"))
        replies.append(await call("check_baseline"))
    for reply in replies:
        assert not VERDICTS.search(json.dumps(reply.data["notices"]))
