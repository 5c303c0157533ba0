"""Sealed files: as they were when the baseline began, or nothing is trained."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from seedproof_mcp.code import hashes
from seedproof_mcp.code.hashes import SOURCE_BYTES
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import Caller
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.repositories import git, workspace
from tests.support.studies import a_repository, declare, edit, records, table, write_settings

pytestmark = pytest.mark.anyio

SEALED = 'sealed = ["evaluate.py", "data/val*"]'
IN_PLACE = 'code = "in-place"'
PLACES = ["snapshot", "in-place"]


@pytest.fixture
def project() -> Iterator[Path]:
    with a_repository() as folder:
        (folder / "data").mkdir()
        edit(folder, "1 2 3\n", "data/val.txt")
        edit(folder, "4 5 6\n", "data/train.txt")
        write_settings(folder, rules=SEALED)
        yield folder


def hold(project: Path, place: str) -> None:
    write_settings(project, rules=SEALED, settings=f'code = "{place}"')


async def to_seed_42(call: Caller) -> None:
    await call.measure_baseline()
    await declare(call)


async def test_the_hashes_of_sealed_files_are_recorded_with_the_generation(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call("run_seed")
    (started,) = records(project, "generation_started")
    assert set(started["code"]["sealed"]) == {"evaluate.py", "data/val.txt"}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("evaluate.py", "exact = False\n"),
        ("data/val.txt", "1 2 2\n"),
        ("data/val_more.txt", "new\n"),
        ("evaluate.py", None),
        ("data/val.txt", None),
    ],
    ids=["tracked", "ignored", "new", "tracked and gone", "ignored and gone"],
)
@pytest.mark.parametrize("code_change", [False, True])
async def test_a_changed_sealed_file_is_named_whatever_is_declared(
    project: Path, name: str, text: str | None, place: str, code_change: bool
) -> None:
    hold(project, place)
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        if text is None:
            (project / name).unlink()
        else:
            edit(project, text, name)
        if code_change:
            edit(project)
        refused = await declare(call, code_change=code_change)
        assert refused.code == "sealed_changed", refused.text
        assert f"{name} is sealed and not as it was when the baseline began" in refused.text
        assert refused.data["next"]["arguments"]["experiment"] == "a"
    assert records(project, "experiment_declared") == []


@pytest.mark.parametrize(
    ("flags", "offered"),
    [
        (None, "run_seed(experiment='a', code_change=True, seed=42, hypothesis=…)"),
        (["--lr", "a"], "run_seed(experiment='a', code_change=True, seed=42, flags=…, hypothesis=…)"),
    ],
    ids=["alone", "with flags"],
)
async def test_what_is_refused_as_a_change_of_code_is_offered_as_one(
    project: Path, flags: list[str] | None, offered: str
) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        edit(project, "1 2 2\n", "data/val.txt")
        edit(project)
        refused = await declare(call, flags=flags, code_change=True)
        assert (refused.code, refused.next) == ("sealed_changed", offered)
        edit(project, "1 2 3\n", "data/val.txt")
        chosen = {"flags": flags, "hypothesis": "it helps"}
        more = {name: chosen[name] for name in refused.data["next"]["you_choose"]}
        assert (await call("run_seed", **refused.data["next"]["arguments"], **more)).data["state"] == "succeeded"
    (declared,) = records(project, "experiment_declared")
    assert (declared["code_change"], declared["flags"]) == (True, flags or [])


@pytest.mark.parametrize("place", PLACES)
async def test_other_files_of_the_same_folder_may_change(project: Path, place: str) -> None:
    hold(project, place)
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        edit(project, "4 5 7\n", "data/train.txt")
        answer = await declare(call)
        # Without a seal, what git ignores is not looked at; in place nobody knows it for data either.
        assert answer.data.get("state") == "succeeded", answer.text


@pytest.mark.parametrize("place", PLACES)
async def test_a_later_seed_is_refused_where_a_sealed_file_is_seen_live(project: Path, place: str) -> None:
    hold(project, place)
    async with quick_tools(project, InProcessEngine(table())) as call:
        await to_seed_42(call)
        edit(project, "1 2 2\n", "data/val.txt")
        refused = await call("run_seed", experiment="a", seed=137)
        assert refused.code == "sealed_changed"
        assert refused.next == "run_seed(experiment='a', seed=137)"
        edit(project, "1 2 3\n", "data/val.txt")
        assert (await call("run_seed", experiment="a", seed=137)).data["state"] == "succeeded"


async def test_a_tracked_sealed_file_may_be_edited_while_an_arm_trains_from_its_snapshot(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await to_seed_42(call)
        edit(project, "exact = False\n", "evaluate.py")
        assert (await call("run_seed", experiment="a", seed=137)).data["state"] == "succeeded"
        assert (await declare(call, "b")).code == "sealed_changed"


@pytest.mark.parametrize("place", PLACES)
async def test_a_queued_run_is_turned_away_by_name(project: Path, place: str) -> None:
    hold(project, place)
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await to_seed_42(call)
        engine.held = True
        for seed in (137, 256):
            await call("run_seed", experiment="a", seed=seed, wait_s=0)
        edit(project, "1 2 2\n", "data/val.txt")
        engine.held = False
        engine.release()
        turned_away = await call("run_seed", experiment="a", seed=256)
        assert turned_away.data["state"] == "failed"
        assert turned_away.data["reason"].startswith("sealed_changed: data/val.txt is sealed")
        edit(project, "1 2 3\n", "data/val.txt")
        assert (await call("run_seed", experiment="a", seed=256, attempt=2)).data["state"] == "succeeded"


async def test_a_control_is_refused_too(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        edit(project)
        assert (await declare(call)).code == "control_due"
        edit(project, "1 2 2\n", "data/val.txt")
        refused = await call("run_seed", experiment="a", role="control")
        assert (refused.code, refused.next) == ("sealed_changed", "run_seed(experiment='a', role='control')")


async def test_a_confirmation_is_refused_too(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await to_seed_42(call)
        await call("run_seed", experiment="a", queue_all=True)
        assert (await call("compare", experiment="a")).data["verdict"] == "WINNER"
        edit(project, "1 2 2\n", "data/val.txt")
        refused = await call("run_seed", experiment="a", role="confirm")
        assert (refused.code, refused.next) == ("sealed_changed", "run_seed(experiment='a', role='confirm')")


@pytest.mark.parametrize("place", PLACES)
async def test_the_seeds_of_a_baseline_see_the_same_sealed_files(project: Path, place: str) -> None:
    hold(project, place)
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call("run_seed")
        edit(project, "1 2 2\n", "data/val.txt")
        refused = await call("run_seed")
        assert refused.code == "sealed_changed", refused.text
        assert (await call("run_seed", new_baseline="the split was wrong")).data["state"] == "succeeded"
        assert (await call("run_seed")).data["state"] == "succeeded"


async def test_a_baseline_that_has_shown_nothing_takes_the_sealed_files_that_there_are(project: Path) -> None:
    results = table()
    results.losses["baseline", 42] = "crash"
    async with quick_tools(project, InProcessEngine(results)) as call:
        await call("run_seed")
        edit(project, "exact = False\n", "evaluate.py")
        edit(project, "1 2 2\n", "data/val.txt")
        results.losses["baseline", 42] = "4.0"
        assert (await call("run_seed", seed=42, attempt=2)).data["state"] == "succeeded"
        await call.measure_baseline()
        assert (await declare(call)).data["state"] == "succeeded"


@pytest.mark.parametrize("rule", ['sealed = ["evaluate.py"]', "sealed = []", 'sealed = ["*.py"]'])
async def test_another_list_of_sealed_files_voids_the_baseline(project: Path, rule: str) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        write_settings(project, rules=rule)
        status = await call("check_baseline")
        assert status.data["phase"] == "void"
        assert "sealed" in status.data["reason"]
        assert (await declare(call)).code == "baseline_void"


async def test_a_new_generation_seals_what_there_is_then(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        edit(project, "exact = False\n", "evaluate.py")
        assert (await declare(call)).code == "sealed_changed"
        await call("run_seed", new_baseline="the evaluation was wrong")
        await call.measure_baseline()
        assert (await declare(call)).data["state"] == "succeeded"


@pytest.mark.parametrize("name", ["data", "data/val.txt"])
async def test_sealed_files_behind_a_link_that_git_tracks_are_sealed(tmp_path: Path, name: str) -> None:
    """`data/` in .gitignore names no link."""
    with a_repository() as project:
        write_settings(project, rules=SEALED)
        (tmp_path / "data").mkdir()
        edit(tmp_path, "1 2 3\n", "data/val.txt")
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).symlink_to(tmp_path / name)
        git(project, "add", "--force", name)
        async with quick_tools(project, InProcessEngine(table())) as call:
            await to_seed_42(call)
            (started,) = records(project, "generation_started")
            assert set(started["code"]["sealed"]) == {"evaluate.py", "data/val.txt"}
            edit(tmp_path, "1 2 2\n", "data/val.txt")
            assert (await declare(call, "b")).code == "sealed_changed"
            assert (await call("run_seed", experiment="a", seed=137)).code == "sealed_changed"


@pytest.mark.parametrize("place", PLACES)
def test_a_pattern_that_names_no_file_is_told(project: Path, place: str) -> None:
    patterns = ["./evaluate.py", "evaluat.py", "data", "data/**", "valdata/*.bin"]
    space = workspace(project, code=place)
    assert space.unmatched(space.take(patterns), patterns) == ("evaluat.py", "valdata/*.bin")


@pytest.mark.parametrize("place", PLACES)
def test_large_sealed_files_are_read_once(project: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    large = project / "data/val.bin"
    large.write_bytes(b"x" * (SOURCE_BYTES + 1))
    # Or whoever edits within the same tick of the clock would not be seen.
    monkeypatch.setattr(hashes, "TICK_NS", 0)
    space = workspace(project, code=place)
    code = space.take(["data/val*"])
    space.keep(code)

    with monkeypatch.context() as patched:
        patched.setattr(hashes, "_CHUNK_BYTES", "not to be read")
        assert workspace(project, code=place).sealed_now(code, ["data/val*"]) == code.sealed
    large.write_bytes(b"y" * (SOURCE_BYTES + 1))
    later = workspace(project, code=place)
    assert later.sealed_now(code, ["data/val*"]) != code.sealed
    later.remember()
    assert ProjectPaths(project).hashes.exists()
