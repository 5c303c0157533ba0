"""Changes of code as experiments, and agents that go on editing while their arms are trained."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from seedproof_mcp.system import spawn
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import Caller
from tests.support.confirmations import CONTROL, gains
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.seeds import FRESH_SIX, SEEDS
from tests.support.studies import (
    BETTER,
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

CHANGED: dict[str, Any] = {"flags": None, "code_change": True}


@pytest.fixture
def project() -> Iterator[Path]:
    with a_repository() as folder:
        yield folder


def scripts(project: Path) -> dict[str, str]:
    """What every run found as its training script, by its id."""
    return {run_id: (Path(spec["cwd"]) / SCRIPT).read_text().strip() for run_id, spec in specs(project).items()}


def seeds_of(project: Path, arm: str) -> list[str]:
    """The script that each seed of an arm was trained with, in the order of the seeds."""
    found = scripts(project)
    return [found[run] for run in sorted(found, key=lambda run: int(run.split("-s")[-1].split("-")[0])) if arm in run]


# --- a change of code as the experiment -----------------------------------------------------------


@pytest.mark.parametrize("flags", [None, ["--lr", "0.1"]], ids=["alone", "with flags"])
async def test_a_change_of_code_is_measured_and_its_difference_is_kept_and_told(
    project: Path, flags: list[str] | None
) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        edit(project, "steps = 2\nheads = 4\n")
        edit(project, "x = 1\n", "new file.py")
        await declare(call, flags=flags, code_change=True)
        for seed in THREE:
            await call("run_seed", experiment="a", seed=seed)
        assert (await call("compare", experiment="a")).data["verdict"] == "WINNER"
        await call("write_report", experiment="a")
        (row,) = (await call("list_experiments")).data["experiments"]
        assert row["code_change"] is True
    (declared,) = records(project, "experiment_declared")
    change = declared["change"]
    assert change["files"] == [["new file.py", 1, 0], [SCRIPT, 2, 1]]
    kept = ProjectPaths(project).diff(change["diff_sha256"]).read_bytes()
    assert hashlib.sha256(kept).hexdigest() == change["diff_sha256"]
    assert b"-steps = 1\n+steps = 2\n+heads = 4\n" in kept
    text = (project / "docs/research/experiment_a_1M.md").read_text()
    assert "  - `new file.py` (+1 -0)\n  - `train_llm.py` (+2 -1)\n" in text
    assert "`git apply docs/research/experiment_a_1M.diff`" in text
    assert "The change of code is what the experiment declares, so no control can be asked for." in text
    document = json.loads((project / "docs/research/experiment_a_1M.json").read_text())
    (begun,) = records(project, "generation_started")
    assert document["code_change"] is True
    assert document["code_sha256"] == begun["code"]["sha256"]
    assert document["experiment_code_sha256"] == declared["code"]["sha256"] != begun["code"]["sha256"]
    assert [spec["argv"].count("--lr") for run, spec in specs(project).items() if "exp-a" in run] == [
        0 if flags is None else 1
    ] * 3


async def test_a_change_that_changes_nothing_is_refused(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        edit(project, "what I think\n", "README.md")
        refused = await declare(call, **CHANGED)
        assert (refused.code, refused.next) == (
            "code_unchanged",
            "run_seed(experiment='a', flags=…, hypothesis=…)",
        )
    assert records(project, "experiment_declared") == []


@pytest.mark.parametrize(
    ("wrong", "code", "offered"),
    [
        ({"hypothesis": " "}, "hypothesis_missing", "run_seed(experiment='a', code_change=True, hypothesis=…)"),
        (
            {"flags": ["--seed", "7"]},
            "flag_protected",
            "run_seed(experiment='a', code_change=True, flags=…, hypothesis=…)",
        ),
        (
            {"seed": 7},
            "seed_unknown",
            "run_seed(experiment='a', code_change=True, seed=42, hypothesis=…)",
        ),
    ],
)
async def test_a_refused_declaration_is_offered_again_as_a_change_of_code(
    project: Path, wrong: dict[str, Any], code: str, offered: str
) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        edit(project)
        refused = await declare(call, **{**CHANGED, **wrong})
        assert (refused.code, refused.next) == (code, offered)


async def test_with_a_folder_in_its_way_a_change_of_code_is_offered_whole(project: Path) -> None:
    in_the_way = project / "checkpoints/exp_a_1M_seed42"
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        edit(project)
        in_the_way.mkdir()
        refused = await declare(call, **CHANGED)
        assert refused.code == "output_exists", refused.text
        in_the_way.rmdir()
        assert (await call("run_seed", **refused.data["next"]["arguments"])).data["state"] == "succeeded"
    assert [one["code_change"] for one in records(project, "experiment_declared")] == [True]


@pytest.mark.parametrize("place", ["snapshot", "in-place"])
async def test_an_edit_without_flags_is_refused_with_the_call_that_declares_it(project: Path, place: str) -> None:
    write_settings(project, settings=f'code = "{place}"')
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        edit(project)
        refused = await declare(call, flags=None)
        assert refused.text == (
            "flags_missing: a has no flags, and that the code is not the baseline's (train_llm.py) is not declared; "
            "code_change=true declares the edit as the experiment, with flags or without. "
            'Next: run_seed(experiment="a", code_change=true, hypothesis=…)'
        )
        assert records(project, "experiment_declared") == []
        followed = await call("run_seed", **refused.data["next"]["arguments"], hypothesis="more steps help")
        assert followed.data["state"] == "succeeded", followed.text
    assert [one["code_change"] for one in records(project, "experiment_declared")] == [True]


async def test_what_was_declared_with_flags_is_no_change_of_code_later(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await declare(call)
        edit(project)
        assert (await call("run_seed", experiment="a", code_change=True)).code == "flags_changed"
        await declare(call, "b", **CHANGED)
        assert (await call("run_seed", experiment="b", seed=137)).data["state"] == "succeeded"
        assert (await call("run_seed", experiment="b", flags=["--lr", "1"])).code == "flags_changed"


async def test_the_same_flags_are_tried_twice_only_where_the_code_differs(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        edit(project)
        await declare(call, **CHANGED)
        assert (await declare(call, "b", **CHANGED)).code == "flags_duplicate"
        assert (await declare(call, "c", code_change=True)).data["state"] == "succeeded"
        edit(project, "steps = 3\n")
        assert (await declare(call, "b", **CHANGED)).data["state"] == "succeeded"


# --- training while the agent goes on editing -----------------------------------------------------


async def test_all_seeds_of_an_arm_have_one_snapshot_however_the_files_change_meanwhile(project: Path) -> None:
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await call.measure_baseline()
        edit(project)
        engine.held = True
        await declare(call, **CHANGED, queue_all=True)
        for number in (3, 4):
            edit(project, f"steps = {number}\n")
            engine.release()
            await call("list_experiments")
            await call("run_seed", experiment="a", wait_s=0)
        edit(project, "steps = 5\n")
        engine.held = False
        engine.release()
        for seed in THREE:
            assert (await call("run_seed", experiment="a", seed=seed)).data["state"] == "succeeded"
        assert (await call("compare", experiment="a")).data["verdict"] == "WINNER"
    assert seeds_of(project, "exp-a") == ["steps = 2"] * 3
    assert seeds_of(project, "baseline") == ["steps = 1"] * 5


async def test_a_baseline_has_one_snapshot_too(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        for number, seed in enumerate(SEEDS, 1):
            edit(project, f"steps = {number}\n")
            await call("run_seed", seed=seed)
        assert (await call("check_baseline")).data["phase"] == "ready"
    assert seeds_of(project, "baseline") == ["steps = 1"] * 5


async def test_runs_that_wait_keep_their_code_while_another_is_requested(project: Path) -> None:
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await call.measure_baseline()
        edit(project)
        await declare(call, "b", **CHANGED)
        engine.held = True
        await call("run_seed", experiment="b", seed=137, wait_s=0)  # occupies the slot
        edit(project, "steps = 3\n")
        await declare(call, **CHANGED)
        for number, seed in enumerate(THREE[1:], 4):
            edit(project, f"steps = {number}\n")
            assert (await call("run_seed", experiment="a", seed=seed, wait_s=0)).data["state"] == "queued"
        engine.held = False
        engine.release()
        await call("run_seed", experiment="a", seed=THREE[-1])
    assert seeds_of(project, "exp-a") == ["steps = 3"] * 3


# --- a crash at the start can be mended -----------------------------------------------------------


@pytest.mark.parametrize("arm", ["baseline", "exp_a"])
async def test_after_a_crash_at_the_start_the_next_attempt_takes_the_mended_code(project: Path, arm: str) -> None:
    results = table()
    before, results.losses[arm, 42] = results.losses[arm, 42], "crash"
    async with quick_tools(project, InProcessEngine(results)) as call:
        name = {} if arm == "baseline" else {"experiment": "a"}
        if name:
            await call.measure_baseline()
            edit(project)
            assert (await declare(call, **CHANGED)).data["state"] == "failed"
        else:
            assert (await call("run_seed")).data["state"] == "failed"
        edit(project, "steps = 3\n")
        results.losses[arm, 42] = before
        mended = await call("run_seed", **name, seed=42, attempt=2)
        assert mended.data["state"] == "succeeded"
        edit(project, "steps = 4\n")
        await call("run_seed", **name, seed=137)
    second = next(one for one in records(project, "run_requested") if one["attempt"] == 2)
    assert specs(project)[second["run_id"]]["cwd"] == str(ProjectPaths(project).worktree(second["code"]["snapshot"]))
    assert ("change" in second) == bool(name)
    found = scripts(project)
    runs = [found[f"g1-{arm.replace('_', '-')}-s{key}"] for key in ("42-a1", "42-a2", "137-a1")]
    assert runs == ["steps = 2" if name else "steps = 1", "steps = 3", "steps = 3"]


async def test_after_a_value_the_next_attempt_has_the_code_of_the_first(project: Path) -> None:
    results = table()
    results.losses["exp_a", 42] = "fail 3.9"
    async with quick_tools(project, InProcessEngine(results)) as call:
        await call.measure_baseline()
        edit(project)
        assert (await declare(call, **CHANGED)).data["state"] == "failed"
        edit(project, "steps = 3\n")
        await call("run_seed", experiment="a", seed=42, attempt=2)
    assert seeds_of(project, "exp-a") == ["steps = 2"] * 2
    assert all("code" not in one for one in records(project, "run_requested"))


async def test_flags_that_crash_after_their_control_are_mended_and_the_mended_code_has_its_own_control(
    project: Path,
) -> None:
    results = table().arm("exp_a", ["crash", 3.91, 3.92], THREE)
    async with quick_tools(project, InProcessEngine(results)) as call:
        await call.measure_baseline()
        edit(project)
        await declare(call)
        await call("run_seed", experiment="a", role="control")
        edit(project, "steps = 3\n")  # after its control passed, the experiment keeps the code of it
        crashed = await call("run_seed", experiment="a", seed=42)
        assert crashed.next == "run_seed(experiment='a', seed=42, attempt=2)"
        results.losses["exp_a", 42] = "3.9"
        due = await call("run_seed", experiment="a", seed=42, attempt=2)
        assert (due.code, due.next) == ("control_due", "run_seed(experiment='a', role='control')")
        control = await call("run_seed", experiment="a", role="control")
        assert control.data["attempt"] == 2
        edit(project, "steps = 4\n")
        for arguments in ({"seed": 42, "attempt": 2}, {"seed": 137}, {"seed": 256}):
            answer = await call("run_seed", experiment="a", **arguments)
            assert answer.data["state"] == "succeeded", answer.text
        assert (await call("compare", experiment="a")).data["verdict"] == "WINNER"
        await call("write_report", experiment="a")
    found = scripts(project)
    assert found["g1-control-a-s42-a1"] == found["g1-exp-a-s42-a1"] == "steps = 2"
    assert {found[run] for run in found if "-a-" in run} == {"steps = 2", "steps = 3"}
    assert found["g1-exp-a-s256-a1"] == "steps = 3"
    assert (project / "docs/research/experiment_a_1M.md").read_text().count("- Control run `") == 2


async def test_a_change_that_is_taken_back_after_a_crash_is_no_change(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table().arm("exp_a", ["crash"]))) as call:
        await call.measure_baseline()
        edit(project)
        await declare(call, **CHANGED)
        edit(project, "steps = 1\n")
        refused = await call("run_seed", experiment="a", seed=42, attempt=2)
        assert refused.code == "code_unchanged"


async def test_a_crash_is_no_way_to_measure_tried_code_again_under_another_name(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table().arm("exp_b", ["crash"]))) as call:
        await call.measure_baseline()
        edit(project)
        await declare(call, **CHANGED)
        edit(project, "steps = 3\n")
        await declare(call, "b", **CHANGED)
        edit(project)
        refused = await call("run_seed", experiment="b", seed=42, attempt=2)
        assert refused.code == "flags_duplicate"


# --- what looking costs ---------------------------------------------------------------------------


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The programs that are started from now on."""
    started: list[str] = []
    start = spawn.start

    def counted(argv: list[str], **more: Any) -> Any:
        started.append(" ".join(argv))
        return start(argv, **more)

    monkeypatch.setattr(spawn, "start", counted)
    return started


