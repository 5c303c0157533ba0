"""Code that is trained where it lies: runs of one arm are not mixed, and what cannot be done is said."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from seedproof.model.code import SOURCE_ENDINGS

from tests.support.callers import Caller
from tests.support.in_process import InProcessEngine, Training, quick_tools
from tests.support.memory import MEMORY
from tests.support.seeds import FRESH
from tests.support.studies import FILES, THREE, a_repository, declare, edit, records, specs, table, write_settings
from tests.support.tables import Table

pytestmark = pytest.mark.anyio

CHANGED: dict[str, Any] = {"flags": None, "code_change": True}


@pytest.fixture(params=["without git", "by the settings"])
def project(request: pytest.FixtureRequest) -> Iterator[Path]:
    if request.param == "by the settings":
        with a_repository() as folder:
            write_settings(folder, settings='code = "in-place"')
            yield folder
        return
    with tempfile.TemporaryDirectory(prefix="seedproof-", dir=MEMORY) as name:
        folder = Path(name)
        for file, text in FILES.items():
            (folder / file).write_text(text)
        yield folder


async def to_seed_42(call: Caller, project: Path, **more: Any) -> None:
    await call.measure_baseline()
    await declare(call, **more)


async def test_an_edit_between_two_seeds_is_refused_by_name_and_undoing_it_goes_on(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await to_seed_42(call, project)
        edit(project)
        refused = await call("run_seed", experiment="a", seed=137)
        assert refused.code == "not_comparable"
        assert "train_llm.py changed between seed 42 and seed 137" in refused.text
        edit(project, "steps = 1\n")
        assert (await call("run_seed", experiment="a", seed=137)).data["state"] == "succeeded"
    assert {spec["cwd"] for spec in specs(project).values()} == {str(project)}
    assert all(spec["argv"][-1].startswith("checkpoints/") for spec in specs(project).values())


async def test_an_edit_between_two_seeds_of_the_baseline_is_refused_too(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call("run_seed")
        edit(project)
        refused = await call("run_seed")
        assert (refused.code, refused.next) == ("not_comparable", "run_seed(new_baseline=…)")
        assert "between seed 42 and seed 137" in refused.text
        assert (await call("run_seed", new_baseline="another script")).data["state"] == "succeeded"


async def test_notes_and_what_a_run_leaves_are_no_edits(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await to_seed_42(call, project)
        edit(project, "thoughts\n", "NOTES.md")
        for seed in THREE[1:]:
            assert (await call("run_seed", experiment="a", seed=seed)).data["state"] == "succeeded"


async def test_an_edited_file_that_goes_into_not_code_is_no_edit_any_more(project: Path) -> None:
    in_place = 'code = "in-place"\n'
    edit(project, "{}", "notes.json")
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call("run_seed")
        edit(project, "{1}", "notes.json")
        refused = await call("run_seed")
        assert refused.code == "not_comparable"
        assert "settings.not_code" in refused.text
        write_settings(project, settings=f'{in_place}not_code = ["notes.json"]')
        assert (await call("run_seed")).data["state"] == "succeeded"
        edit(project)
        assert "train_llm.py changed" in (await call("run_seed")).text


@pytest.mark.parametrize("kind", ["measure", "control"])
async def test_a_queued_run_whose_code_moved_is_turned_away_and_may_be_tried_again(project: Path, kind: str) -> None:
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await to_seed_42(call, project)
        name, key = "a", {"experiment": "a", "seed": 256}
        if kind == "control":
            edit(project)
            name, key = "b", {"experiment": "b", "role": "control"}
            await declare(call, name)
            edit(project, "steps = 1\n")
        engine.held = True
        await call("run_seed", experiment="a", seed=137, wait_s=0)
        if kind == "control":
            edit(project)
        await call("run_seed", **key, wait_s=0)
        edit(project, "steps = 3\n")
        engine.held = False
        engine.release()
        turned_away = await call("run_seed", **key, attempt=1)
        assert turned_away.data["state"] == "failed"
        assert turned_away.data["reason"].startswith("not_comparable: train_llm.py changed since the run was requested")
        assert turned_away.data["next"]["arguments"]["attempt"] == 2
        edit(project, "steps = 2\n" if kind == "control" else "steps = 1\n")
        assert (await call("run_seed", **key, attempt=2)).data["state"] == "succeeded"


async def test_flags_on_edited_code_need_a_control_there_too(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        edit(project)
        assert (await declare(call)).code == "control_due"
        assert (await call("run_seed", experiment="a", role="control")).data["state"] == "succeeded"
        edit(project, "steps = 3\n")
        refused = await call("run_seed", experiment="a")
        assert refused.code == "not_comparable"
        assert "train_llm.py changed since the control of a." in refused.text
        edit(project)
        for seed in THREE:
            assert (await call("run_seed", experiment="a", seed=seed)).data["state"] == "succeeded"
        assert (await call("compare", experiment="a")).data["verdict"] == "WINNER"
        await call("write_report", experiment="a")
    text = (project / "docs/research/experiment_a_1M.md").read_text()
    assert "(held in place)" in text
    assert "  - `train_llm.py` (+1 -1)" in text


async def test_a_change_of_code_is_measured_and_cannot_be_confirmed(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        edit(project)
        await declare(call, **CHANGED)
        for seed in THREE[1:]:
            await call("run_seed", experiment="a", seed=seed)
        judged = await call("compare", experiment="a")
        assert judged.data["headline"].startswith("WINNER (unconfirmed)")
        assert judged.next == "write_report(experiment='a')"
        said = judged.data["confirmation"]
        assert (said["state"], said["done"], said["needed"]) == ("unavailable", 0, 0)
        assert said["reason"].startswith("a cannot be confirmed: it is a change of code")
        assert said["reason"] in judged.text
        (row,) = (await call("list_experiments")).data["experiments"]
        assert row["confirmation"] == "unavailable"
        refused = await call("run_seed", experiment="a", role="confirm")
        assert refused.code == "confirm_not_due"
        assert "measured in place" in refused.text
        assert refused.next == "write_report(experiment='a')"
        assert "confirm" not in (await call("write_report", experiment="a")).next
    text = (project / "docs/research/experiment_a_1M.md").read_text()
    assert "- Merge: nothing yet, it cannot be confirmed; tried: " in text
    assert f"## Confirmation\n\n{said['reason']}\n" in text
    assert "runs on fresh seeds" not in judged.text.lower() + text.lower()


async def test_flags_in_place_are_confirmed_on_the_code_that_they_were_measured_on(project: Path) -> None:
    results = table().arm("control_a", (4.0, 4.01, 3.99), FRESH).arm("confirm_a", (3.9, 3.91, 3.92), FRESH)
    async with quick_tools(project, InProcessEngine(results)) as call:
        await to_seed_42(call, project)
        await call("run_seed", experiment="a", queue_all=True)
        await call("compare", experiment="a")
        edit(project)
        refused = await call("run_seed", experiment="a", role="confirm")
        assert refused.code == "not_comparable"
        edit(project, "steps = 1\n")
        await call("run_seed", experiment="a", role="confirm", queue_all=True)
        assert "confirmed" in (await call("compare", experiment="a")).data["headline"]


async def test_what_counts_as_code_in_place_is_named_where_a_run_created_it(project: Path) -> None:
    results, made = table(), sorted(f"made{ending}" for ending in SOURCE_ENDINGS - {".py"})

    def trains(argv: Sequence[str]) -> Training:
        for name in (*made, "made.npy"):
            edit(project, "1\n", name)
        return results(argv)

    async with quick_tools(project, InProcessEngine(trains)) as call:
        await to_seed_42(call, project)
        await call("run_seed", experiment="a", queue_all=True)
        judged = await call("compare", experiment="a")
    (told,) = [one["message"] for one in judged.data["notices"] if one["code"] == "created_files"]
    assert told.startswith(f"{', '.join(made[:5])} and {len(made) - 5} more appeared while runs trained in place")


async def test_a_crash_at_the_start_is_mended_in_place(project: Path) -> None:
    results = table().arm("exp_a", ["crash", 3.91, 3.92], THREE)
    async with quick_tools(project, InProcessEngine(results)) as call:
        await call.measure_baseline()
        edit(project)
        await declare(call, **CHANGED)
        edit(project, "steps = 3\n")
        results.losses["exp_a", 42] = "3.9"
        assert (await call("run_seed", experiment="a", seed=42, attempt=2)).data["state"] == "succeeded"
        assert (await call("run_seed", experiment="a", seed=137)).data["state"] == "succeeded"
    (declared,) = records(project, "experiment_declared")
    second = next(one for one in records(project, "run_requested") if one["attempt"] == 2)
    assert second["code"]["sha256"] != declared["code"]["sha256"]


async def test_a_baseline_in_place_leaves_a_change_in_a_snapshot_unconfirmed() -> None:
    """The control side would have to have files that nobody kept."""
    with a_repository() as project:
        write_settings(project, settings='code = "in-place"')
        async with quick_tools(project, InProcessEngine(table())) as call:
            await call.measure_baseline()
            write_settings(project, settings='code = "snapshot"')
            edit(project)
            await declare(call, **CHANGED)
            for seed in THREE[1:]:
                await call("run_seed", experiment="a", seed=seed)
            assert (await call("compare", experiment="a")).next == "write_report(experiment='a')"
            assert (await call("run_seed", experiment="a", role="confirm")).code == "confirm_not_due"


async def test_without_git_from_one_day_on_a_snapshot_is_missing(tmp_path: Path) -> None:
    with a_repository() as project:
        async with quick_tools(project, InProcessEngine(Table().arm("baseline", ["4.0", "4.1"]))) as call:
            await call("run_seed")
            shutil.rmtree(project / ".git")
            refused = await call("run_seed")
            assert (refused.code, refused.next) == ("snapshot_missing", "run_seed(new_baseline=…)")
            assert (await call("run_seed", new_baseline="no repository any more")).data["state"] == "succeeded"
