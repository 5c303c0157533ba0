"""What changed while a run was trained with it: the run fails, and its value is a draw all the same."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.runner.changed_meanwhile import changed_meanwhile
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import Answer, Caller
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.repositories import git, write
from tests.support.studies import SCRIPT, a_repository, declare, records, table, write_settings

pytestmark = pytest.mark.anyio

PLACES = ["snapshot", "in-place"]
DATA = "data/val.txt"


@pytest.fixture
def project() -> Iterator[Path]:
    with a_repository() as folder:
        write(folder, {DATA: "1 2 3\n", "results.csv": "seed,loss\n", "last.json": "{}\n"})
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "results")
        yield folder


def settings(project: Path, place: str, sealed: str = "") -> None:
    write_settings(project, rules=sealed, settings=f'code = "{place}"')


def trained_in(project: Path, place: str) -> Path:
    """The folder that the runs of the only code have their files in."""
    return project if place == "in-place" else next(ProjectPaths(project).worktrees.iterdir())


def rewrite(path: Path, text: str, run: str, project: Path) -> None:
    """Write a file after the run's spec by the times of files, which tick a few times in a hundredth of a second."""
    began = ProjectPaths(project).run(run).spec.stat().st_mtime_ns
    path.write_text(text)
    while path.stat().st_ctime_ns <= began:
        path.write_text(text)


async def end(call: Caller, engine: InProcessEngine) -> Answer:
    engine.held = False
    engine.release()
    return await call("run_seed", experiment="a", seed=42)


async def begin(call: Caller, engine: InProcessEngine) -> str:
    await call.measure_baseline()
    engine.held = True
    return str((await declare(call)).data["run_id"])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("is_set_back", [False, True], ids=["left", "set back"])
async def test_a_script_that_is_edited_during_a_run_fails_it(project: Path, place: str, is_set_back: bool) -> None:
    settings(project, place)
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        run = await begin(call, engine)
        script = trained_in(project, place) / SCRIPT
        was = script.read_text()
        rewrite(script, "steps = 9\n", run, project)
        if is_set_back:
            rewrite(script, was, run, project)
        ended = await end(call, engine)
        where = " of the snapshot" if place == "snapshot" else ""
        assert ended.data["state"] == "failed"
        assert ended.data["reason"] == f"{SCRIPT}{where} changed during the run"
        # The value was seen: it is a draw, as of any failed run that showed one.
        assert ended.data["metrics"]["val_loss"] == 3.9
        script.write_text(was)
        again = await call("run_seed", **{**ended.data["next"]["arguments"], "wait_s": 0})
        assert again.data["attempt"] == 2
        notices = {one["code"] for one in (await call("run_seed", experiment="a", seed=137)).data["notices"]}
        refused = await call("run_seed", experiment="a", seed=42, attempt=3)
    assert notices == set()
    assert refused.code == "attempt_not_allowed"
    (record,) = [one for one in records(project, "run_finished") if one["run_id"] == run]
    assert record["changed_meanwhile"] == record["reason"]


@pytest.mark.parametrize("place", PLACES)
async def test_a_file_that_is_moved_away_and_back_counts_as_changed(project: Path, place: str) -> None:
    settings(project, place)
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        run = await begin(call, engine)
        began = ProjectPaths(project).run(run).spec.stat().st_mtime_ns
        script = trained_in(project, place) / "evaluate.py"
        while script.stat().st_ctime_ns <= began:
            script.rename(script.with_name("aside"))
            script.with_name("aside").rename(script)
        assert "evaluate.py" in (await end(call, engine)).data["reason"]


@pytest.mark.parametrize("place", PLACES)
async def test_another_link_or_attribute_of_a_file_is_no_change(project: Path, place: str) -> None:
    settings(project, place)
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        run = await begin(call, engine)
        began = ProjectPaths(project).run(run).spec.stat().st_mtime_ns
        script, link = trained_in(project, place) / SCRIPT, project.parent / "backup"
        while script.stat().st_ctime_ns <= began:
            link.unlink(missing_ok=True)
            os.link(script, link)
        assert (await end(call, engine)).data["state"] == "succeeded"


@pytest.mark.parametrize("is_opened", [True, False], ids=["opened", "never opened"])
async def test_in_place_a_file_that_the_run_never_opened_may_be_edited(project: Path, is_opened: bool) -> None:
    settings(project, "in-place")
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        run = await begin(call, engine)
        rewrite(project / "evaluate.py", "# edited meanwhile\n", run, project)
        opened = f"r\t-\t-\t-\t-\t{project / ('evaluate.py' if is_opened else SCRIPT)}\n"
        reads = ProjectPaths(project).run(run).reads
        reads.mkdir()
        write(reads, {"1-a.reads": opened, "observed.json": '{"observed": "fully"}'})
        assert (await end(call, engine)).data["state"] == ("failed" if is_opened else "succeeded")


@pytest.mark.parametrize("text", ["[1]", "null", "[" * 100_000], ids=["list", "null", "deep"])
async def test_in_place_an_edit_fails_the_run_where_what_it_opened_cannot_be_read(project: Path, text: str) -> None:
    settings(project, "in-place")
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        run = await begin(call, engine)
        rewrite(project / "evaluate.py", "# edited meanwhile\n", run, project)
        reads = ProjectPaths(project).run(run).reads
        reads.mkdir()
        write(reads, {"observed.json": text})
        assert (await end(call, engine)).data["state"] == "failed"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("is_before", [True, False], ids=["opened before", "opened after"])