async def to_a_running_seed(call: Caller, project: Path, engine: InProcessEngine) -> None:
    await call.measure_baseline()
    edit(project)
    await declare(call)
    await call("run_seed", experiment="a", role="control")
    engine.held = True
    await call("run_seed", experiment="a", wait_s=0)
    edit(project, "steps = 3\n")


async def test_calls_that_join_repeat_or_read_start_no_process(project: Path, processes: list[str]) -> None:
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await to_a_running_seed(call, project, engine)
        processes.clear()
        for arguments in (
            {"seed": 42},
            {"experiment": "a"},
            {"experiment": "a", "seed": 42},
            {"experiment": "a", "seed": 42, "attempt": 1},
            {"experiment": "a", "role": "control", "attempt": 1},
        ):
            answer = await call("run_seed", **arguments, wait_s=0)
            assert not answer.is_error, answer.text
        for tool, more in (("check_baseline", {}), ("list_experiments", {}), ("compare", {"experiment": "a"})):
            await call(tool, **more)
        assert processes == []


async def test_a_request_looks_at_the_code_once_although_it_is_decided_twice(
    project: Path, processes: list[str]
) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        edit(project)
        processes.clear()
        assert (await declare(call)).code == "control_due"
        for what in ("commit-tree", "--numstat", "--patch", "update-ref"):
            assert sum(what in one for one in processes) == 1, what


