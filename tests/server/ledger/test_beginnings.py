"""Other ledgers that began with the same code are told of, wherever they were begun, and nobody else is."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from seedproof_mcp.ledger.entry import script_hash
from seedproof_mcp.surface.demo.project import remove
from seedproof_mcp.system.paths import account_state_dir, registry_entry, registry_folder

from tests.support.callers import Answer
from tests.support.in_process import InProcessEngine, Training, option, quick_tools, train
from tests.support.repositories import git, make_repository

pytestmark = pytest.mark.anyio

SCRIPT = "import model\n\nmodel.train()\n"
REPORT = "docs/research/experiment_idea_1M.md"
BASELINE = "docs/research/baseline_variance_1M.md"
TOLD = ("other_ledgers", "earlier_snapshots", "state_folder_changed", "ledger_restarted", "ledger_rewound")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "train_llm.py").write_text(SCRIPT)
    return folder


def told(data: dict[str, Any]) -> list[str]:
    """The codes of the notices on the past and on other ledgers."""
    return [one["code"] for one in data["notices"] if one["code"] in TOLD]


def words(data: dict[str, Any], code: str) -> str:
    (found,) = [one["message"] for one in data["notices"] if one["code"] == code]
    return found


def head(folder: Path, report: str = REPORT) -> str:
    """What stands above the figure of a report."""
    return (folder / report).read_text().partition("![")[0]


async def study(folder: Path, *shifts: str) -> Answer:
    """Measure a baseline and judge ideas; the last one is `idea`, and has a report."""
    async with quick_tools(folder) as call:
        await call.measure_baseline()
        await call("write_report")
        for number, shift in enumerate(shifts, 1):
            name = "idea" if number == len(shifts) else f"try{number}"
            await call.measure(name, "--shift", shift)
            await call("compare", experiment=name)
        if shifts:
            await call("write_report", experiment="idea")
            return await call("compare", experiment="idea")
        return await call("check_baseline")


def without_state(folder: Path) -> None:
    for name in (".seedproof", "docs", "checkpoints"):
        shutil.rmtree(folder / name, ignore_errors=True)


def forget_note(folder: Path) -> None:
    """As on a file system without attributes."""
    if hasattr(os, "removexattr") and "user.seedproof" in os.listxattr(folder):
        os.removexattr(folder, "user.seedproof")


def keeps_notes(folder: Path) -> bool:
    try:
        os.setxattr(folder, "user.test", b"1")
    except (OSError, AttributeError):
        return False
    return True


def another_state(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))


# --- told ------------------------------------------------------------------------------------------


async def test_a_copy_without_its_state_names_the_other_ledger_in_replies_and_in_the_head_of_reports(
    project: Path, tmp_path: Path
) -> None:
    await study(project, "0.1", "0.05", "-0.1")
    copy = tmp_path / "copy"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".seedproof", "docs", "checkpoints"))
    compared = await study(copy, "-0.1")
    text = "1 other ledger began with this code: 3 experiments, 1 WINNER. They do not count among the ideas tried here."
    assert told(compared.data) == ["other_ledgers"]
    assert words(compared.data, "other_ledgers") == text
    for report in (REPORT, BASELINE):
        assert f"\n- {text}\n" in head(copy, report)
    assert "other ledger" not in compared.data["headline"]
    assert str(project) not in (copy / REPORT).read_text()
    began = json.loads((copy / ".seedproof/ledger.jsonl").read_text().splitlines()[0])
    assert began["beginnings"]["others"] == {"ledgers": 1, "experiments": 3, "winners": 1}


async def test_a_clone_is_known_by_its_first_commit_although_its_script_was_edited(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project", {"train_llm.py": SCRIPT})
    await study(project, "0.1")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(project), str(clone))
    (clone / "train_llm.py").write_text("import model\n\nmodel.train(fast=True)\n")
    compared = await study(clone, "-0.1")
    assert words(compared.data, "other_ledgers").startswith("1 other ledger began with this code: 1 experiment, 0 WIN")


async def test_a_folder_renamed_without_its_ledger_names_the_ledger_that_is_gone(project: Path) -> None:
    await study(project, "0.1")
    renamed = project.with_name("renamed")
    project.rename(renamed)
    without_state(renamed)
    forget_note(renamed)
    compared = await study(renamed, "-0.1")
    assert told(compared.data) == ["other_ledgers"]
    assert "1 other ledger began with this code" in head(renamed)


async def test_ledgers_deleted_one_after_the_other_in_one_folder_all_count(project: Path) -> None:
    for _ in range(3):
        await study(project, "0.1")
        without_state(project)
    compared = await study(project, "-0.1")
    assert told(compared.data) == ["ledger_restarted", "other_ledgers"]
    assert words(compared.data, "ledger_restarted").endswith(" is gone, as are 2 before it.")
    assert "3 other ledgers began with this code: 3 experiments, 0 WINNERs" in head(project)
    assert words(compared.data, "ledger_restarted") in head(project)


async def test_what_was_known_of_a_folder_moves_with_it(project: Path) -> None:
    await study(project, "0.1")
    without_state(project)
    await study(project, "0.1")
    moved = project.with_name("moved")
    project.rename(moved)
    async with quick_tools(moved) as call:
        await call.measure("more", "--shift", "0.2")
        await call("compare", experiment="more")
    assert [path.name for path in registry_folder().glob("*.json")] == [registry_entry(moved).name]
    entry = json.loads(registry_entry(moved).read_bytes())
    assert (entry["gone"], len(entry["earlier"]), entry["experiments"]) == (1, 1, 2)
    assert entry["places"] == [registry_entry(project).stem]


async def test_snapshots_of_a_ledger_that_nobody_knows_are_told_when_another_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_repository(tmp_path / "project", {"train_llm.py": SCRIPT})
    await study(project, "0.1")
    without_state(project)
    forget_note(project)
    another_state(monkeypatch, tmp_path / "elsewhere")
    compared = await study(project, "-0.1")
    text = "When this ledger began, its repository held 1 snapshot of an earlier ledger that is not known here."
    assert words(compared.data, "earlier_snapshots") == text
    assert told(compared.data) == ["earlier_snapshots"]
    assert f"\n- {text}\n" in head(project)


async def test_a_ledger_deleted_under_another_state_folder_is_known_by_the_note_on_the_folder(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not keeps_notes(project):
        pytest.skip("the file system keeps no attributes")
    await study(project, "0.1")
    without_state(project)
    another_state(monkeypatch, tmp_path / "elsewhere")
    compared = await study(project, "-0.1")
    assert told(compared.data) == ["ledger_restarted", "other_ledgers"]


async def test_tries_under_other_state_folders_that_are_undone_are_told(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not keeps_notes(project):
        pytest.skip("the file system keeps no attributes")
    await study(project)
    usual, kept = os.environ["XDG_STATE_HOME"], tmp_path / "kept"
    shutil.copytree(project / ".seedproof", kept)
    another_state(monkeypatch, tmp_path / "elsewhere")
    async with quick_tools(project) as call:
        await call.measure("bad", "--shift", "0.1")
        await call("compare", experiment="bad")
        await call("write_report", experiment="bad")
    without_state(project)
    shutil.copytree(kept, project / ".seedproof")
    monkeypatch.setenv("XDG_STATE_HOME", usual)
    async with quick_tools(project) as call:
        await call.measure("idea", "--shift", "-0.1")
        compared = await call("compare", experiment="idea")
        await call("write_report", experiment="idea")
    assert told(compared.data) == ["ledger_rewound"]
    assert words(compared.data, "ledger_rewound") in head(project)


async def test_a_ledger_that_goes_on_under_another_state_folder_says_so(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await study(project)
    usual = os.environ["XDG_STATE_HOME"]
    another_state(monkeypatch, tmp_path / "elsewhere")
    async with quick_tools(project) as call:
        await call.measure("idea", "--shift", "-0.1")
        await call("compare", experiment="idea")
    monkeypatch.setenv("XDG_STATE_HOME", usual)
    async with quick_tools(project) as call:
        compared = await call("compare", experiment="idea")
        await call("write_report", experiment="idea")
    assert told(compared.data) == ["state_folder_changed"]
    assert "written with another state folder (XDG_STATE_HOME) than before" in head(project)
    kinds = [json.loads(line)["kind"] for line in (project / ".seedproof/ledger.jsonl").read_text().splitlines()]
    assert kinds.count("ledger_disclosed") == 1, "once, and not again on the way back"


async def test_another_ledger_that_began_later_is_told_with_the_next_verdict(project: Path, tmp_path: Path) -> None:
    await study(project, "0.1")
    copy = tmp_path / "copy"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".seedproof", "docs", "checkpoints"))
    await study(copy, "0.1", "0.2", "-0.1")
    async with quick_tools(project) as call:
        await call.measure("late", "--shift", "-0.1")
        compared = await call("compare", experiment="late")
        again = await call("compare", experiment="late")
    assert "1 other ledger began with this code: 3 experiments, 1 WINNER" in words(compared.data, "other_ledgers")
    assert again.data["ledger_head"] == compared.data["ledger_head"], "said once for each set of results"


async def test_the_registry_of_the_account_is_read_under_another_state_folder_and_not_written(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    await study(project, "0.1")
    (entry,) = (account_state_dir() / "projects").glob("*.json")
    before = entry.read_bytes()
    another_state(monkeypatch, tmp_path / "elsewhere")
    copy = tmp_path / "copy"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".seedproof", "docs", "checkpoints"))
    compared = await study(copy, "-0.1")
    assert told(compared.data) == ["other_ledgers"]
    assert "- State folder: not the account's own" in (copy / REPORT).read_text()
    assert [path.read_bytes() for path in (account_state_dir() / "projects").iterdir()] == [before]


async def test_where_the_state_folder_is_the_accounts_own_nothing_is_said_of_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    await study(project, "-0.1")
    assert "State folder" not in (project / REPORT).read_text()


async def test_the_rules_can_count_the_experiments_of_other_ledgers_in(project: Path, tmp_path: Path) -> None:
    await study(project, "0.1", "0.05", "0.2")
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "train_llm.py").write_text(SCRIPT)
    (copy / "seedproof.toml").write_text('[rules]\ncampaign = "code"\n')
    compared = await study(copy, "-0.1")
    assert (compared.data["campaign"]["declared"], compared.data["campaign"]["elsewhere"]) == (1, 3)
    assert compared.data["campaign"]["p_holm"] == pytest.approx(4 * compared.data["campaign"]["p_better"], rel=1e-5)
    assert "Ideas tried: 4, 3 in other ledgers that began with this code. If none helped" in head(copy)
    assert words(compared.data, "other_ledgers").endswith("They count among the ideas tried here.")


async def test_generations_with_another_metric_stand_in_the_head_and_all_differing_rules_beside_them(
    project: Path,
) -> None:
    def two_metrics(argv: Sequence[str]) -> Training:
        found = train(argv)
        return Training(f"other: {option(argv, '--seed')}\n{found.log}", files=found.files)

    settings = "[rules.metric]\nname = \"val_loss\"\npattern = 'other: (?P<value>[0-9.]+)'\n"
    async with quick_tools(project, InProcessEngine(two_metrics)) as call:
        await call.measure_baseline()
        await call.measure("idea", "--shift", "0.1")
        await call("compare", experiment="idea")
        (project / "seedproof.toml").write_text(settings)
        await call("run_seed", new_baseline="another metric", queue_all=True)
        await call("write_report")
    assert "- 1 earlier generation of this baseline differed in: metric; the section Provenance" in head(
        project, BASELINE
    )
    assert "over 5 seeds; differed in: metric\n" in (project / BASELINE).read_text()


# --- not told --------------------------------------------------------------------------------------


async def test_the_first_ledger_of_a_machine_has_nothing_to_say(project: Path) -> None:
    compared = await study(project, "-0.1")
    assert told(compared.data) == []
    assert "began with this code" not in (project / REPORT).read_text()
    assert "others" not in json.loads((project / ".seedproof/ledger.jsonl").read_text().splitlines()[0])["beginnings"]


def another_script(folder: Path) -> None:
    (folder / "train_llm.py").write_text("import other\n\nother.train()\n")


def another_metric(folder: Path) -> None:
    text = "[rules.metric]\nname = \"loss\"\npattern = 'val_loss: (?P<value>[0-9.]+)'\n"
    (folder / "seedproof.toml").write_text(text)


@pytest.mark.parametrize("differs", [another_script, another_metric])
async def test_a_second_project_with_another_script_or_metric_is_its_own(
    project: Path, tmp_path: Path, differs: Callable[[Path], None]
) -> None:
    await study(project, "0.1")
    second = tmp_path / "second"
    second.mkdir()
    (second / "train_llm.py").write_text(SCRIPT)
    differs(second)
    assert told((await study(second, "-0.1")).data) == []


async def test_two_projects_of_one_repository_are_told_apart(tmp_path: Path) -> None:
    scripts = {f"{name}/train_llm.py": f"import {name}\n" for name in ("vision", "speech")}
    top = make_repository(tmp_path / "top", scripts)
    await study(top / "vision", "0.1")
    assert told((await study(top / "speech", "-0.1")).data) == []


async def test_a_ledger_in_which_no_run_had_a_value_is_deleted_without_a_stain(project: Path) -> None:
    (project / "seedproof.toml").write_text(
        '[rules]\ncommand = ["{python}", "train_llm.py", "--crash", "--seed", "{seed}", "{flags}", "--output_dir", '
        '"{output_dir}"]\n'
    )
    async with quick_tools(project) as call:
        await call("run_seed")
    assert json.loads(registry_entry(project).read_bytes())["has_value"] is False
    without_state(project)
    (project / "seedproof.toml").unlink()
    assert told((await study(project, "-0.1")).data) == []
    entry = json.loads(registry_entry(project).read_bytes())
    assert (entry["has_value"], entry["gone"]) == (True, 0)


async def test_a_moved_project_leaves_no_snapshots_of_an_unknown_ledger(tmp_path: Path) -> None:
    first = make_repository(tmp_path / "first", {"a/train_llm.py": "import a\n", "b/train_llm.py": "import b\n"})
    await study(first / "a", "0.1")
    moved = first.with_name("moved")
    first.rename(moved)
    async with quick_tools(moved / "a") as call:
        await call.measure("more", "--shift", "0.2")
    assert told((await study(moved / "b", "-0.1")).data) == []


async def test_another_account_is_not_known(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await study(project, "0.1")
    monkeypatch.setenv("HOME", str(tmp_path / "colleague"))
    another_state(monkeypatch, tmp_path / "colleague/state")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "train_llm.py").write_text(SCRIPT)
    assert told((await study(theirs, "-0.1")).data) == []


async def test_a_copy_of_a_folder_is_not_taken_for_the_folder_by_its_note(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await study(project, "0.1")
    another_state(monkeypatch, tmp_path / "elsewhere")
    copy = tmp_path / "copy"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".seedproof", "docs", "checkpoints"))
    assert "ledger_restarted" not in told((await study(copy, "-0.1")).data)


async def test_an_entry_of_an_earlier_version_is_unknown_until_its_project_writes_again(
    project: Path, tmp_path: Path
) -> None:
    await study(project, "0.1")
    entry = json.loads(registry_entry(project).read_bytes())
    old = ("root", "ledger", "began", "head", "records", "seen", "gone")
    registry_entry(project).write_text(json.dumps({name: entry[name] for name in old}))
    first, second = tmp_path / "first", tmp_path / "second"
    for copy in (first, second):
        copy.mkdir()
        (copy / "train_llm.py").write_text(SCRIPT)
    assert told((await study(first)).data) == []
    async with quick_tools(project) as call:
        await call.measure("more", "--shift", "0.2")
    assert "2 other ledgers began with this code: 2 exp" in words((await study(second)).data, "other_ledgers")


async def test_a_demonstration_that_was_removed_is_forgotten(project: Path) -> None:
    await study(project, "0.1")
    assert remove(project)
    assert list(registry_folder().glob("*.json")) == []


@pytest.mark.parametrize(
    "text", [b"import model\r\n\r\nmodel.train()\r\n", b"# mine\nimport model\n\n\n    model.train()  \n"]
)
def test_comment_lines_blank_lines_and_line_endings_do_not_make_another_script(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.py").write_text(SCRIPT)
    (tmp_path / "b.py").write_bytes(text)
    assert script_hash(tmp_path / "a.py") == script_hash(tmp_path / "b.py") is not None


@pytest.mark.parametrize("text", [b"", b"\n# nothing yet\n"])
def test_a_script_that_says_nothing_has_no_hash(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.py").write_bytes(text)
    assert script_hash(tmp_path / "a.py") is None
    assert script_hash(tmp_path / "absent.py") is None


async def test_a_registry_that_cannot_be_read_holds_nothing_up(project: Path) -> None:
    registry_folder().parent.mkdir(parents=True)
    registry_folder().write_text("a file in its place")
    compared = await study(project, "-0.1")
    assert (compared.is_error, told(compared.data)) == (False, [])


@pytest.mark.parametrize("note", [b"", b"[]", b'{"inode": 1}', b'{"inode": 1, "entry": 7}', b"\xff"])
async def test_a_note_that_nobody_can_read_says_nothing(project: Path, note: bytes) -> None:
    if not keeps_notes(project):
        pytest.skip("the file system keeps no attributes")
    os.setxattr(project, "user.seedproof", note.replace(b"1", str(project.stat().st_ino).encode()))
    async with quick_tools(project) as call:
        assert told((await call("check_baseline")).data) == []


@pytest.mark.parametrize("broken", [{"ledger": ["a"]}, {"records": "5"}, {"began": 1}, {"seen": None}], ids=str)
async def test_an_entry_of_another_project_with_odd_values_stops_nothing(
    project: Path, tmp_path: Path, broken: dict[str, Any]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(project, other)
    await study(other)
    entry = registry_entry(other.resolve())
    document = json.loads(entry.read_bytes())
    entry.write_text(json.dumps({**document, **broken, "earlier": [document, {**document, **broken}]}))
    async with quick_tools(project) as call:
        await call.measure_baseline()
        assert told((await call("check_baseline")).data) == []
