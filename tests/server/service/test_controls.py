"""Control runs through the tools: edited code is shown to be unchanged without flags, or the baseline is stale."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import Answer, Caller
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.repositories import git
from tests.support.seeds import SEEDS
from tests.support.studies import (
    BASE,
    SCRIPT,
    THREE,
    a_repository,
    declare,
    edit,
    records,
    specs,
    table,
    write_settings,
)
from tests.support.tables import Table

pytestmark = pytest.mark.anyio

CONTROL = {"experiment": "a", "role": "control"}
SAYS_A_VERDICT = re.compile(r"WINNER|NEUTRAL|LOSER|\d\.\d")


@pytest.fixture
def project() -> Iterator[Path]:
    with a_repository() as folder:
        yield folder


def off(value: float = 5.0) -> Table:
    """The edit alone moves the result of a."""
    return table().arm("control_a", [value])


async def moved(call: Caller, project: Path) -> Answer:
    """A baseline, an edit, and a flags experiment on the edited code."""
    await call.measure_baseline()
    edit(project)
    return await declare(call)


# --- the way through ------------------------------------------------------------------------------


async def test_an_edit_between_arms_asks_for_one_control_and_following_next_completes_the_protocol(
    project: Path,
) -> None:
    engine = InProcessEngine(table().arm("exp_a", (4.10, 4.11, 4.12)))
    async with quick_tools(project, engine) as call:
        answer = await moved(call, project)
        assert answer.code == "control_due"
        assert "train_llm.py" in answer.text
        assert answer.next == "run_seed(experiment='a', role='control')"
        (row,) = (await call("list_experiments")).data["experiments"]
        assert (row["experiment"], row["state"], row["seeds_needed"]) == ("a", "declared", 3)
        answer = await call("list_experiments")
        called = []
        while not answer.data["next"]["you_choose"]:
            following = answer.data["next"]
            called.append((following["tool"], following["arguments"].get("role") or following["arguments"].get("seed")))
            answer = await call(following["tool"], **following["arguments"])
            assert not answer.is_error, answer.text
    measured = [("run_seed", seed) for seed in THREE]
    # The baseline's report is still open, and comes before a new experiment.
    judged = [("compare", None), ("write_report", None), ("write_report", None)]
    assert called == [("run_seed", "control"), *measured, *judged]
    text = (project / "docs/research/experiment_a_1M.md").read_text()
    assert "  - `train_llm.py` (+1 -1)" in text
    assert "- Control run `g1-control-a-s42-a1`: succeeded, val_loss 4.0 on code" in text
    assert "gave 4.0 and agrees with the baseline: asked was 4 ± 0.0797" in text


async def test_the_control_is_one_run_without_flags_in_the_snapshot_of_the_experiment(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await moved(call, project)
        answer = await call("run_seed", **CONTROL)
        assert (answer.data["state"], answer.data["seed"], answer.data["role"]) == ("succeeded", 42, "control")
        assert (answer.data["arm"], answer.data["remaining"]) == ("baseline", 3)
        assert [one["code"] for one in answer.data["notices"]].count("control_passed") == 1
        assert answer.next == "run_seed(experiment='a', seed=42)"
    (declared,) = records(project, "experiment_declared")
    spec = specs(project)["g1-control-a-s42-a1"]
    assert spec["cwd"] == str(ProjectPaths(project).worktree(declared["code"]["snapshot"]))
    assert "--lr" not in spec["argv"]
    assert spec["argv"][-1] == str(project / "checkpoints/control_a_1M_seed42")
    assert (Path(spec["cwd"]) / SCRIPT).read_text() == "steps = 2\n"


async def test_a_second_experiment_on_the_same_code_needs_no_control_of_its_own(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await moved(call, project)
        await declare(call, "b")
        await call("run_seed", **CONTROL)
        answer = await call("run_seed", experiment="b")
        assert answer.data["state"] == "succeeded"
        assert (await call("run_seed", experiment="b", role="control")).code == "control_not_due"


async def test_another_edit_needs_a_control_of_its_own(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await moved(call, project)
        await call("run_seed", **CONTROL)
        edit(project, "steps = 3\n")
        assert (await declare(call, "b")).code == "control_due"


@pytest.mark.parametrize("name", ["README.md", "docs/research/notes.md", ".mcp.json", "notes/today.txt"])
async def test_files_that_cannot_change_a_run_ask_for_nothing_and_one_snapshot_is_enough(
    project: Path, name: str
) -> None:
    write_settings(project, settings='not_code = ["notes/*"]')
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        edit(project, "what I think\n", name)
        assert (await declare(call)).data["state"] == "succeeded"
        edit(project, "what I think now\n", name)
        assert (await call("run_seed", experiment="a", seed=137)).data["state"] == "succeeded"
    codes = [
        record["code"] for kind in ("generation_started", "experiment_declared") for record in records(project, kind)
    ]
    assert codes[0] == codes[1]
    assert len({spec["cwd"] for spec in specs(project).values()}) == 1
    assert git(project, "for-each-ref", "refs/seedproof").count("\n") == 1


# --- attempts at a control ------------------------------------------------------------------------


async def test_a_control_that_another_experiment_has_tried_since_can_be_asked_for_again(project: Path) -> None:
    lives = table().arm("control_a", ["crash"]).arm("control_b", ["crash"])
    async with quick_tools(project, InProcessEngine(lives)) as call:
        await moved(call, project)
        await declare(call, "b")
        await call("run_seed", **CONTROL)
        assert (await call("run_seed", experiment="b", role="control")).data["state"] == "failed"
        again = await call("run_seed", **CONTROL)
        assert (again.data["run_id"], again.data["state"]) == ("g1-control-a-s42-a2", "failed")


async def test_an_edit_that_was_taken_back_needs_no_control_and_the_refusal_names_the_way_on(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        before = (project / SCRIPT).read_text()
        await moved(call, project)
        edit(project, before)
        answer = await call("run_seed", **CONTROL)
        assert (answer.code, answer.next) == ("control_not_due", "run_seed(experiment='a')")
        assert (await call("run_seed", experiment="a")).data["state"] == "succeeded"


async def test_asking_again_joins_the_control_that_is_running(project: Path) -> None:
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await moved(call, project)
        engine.held = True
        first = await call("run_seed", **CONTROL, wait_s=0)
        edit(project, "steps = 3\n")
        again = await call("run_seed", **CONTROL, wait_s=0)
        assert first.data["state"] == again.data["state"] == "running"
        assert first.data["run_id"] == again.data["run_id"]
        assert again.next == "run_seed(experiment='a', role='control', attempt=1)"
        engine.held = False
        engine.release()
        assert (await call("run_seed", **CONTROL, attempt=1)).data["state"] == "succeeded"
        assert (await call("run_seed", experiment="a")).data["state"] == "succeeded"
    assert len(records(project, "run_requested")) == 8, "five seeds and their probe, a control, a seed"


async def test_a_control_that_crashed_is_tried_again_on_the_mended_code_under_the_next_number(project: Path) -> None:
    lives = table().arm("control_a", ["crash"])
    async with quick_tools(project, InProcessEngine(lives)) as call:
        await moved(call, project)
        crashed = await call("run_seed", **CONTROL)
        assert crashed.data["state"] == "failed"
        assert crashed.next == "run_seed(experiment='a', role='control', attempt=2)"
        edit(project, "steps = 3\n")
        crashed = await call("run_seed", **CONTROL, attempt=2)
        assert (crashed.data["state"], crashed.data["attempt"]) == ("failed", 2)
        edit(project, "steps = 2\n")
        lives.losses.pop(("control_a", 42))
        assert (await call("run_seed", **CONTROL, attempt=4)).code == "attempt_not_allowed"
        passed = await call("run_seed", **CONTROL, attempt=3)
        assert (passed.data["state"], passed.data["attempt"]) == ("succeeded", 3)
        assert (await call("run_seed", **CONTROL, attempt=1)).data["state"] == "failed"
        assert (await call("run_seed", experiment="a")).data["state"] == "succeeded"
    requests = [record for record in records(project, "run_requested") if record["role"] == "control"]
    assert [bool(record.get("code")) for record in requests] == [False, True, True]


async def test_a_stopped_control_is_printed_and_tried_again(project: Path) -> None:
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await moved(call, project)
        engine.held = True
        run = await call("run_seed", **CONTROL, wait_s=0)
        stopped = await call("stop_run", run_id=run.data["run_id"], reason="in a hurry")
        assert stopped.next == "run_seed(experiment='a', role='control', attempt=2)"
        assert (await call("run_seed", experiment="a")).code == "control_due"
        engine.held = False
        await call("run_seed", **CONTROL, attempt=2)
        await call.measure("a", "--lr", "a")
        await call("write_report", experiment="a")
    text = (project / "docs/research/experiment_a_1M.md").read_text()
    assert "- Control run `g1-control-a-s42-a1`: cancelled" in text
    assert "- Control run `g1-control-a-s42-a2`: succeeded" in text


async def test_a_control_that_fails_twice_after_a_value_makes_the_baseline_stale(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table().arm("control_a", ["fail 4.0"]))) as call:
        await moved(call, project)
        assert (await call("run_seed", **CONTROL)).next.endswith("attempt=2)")
        edit(project, "steps = 3\n")  # after a value, nothing is mended
        last = await call("run_seed", **CONTROL, attempt=2)
        assert last.next == "run_seed(experiment='a', flags=…, hypothesis=…)"
        refused = await call("run_seed", experiment="a")
        assert refused.code == "baseline_stale"
        assert "failed for good" in refused.text
    assert all("code" not in record for record in records(project, "run_requested"))


# --- where training repeats itself ----------------------------------------------------------------


@pytest.mark.parametrize(("value", "ideas", "code"), [(4.01, 1, "experiment_measured"), (4.0, 0, None)])
async def test_an_edit_whose_control_told_what_it_does_is_an_idea_and_stays(
    project: Path, value: float, ideas: int, code: str | None
) -> None:
    async with quick_tools(project, InProcessEngine(table().arm("control_a", [value]))) as call:
        await moved(call, project)
        await call("run_seed", **CONTROL)
        withdrawn = await call("stop_run", experiment="a", reason="another edit is better")
        listed = await call("list_experiments")
    assert (withdrawn.code, listed.data["campaign"]["declared"]) == (code, ideas)


async def test_where_the_same_code_and_seed_have_given_the_same_value_the_control_must_equal_it(project: Path) -> None:
    near = table().arm("control_a", [4.0001])
    async with quick_tools(project, InProcessEngine(near)) as call:
        await call.measure_baseline()
        nothing = {"flags": [], "hypothesis": "null: to see whether training repeats itself"}
        await call("run_seed", experiment="same", **nothing)
        edit(project)
        await declare(call)
        answer = await call("run_seed", **CONTROL)
        (notice,) = [one for one in answer.data["notices"] if one["code"] == "control_failed"]
        assert "exactly 4.0, as the same code and seed repeat themselves on this machine" in notice["message"]
        assert (await call("run_seed", experiment="a")).code == "baseline_stale"


async def test_one_pair_that_differs_takes_the_demand_for_equality_away(project: Path) -> None:
    near = table().arm("control_a", [4.0001]).arm("exp_same", [4.0, 4.0101])
    async with quick_tools(project, InProcessEngine(near)) as call:
        await call.measure_baseline()
        nothing = {"flags": [], "hypothesis": "null: to see whether training repeats itself"}
        await call("run_seed", experiment="same", **nothing)
        await call("run_seed", experiment="same", seed=137)
        edit(project)
        await declare(call)
        answer = await call("run_seed", **CONTROL)
        assert [one["code"] for one in answer.data["notices"]].count("control_passed") == 1


# --- a control that is off ------------------------------------------------------------------------


TAKE_BACK = "run_seed(experiment='a', flags=…, hypothesis=…)"


async def stale(call: Caller, project: Path) -> Answer:
    await moved(call, project)
    return await call("run_seed", **CONTROL)


async def test_a_control_that_is_off_makes_the_baseline_stale_and_no_refusal_says_a_number(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(off())) as call:
        answer = await stale(call, project)
        assert answer.next == TAKE_BACK
        assert "To keep the edit, run_seed(new_baseline=…)." in answer.text
        assert "control_failed" in answer.text
        for tool, arguments in (("run_seed", {}), ("compare", {}), ("write_report", {})):
            refused = await call(tool, experiment="a", **arguments)
            assert refused.code == "baseline_stale", refused.text
            assert refused.next == TAKE_BACK
            assert not SAYS_A_VERDICT.search(refused.text)
        assert (await call("run_seed", **CONTROL)).code == "control_not_due"
        status = await call("check_baseline")
        assert (status.data["phase"], status.next) == ("stale", TAKE_BACK)
        assert "control of a" in status.data["reason"]
        (row,) = (await call("list_experiments")).data["experiments"]
        assert (row["state"], row["seeds_needed"]) == ("failed", 0)
        assert "control" in row["reason"]


async def test_once_the_edit_is_taken_back_the_same_name_is_declared_again_and_the_baseline_applies(
    project: Path,
) -> None:
    async with quick_tools(project, InProcessEngine(off())) as call:
        await stale(call, project)
        same = await declare(call)
        edit(project, "steps = 1\n")
        answer = await declare(call)
        assert (same.code, answer.data["state"]) == ("baseline_stale", "succeeded")
        assert (await call("check_baseline")).data["phase"] == "ready"


async def test_a_new_experiment_on_the_same_code_is_stale_at_once_and_nothing_is_declared(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(off())) as call:
        await stale(call, project)
        assert (await declare(call, "b")).code == "baseline_stale"
    assert [record["experiment"] for record in records(project, "experiment_declared")] == ["a"]


async def test_the_same_change_declared_as_a_change_of_code_is_measured(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(off())) as call:
        await stale(call, project)
        answer = await declare(call, "b", flags=None, code_change=True)
        assert answer.data["state"] == "succeeded"
        assert (await call("check_baseline")).data["phase"] == "ready"


async def test_taking_the_change_back_works_under_another_name(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(off())) as call:
        await stale(call, project)
        edit(project, "steps = 1\n")
        assert (await call("run_seed", experiment="a")).code == "baseline_stale"
        assert (await declare(call, "b", flags=["--lr", "a"])).data["state"] == "succeeded"
        assert (await call("check_baseline")).data["phase"] == "ready"


async def test_a_new_generation_works_and_its_reports_print_the_control_that_was_off(project: Path) -> None:
    engine = InProcessEngine(off())
    async with quick_tools(project, engine) as call:
        await stale(call, project)
        answer = await call("run_seed", new_baseline="the script has changed")
        assert answer.data["run_id"].startswith("g2-")
        await call.measure_baseline()
        assert (await call("check_baseline")).data["phase"] == "ready"
        await call.measure("a", "--lr", "a")
        assert (await call("compare", experiment="a")).data["verdict"] == "WINNER"
        await call("write_report", experiment="a")
    text = (project / "docs/research/experiment_a_1M.md").read_text()
    assert "- Control run `g1-control-a-s42-a1`: succeeded, val_loss 5.0" in text
    assert "No file that can change a run differs between them." in text


async def test_experiments_that_were_measured_before_keep_their_baseline(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(off())) as call:
        await call.measure_baseline()
        await declare(call, "b")
        edit(project)
        await declare(call)
        await call("run_seed", **CONTROL)
        assert (await call("check_baseline")).data["phase"] == "stale"
        for seed in THREE[1:]:
            assert (await call("run_seed", experiment="b", seed=seed)).data["state"] == "succeeded"
        assert (await call("compare", experiment="b")).data["verdict"] == "WINNER"


async def test_a_diverged_control_makes_the_baseline_stale(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table().arm("control_a", ["nan"]))) as call:
        await stale(call, project)
        assert (await call("run_seed", experiment="a")).code == "baseline_stale"


# --- before and beside ----------------------------------------------------------------------------


async def test_an_experiment_that_waits_for_its_control_has_no_verdict_and_no_run(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await moved(call, project)
        refusals: dict[str, Any] = {}
        for tool, arguments in (
            ("compare", {}),
            ("write_report", {}),
            ("run_seed", {"seed": 42}),
            ("run_seed", {"queue_all": True}),
        ):
            refused = await call(tool, experiment="a", **arguments)
            refusals[refused.code or ""] = refused.next
            assert not SAYS_A_VERDICT.search(refused.text)
        assert set(refusals) == {"experiment_incomplete", "control_due"}
        assert set(refusals.values()) == {"run_seed(experiment='a', role='control')"}
        assert (await call("run_seed", experiment="a", role="confirm")).code == "confirm_not_due"
    assert len(records(project, "run_requested")) == len(BASE) + 1, "the seeds, and their probe"


async def test_words_about_an_experiment_cannot_change_with_its_control(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await moved(call, project)
        for change in ({"flags": ["--lr", "z"]}, {"hypothesis": "other"}, {"code_change": True}):
            assert (await call("run_seed", **CONTROL, **change)).code == "flags_changed"
        assert (await call("run_seed", experiment="new", role="control")).code == "experiment_unknown"


async def test_a_folder_in_the_way_of_a_control_is_named(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await moved(call, project)
        (project / "checkpoints/control_a_1M_seed42").mkdir()
        refused = await call("run_seed", **CONTROL)
        assert refused.code == "output_exists"
        assert refused.next == "run_seed(experiment='a', role='control')"


async def test_the_clean_up_removes_the_folder_of_the_control(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await moved(call, project)
        await call("run_seed", **CONTROL)
        await call.measure("a", "--lr", "a")
        written = await call("write_report", experiment="a")
        assert "checkpoints/control_a_1M_seed42" in written.data["removed"]


async def test_a_queued_control_whose_code_has_its_result_meanwhile_is_not_needed(project: Path) -> None:
    """Two sessions may ask at once; the first result counts."""
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await moved(call, project)
        await declare(call, "b")
        engine.held = True
        first = await call("run_seed", **CONTROL, wait_s=0)
        second = await call("run_seed", experiment="b", role="control", wait_s=0)
        assert first.data["run_id"] == second.data["run_id"]


async def test_the_larger_baseline_after_an_edit_takes_nothing_over(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table().arm("baseline", [4.03], [2048]))) as call:
        await call.measure_baseline()
        edit(project)
        write_settings(project, rules=f"baseline_seeds = {[*SEEDS, 2048]}")
        await call("run_seed", new_baseline="one more seed")
    started = records(project, "generation_started")[-1]
    assert started["adopted"] == []
    assert "ran with another code_sha256" in started["adoption"]