# --- flags on edited code -------------------------------------------------------------------------


async def confirmed(call: Caller, name: str, project: Path, code: str, **more: Any) -> str:
    """Take an experiment on this code to its verdict, and that through its confirmation; its headline."""
    edit(project, code)
    answer = await declare(call, name, **more)
    while (following := answer.data["next"])["tool"] == "run_seed" and following["arguments"].get("experiment") == name:
        answer = await call("run_seed", **following["arguments"])
        assert not answer.is_error, answer.text
        if answer.data["next"]["tool"] == "compare":
            answer = await call("compare", experiment=name)
    return (await call("compare", experiment=name)).data["headline"]


def fresh_table(*names: str, gain: float) -> Table:
    made = table()
    for name in names:
        made.arm(f"control_{name}", CONTROL, FRESH_SIX)
        gains(made, name, gain)
    return made


@pytest.mark.parametrize(("more", "control"), [({}, "steps = 2"), (CHANGED, "steps = 1")], ids=["flags", "code"])
async def test_flags_on_edited_code_are_confirmed_against_that_code_and_a_change_against_the_baselines(
    project: Path, more: dict[str, Any], control: str
) -> None:
    async with quick_tools(project, InProcessEngine(fresh_table("a", gain=0.07))) as call:
        await call.measure_baseline()
        headline = await confirmed(call, "a", project, "steps = 2\n", **more)
        assert headline.startswith("WINNER (confirmed on 3 fresh seeds)")
        said = await call("compare", experiment="a")
        report = (project / (await call("write_report", experiment="a")).data["path"]).read_text()
    # What the control of edited code gave stands in the reply, in the paragraph and in the report.
    places = [said.text, said.data["paragraph"], report]
    assert all(("agrees with the baseline: asked was" in one) == (control == "steps = 2") for one in places)
    assert ("control_passed" in said.text) == (control == "steps = 2")
    found = scripts(project)
    fresh = {run: code for run, code in found.items() if "fresh" in run or "confirm" in run}
    assert len(fresh) == 6
    assert sorted(fresh.values()) == sorted([control] * 3 + ["steps = 2"] * 3)