async def test_a_file_that_only_gets_other_rights_counts_where_it_was_opened_after(
    project: Path, place: str, is_before: bool
) -> None:
    settings(project, place)
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        run = await begin(call, engine)
        began = ProjectPaths(project).run(run).spec.stat().st_mtime_ns
        script = trained_in(project, place) / SCRIPT
        touched = script.stat().st_ctime_ns
        while script.stat().st_ctime_ns <= began:
            script.chmod(0o640)
            script.chmod(0o644)
        touched = touched if is_before else script.stat().st_ctime_ns
        reads = ProjectPaths(project).run(run).reads
        reads.mkdir()
        write(reads, {"1-a.reads": f"r\t1\t1\t1\t{touched}\t{script}\n", "observed.json": '{"observed": "fully"}'})
        assert (await end(call, engine)).data["state"] == ("succeeded" if is_before else "failed")


@pytest.mark.parametrize("place", PLACES)
async def test_results_that_grow_and_new_files_are_no_change(project: Path, place: str) -> None:
    settings(project, place)
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        run = await begin(call, engine)
        folder = trained_in(project, place)
        rewrite(folder / "results.csv", "seed,loss\n42,3.9\n", run, project)
        write(folder, {"outputs/2026/config.yaml": "lr: 1\n", "made.txt": "new\n"})
        assert (await end(call, engine)).data["state"] == "succeeded"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("is_told", [True, False], ids=["by the run", "by another"])
async def test_a_tracked_file_that_the_run_itself_writes_is_no_change(project: Path, place: str, is_told: bool) -> None:
    settings(project, place)
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        run = await begin(call, engine)
        last = trained_in(project, place) / "last.json"
        rewrite(last, '{"loss": 3.9}\n', run, project)
        reads = ProjectPaths(project).run(run).folder / "reads"
        reads.mkdir()
        path = last if is_told else project / "elsewhere.json"
        write(reads, {"1-a.reads": f"# seedproof-reads 1\t1\t0\tpython\t3.11\nw\t-\t-\t-\t-\t{path}\n"})
        assert (await end(call, engine)).data["state"] == ("succeeded" if is_told else "failed")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("is_set_back", [False, True], ids=["left", "set back"])
async def test_a_sealed_file_that_changes_during_a_run_fails_it(project: Path, place: str, is_set_back: bool) -> None:
    settings(project, place, f'sealed = ["{DATA}"]')
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        run = await begin(call, engine)
        rewrite(project / DATA, "1 2 2\n", run, project)
        if is_set_back:
            rewrite(project / DATA, "1 2 3\n", run, project)
        ended = await end(call, engine)
    assert ended.data["reason"] == f"{DATA} is sealed and changed during the run"
    assert (ended.data["state"], ended.data["metrics"]["val_loss"]) == ("failed", 3.9)


async def test_the_project_may_be_edited_while_a_snapshot_is_trained(project: Path) -> None:
    settings(project, "snapshot", f'sealed = ["evaluate.py", "{DATA}"]')
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        run = await begin(call, engine)
        rewrite(project / SCRIPT, "steps = 2\n", run, project)
        rewrite(project / "evaluate.py", "exact = False\n", run, project)
        assert (await end(call, engine)).data["state"] == "succeeded"


async def test_a_run_that_failed_so_is_no_result_when_its_metric_is_read_again(project: Path) -> None:
    settings(project, "snapshot")
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        run = await begin(call, engine)
        rewrite(trained_in(project, "snapshot") / SCRIPT, "steps = 9\n", run, project)
        await end(call, engine)
        write_settings(project, **{"rules.metric": 'name = "loss"\npattern = "val_loss: (?P<value>\\\\S+)"'})
        read = await call("run_seed", experiment="a", seed=42)
    assert read.data["state"] == "failed"
    assert read.data["reason"] == f"{SCRIPT} of the snapshot changed during the run"


async def test_settings_that_are_broken_or_widened_meanwhile_hide_nothing(project: Path) -> None:
    settings(project, "in-place")
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        run = await begin(call, engine)
        rewrite(project / SCRIPT, "steps = 9\n", run, project)
        write_settings(project, settings='code = "in-place"\nnot_code = ["*.py"]')
        ended = await end(call, engine)
    assert ended.data["reason"] == f"{SCRIPT} changed during the run"


async def test_without_the_spec_of_a_run_nobody_can_tell_what_changed(project: Path) -> None:
    settings(project, "snapshot")
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
    paths = ProjectPaths(project)
    state = Ledger(paths).refresh()
    run = next(iter(state.runs.values()))
    assert changed_meanwhile(paths, state, run) is None
    paths.run(run.run_id).spec.unlink()
    said = changed_meanwhile(paths, state, run)
    assert said == "whether its code changed during the run cannot be told: spec.json is gone"


@pytest.mark.parametrize("place", PLACES)
async def test_sealed_files_with_odd_names_and_below_the_top_of_a_repository_are_found(place: str) -> None:
    with a_repository() as top:
        project = top / "study"
        write(project, {SCRIPT: "steps = 1\n", "sealed/val.txt": "1 2 3\n"})
        (project / os.fsdecode(b"sealed/caf\xe9.txt")).write_text("4\n")
        (project / "sealed/\\xe9.txt").write_text("5\n")
        (project / "sealed/link.txt").symlink_to("val.txt")
        git(top, "add", "-A")
        git(top, "commit", "-qm", "study")
        settings(project, place, 'sealed = ["sealed/**"]')
        async with quick_tools(project, InProcessEngine(table())) as call:
            first = await call("run_seed", seed=42)
    assert first.data.get("state") == "succeeded", first.text
