"""Stumbling leaves no mark: generations without a value, experiments that are withdrawn, and what stays caught."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.verify.checks import Outcome
from seedproof_mcp.verify.verify import verify

from tests.support.callers import Answer, Caller
from tests.support.in_process import InProcessEngine, Training, option, quick_tools
from tests.support.studies import records
from tests.support.tables import Table

BASE = (4.00, 4.01, 3.99, 4.02, 3.98)
COMMAND = '["{{python}}", "train_llm.py", "{option}", "{{seed}}", "{{flags}}", "--output_dir", "{{output_dir}}"]'
METRIC = "[rules.metric]\nname = 'val_loss'\npattern = '{label}: (?P<value>[0-9.]+)'\n"


class Script:
    """A training with a table of values that knows `--seed` and `--lr` alone."""

    def __init__(self) -> None:
        self.table = Table().arm("baseline", BASE).arm("exp_a", (3.90, 3.91, 3.92))
        self.label = "val_loss"
        self.trained = 0

    def __call__(self, argv: Sequence[str]) -> Training:
        unknown = [one for one in argv if one.startswith("--") and one not in ("--seed", "--lr", "--output_dir")]
        unknown = [one for one in unknown if one != "--train_tokens"]
        if unknown or not option(argv, "--seed"):
            return Training(f"usage: train_llm.py\nerror: unrecognized arguments: {' '.join(unknown)}\n", 2)
        self.trained += 1
        done = self.table(argv)
        return Training(done.log.replace("val_loss", self.label), done.exit_code)


def write(project: Path, option: str = "--seed", more: str = "") -> None:
    """The settings file, whose command has this option for the seed."""
    text = f"[rules]\ncommand = {COMMAND.format(option=option)}\n{more}"
    (project / "seedproof.toml").write_text(text)


def verified(project: Path) -> list[str]:
    """What `seedproof verify --regenerate` finds wrong."""
    checks = verify(ProjectPaths(project), regenerate=True)
    return [check.message for check in checks if check.outcome is Outcome.FAIL]


async def declare(call: Caller, name: str, *flags: str, **more: Any) -> Answer:
    return await call("run_seed", experiment=name, flags=list(flags), hypothesis="it helps", **more)


async def measured(call: Caller) -> None:
    assert (await call("run_seed", queue_all=True)).data["state"] == "succeeded"


# --- generations ----------------------------------------------------------------------------------


async def test_after_a_misspelt_command_the_corrected_one_runs_without_a_reason(quick_project: Path) -> None:
    write(quick_project, "--sed")
    async with quick_tools(quick_project, InProcessEngine(Script())) as call:
        failed = await call("run_seed")
        write(quick_project)
        void = await call("check_baseline")
        refused = await declare(call, "a", "--lr", "1")
        begun = await call("run_seed")
        await measured(call)
        report = await call("write_report")
    assert (failed.data["state"], void.data["phase"]) == ("failed", "void")
    assert [answer.next for answer in (void, refused)] == ["run_seed()"] * 2
    assert refused.code == "baseline_void"
    assert (begun.data["state"], begun.data["run_id"]) == ("succeeded", "g2-baseline-s42-a1")
    (_, second) = records(quick_project, "generation_started")
    assert (second["reason"], second["replaces_empty"]) == ("no run of generation 1 had a value", True)
    text = (quick_project / report.data["path"]).read_text()
    assert "- Earlier generation 1: 1 attempt, none of which had a value; differed in: command" in text
    assert "earlier generation of this baseline differed" not in text
    page = (quick_project / "docs/research/studies.md").read_text()
    assert "1 attempt without a value; generation 2 took its place" in page
    assert verified(quick_project) == []


async def test_the_call_that_a_failed_attempt_named_begins_anew_once_the_rules_are_mended(quick_project: Path) -> None:
    write(quick_project, "--sed")
    async with quick_tools(quick_project, InProcessEngine(Script())) as call:
        failed = await call("run_seed")
        write(quick_project)
        mended = await call("run_seed", **failed.data["next"]["arguments"])
    assert failed.data["next"]["arguments"] == {"seed": 42, "attempt": 2}
    assert (mended.data["run_id"], mended.data["state"]) == ("g2-baseline-s42-a1", "succeeded")


async def test_a_baseline_that_was_closed_by_equal_ends_is_begun_anew_once_its_cause_is_mended(
    quick_project: Path,
) -> None:
    script, engine = Script(), InProcessEngine(lambda argv: Training("No module named 'torch'\n", 1))
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed")
        closed = await call("run_seed", seed=42, attempt=2)
        engine.trains = script
        await measured(call)
    assert closed.next == "run_seed()"
    assert closed.data["next"]["why"].startswith("Begins the next generation once the cause is mended")
    assert [one["generation"] for one in records(quick_project, "generation_started")] == [1, 2]


async def test_queued_runs_end_with_a_generation_without_a_value(quick_project: Path) -> None:
    write(quick_project, "--sed")
    async with quick_tools(quick_project, InProcessEngine(Script())) as call:
        await call("run_seed")
        engine = InProcessEngine(Script())
    engine.held = True
    async with quick_tools(quick_project, engine) as call:
        waiting = await call("run_seed", queue_all=True, wait_s=0)
        write(quick_project)
        refused = await call("run_seed", queue_all=True, wait_s=0)
        await call("stop_run", run_id=waiting.data["run_id"], reason="misspelt")
        engine.held = False
        begun = await call("run_seed", queue_all=True)
    assert (waiting.data["state"], refused.code) == ("running", "baseline_void")
    assert f"once {waiting.data['run_id']} has ended or is stopped" in refused.text
    assert begun.data["run_id"] == "g2-baseline-s42-a1"
    ended = {one["run_id"] for kind in ("run_not_needed", "run_cancelled") for one in records(quick_project, kind)}
    assert len(ended) == len({run_id for run_id in ended if run_id.startswith("g1-")}) >= 4
    assert verified(quick_project) == []


@pytest.mark.parametrize("text", ["fail 4.2", "nan", "4.2"])
async def test_once_a_value_was_shown_a_reason_is_asked_for(quick_project: Path, text: str) -> None:
    script = Script()
    script.table.losses["baseline", 42] = text
    write(quick_project)
    async with quick_tools(quick_project, InProcessEngine(script)) as call:
        await call("run_seed")
        write(quick_project, more="winner_sigma = 2.5\n")
        refused = await call("run_seed")
        begun = await call("run_seed", new_baseline="another threshold")
    assert (refused.code, refused.next) == ("baseline_void", "run_seed(new_baseline=…)")
    assert begun.data["run_id"].startswith("g2-")
    assert "replaces_empty" not in records(quick_project, "generation_started")[1]


async def test_a_mended_metric_reads_the_kept_logs_before_anything_is_trained_again(quick_project: Path) -> None:
    script = Script()
    script.label = "score"
    write(quick_project, more=METRIC.format(label="nothing"))
    async with quick_tools(quick_project, InProcessEngine(script)) as call:
        await call("run_seed", seed=42)
        trained = script.trained
        write(quick_project, more=METRIC.format(label="score"))
        pending = await call("check_baseline")
        after = await call("run_seed", seed=42)
    assert pending.next == "run_seed()"
    assert pending.data["next"]["why"] == "Reads the kept logs again by the mended metric, without a training."
    assert (after.data["state"], after.data["metrics"]["val_loss"], script.trained) == ("succeeded", 4.0, trained)
    assert len(records(quick_project, "generation_started")) == 1


async def test_a_metric_that_was_not_found_and_is_nowhere_needs_no_reason(quick_project: Path) -> None:
    script = Script()
    script.table.prints["baseline", 42] = ""
    write(quick_project, more=METRIC.format(label="val_loss"))
    silent = InProcessEngine(lambda argv: Training("epoch done\n", 0))
    async with quick_tools(quick_project, silent) as call:
        first = await call("run_seed")
        await call("run_seed", seed=42, attempt=2)
        silent.trains = script
        await measured(call)
    assert first.data["state"] == "failed"
    assert [one["generation"] for one in records(quick_project, "generation_started")] == [1, 2]


# --- experiments ----------------------------------------------------------------------------------


async def test_four_misspelt_flags_count_as_no_idea_and_each_is_declared_anew_or_withdrawn(quick_project: Path) -> None:
    async with quick_tools(quick_project, InProcessEngine(Script())) as call:
        await measured(call)
        for number in range(4):
            failed = await declare(call, f"typo{number}", "--lrr", str(number))
        listed = await call("list_experiments")
        withdrawn = await call("stop_run", experiment="typo0", reason="misspelt --lr")
        again = await call("stop_run", experiment="typo0", reason="twice")
        gone = await call("run_seed", experiment="typo0")
        verdict = await call("compare", experiment="typo0")
        anew = await declare(call, "typo1", "--lr", "1")
        renewed = await declare(call, "typo0", "--lrr", "0")
        await call("stop_run", experiment="typo0", reason="misspelt again")
        after = await call("list_experiments")
    assert failed.next == "run_seed(experiment='typo3', flags=…, hypothesis=…)"
    assert 'run_seed(experiment="typo3", seed=42, attempt=2) tries it again' in failed.data["next"]["why"]
    assert "Ideas tried: 0\nNot counted: 4 experiments without any value" in listed.text
    assert withdrawn.data["state"] == "withdrawn" and not withdrawn.data["notices"]
    assert withdrawn.data["next"]["arguments"]["experiment"] == "typo1"
    assert again.data["reason"] == "misspelt --lr"
    assert (gone.code, verdict.code) == ("experiment_unknown",) * 2
    assert "typo0 was withdrawn (misspelt --lr); its name may be declared anew." in gone.text
    assert (anew.data["state"], renewed.data["attempt"]) == ("succeeded", 2)
    rows = {row["experiment"]: (row["state"], row["reason"], row["seeds_needed"]) for row in after.data["experiments"]}
    assert rows["typo0"] == ("withdrawn", "misspelt again", 0)
    assert (after.data["campaign"]["declared"], after.data["campaign"]["without_value"]) == (1, 3)
    assert len(records(quick_project, "experiment_withdrawn")) == 2
    assert verified(quick_project) == []


async def test_the_study_page_shows_a_withdrawn_experiment_with_its_reason(quick_project: Path) -> None:
    async with quick_tools(quick_project, InProcessEngine(Script())) as call:
        await measured(call)
        await declare(call, "typo", "--lrr", "1")
        await call("stop_run", experiment="typo", reason="misspelt | --lr\n# WINNER")
        await declare(call, "a", "--lr", "1", queue_all=True)
        said = await call("compare", experiment="a")
        report = await call("write_report", experiment="a")
    page = (quick_project / "docs/research/studies.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith("| typo |")]
    assert "| withdrawn: misspelt \\| --lr # WINNER | - |" in row
    assert "- Ideas tried: 1; 1 WINNER, 0 without a verdict\n- Not counted: 1 experiment without any value\n" in page
    assert "Ideas tried: 1." in (quick_project / report.data["path"]).read_text()
    assert {one["code"] for one in said.data["notices"]} == {"coarse_resolution"}  # of the table's short values
    assert verified(quick_project) == []


async def test_a_withdrawn_experiment_bars_nobody_and_its_queued_runs_are_cancelled(quick_project: Path) -> None:
    engine = InProcessEngine(Script())
    async with quick_tools(quick_project, engine) as call:
        await measured(call)
        engine.held = True
        await declare(call, "a", "--lr", "1", wait_s=0)
        begun = await declare(call, "typo", "--lrr", "1", queue_all=True, wait_s=0)
        withdrawn = await call("stop_run", experiment="typo", reason="misspelt")
        engine.held = False
        engine.release()
        await call("run_seed", experiment="a", seed=42)
        listed = await call("list_experiments")
        other = await declare(call, "other", "--lrr", "1")
    assert (begun.data["state"], withdrawn.data["state"]) == ("queued", "withdrawn")
    assert (listed.data["queued"], listed.data["running"]) == (0, None)
    assert len(records(quick_project, "run_cancelled")) == 3
    assert not other.is_error
    assert verified(quick_project) == []


async def test_an_experiment_with_values_whose_code_was_edited_in_place_is_closed_and_counts(
    quick_project: Path,
) -> None:
    script, table = quick_project / "train_llm.py", Table().arm("baseline", BASE).arm("exp_a", (3.90, 3.91, 3.92))
    script.write_text("steps = 1\n")
    async with quick_tools(quick_project, InProcessEngine(table)) as call:
        await measured(call)
        await declare(call, "a", "--lr", "1")
        early = await call("stop_run", experiment="a", reason="it goes badly")
        script.write_text("steps = 2\n")
        stuck = await call("run_seed", experiment="a")
        closed = await call("stop_run", experiment="a", reason="its code was edited")
        again = await call("stop_run", experiment="a", reason="twice")
        compared = await call("compare", experiment="a")
        script.write_text("steps = 1\n")
        twin = await declare(call, "b", "--lr", "1")
        row = (await call("list_experiments")).data["experiments"][0]
    assert (early.code, stuck.code) == ("experiment_measured", "not_comparable")
    assert (closed.data["state"], again.data["reason"]) == ("closed", "its code was edited")
    assert "it ends without a verdict, and counts as an idea tried" in closed.text
    assert "a was closed (its code was edited); it ends without a verdict." in compared.text
    assert (compared.code, twin.code) == ("arm_failed", "flags_duplicate")
    assert (row["state"], row["verdict"], row["reason"]) == ("closed", None, "its code was edited")
    assert verified(quick_project) == []


async def test_an_experiment_that_goes_on_and_has_shown_a_value_is_not_stopped_for_a_withdrawal(
    quick_project: Path,
) -> None:
    engine = InProcessEngine(Script())
    async with quick_tools(quick_project, engine) as call:
        await measured(call)
        engine.held = True
        await declare(call, "a", "--lr", "1", wait_s=0)
        refused = await call("stop_run", experiment="a", reason="it goes badly")
        empty = await call("stop_run", experiment="a", reason=" ")
        nothing = await call("stop_run", reason="it goes badly")
        engine.held = False
        engine.release()
        ended = await call("run_seed", experiment="a", seed=42)
    assert (refused.code, empty.code, nothing.code) == ("experiment_measured", "bad_arguments", "bad_arguments")
    assert ended.data["state"] == "succeeded"
    assert records(quick_project, "run_cancelled") == []