async def test_what_the_edit_does_and_not_the_flags_is_not_confirmed(project: Path) -> None:
    """The runs without flags have the edit as well, so that the pairs show nothing of it."""
    async with quick_tools(project, InProcessEngine(fresh_table("a", gain=0.0))) as call:
        await call.measure_baseline()
        headline = await confirmed(call, "a", project, "steps = 2\n")
        assert headline.startswith("WINNER (NOT confirmed on 3 fresh seeds)")


async def test_controls_are_shared_only_between_experiments_with_one_code(project: Path) -> None:
    made = fresh_table("a", "b", gain=0.07).arm("exp_c", BETTER)
    async with quick_tools(project, InProcessEngine(made)) as call:
        await call.measure_baseline()
        edit(project)
        for name in ("a", "b"):
            answer = await declare(call, name, queue_all=True)
            if answer.data["next"]["arguments"].get("role") == "control" or answer.code == "control_due":
                await call("run_seed", experiment=name, role="control")
                await call("run_seed", experiment=name, queue_all=True)
        await declare(call, "c", queue_all=True, **{**CHANGED, "hypothesis": "the edit helps"})
        for name in ("a", "b", "c"):
            assert (await call("compare", experiment=name)).data["verdict"] == "WINNER"
    drawn = {one["experiment"]: one for one in records(project, "verdict_issued")}
    assert drawn["a"]["fresh_seeds"] == drawn["b"]["fresh_seeds"] != drawn["c"]["fresh_seeds"]
    assert (drawn["a"]["own_controls"], drawn["b"]["own_controls"]) == (True, True)
    assert "own_controls" not in drawn["c"]
