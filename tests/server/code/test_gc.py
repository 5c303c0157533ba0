"""`seedproof gc`: what it shows, what it removes, and what it leaves."""

import re
from pathlib import Path

import pytest
from seedproof.ledger.run_events import RunRequested
from seedproof.ledger.study_events import ExperimentDeclared, GenerationStarted
from seedproof.model.code import Code
from seedproof.model.rules import Rules
from seedproof_mcp.code.gc import find
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.runner.conductor import Conductor
from seedproof_mcp.surface.cli import main
from seedproof_mcp.system import locks
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.arms import run_key
from tests.support.in_process import InProcessEngine
from tests.support.repositories import git, make_repository, state_of, workspace, write


def begin(folder: Path, number: int, text: str) -> Code:
    """Another generation with this script."""
    write(folder, {"train_llm.py": text})
    space = workspace(folder)
    code = space.take()
    with Ledger(ProjectPaths(folder)).writing() as writer:
        space.keep(code)
        reason = None if number == 1 else "new code"
        writer.append(GenerationStarted(generation=number, rules=Rules(), reason=reason, code=code))
    space.working_directory(code)
    return code


def experiment(folder: Path, number: int, old: Code, text: str, name: str = "idea") -> Code:
    """An experiment whose code is another one."""
    write(folder, {"train_llm.py": text})
    space = workspace(folder)
    code = space.take()
    change = space.change(old, code)
    assert change is not None
    with Ledger(ProjectPaths(folder)).writing() as writer:
        space.keep(code)
        space.keep_change(change)
        declared = ExperimentDeclared(
            generation=number,
            experiment=name,
            flags=(),
            hypothesis="it helps",
            code_change=True,
            code=code,
            change=change,
        )
        writer.append(declared)
    space.working_directory(code)
    return code


def said(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> str:
    assert main(["gc", "--project", str(folder), *arguments]) == 0
    return capsys.readouterr().out


def test_gc_frees_what_the_present_generation_does_not_need(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_repository(tmp_path / "p", {"train_llm.py": "0"})
    assert said(capsys, folder) == said(capsys, folder, "--yes") == "Nothing to free; 0 codes in use.\n"
    assert not (folder / ".seedproof").exists()
    first = begin(folder, 1, "1")
    old = experiment(folder, 1, first, "1 idea")
    assert said(capsys, folder, "--yes") == "Nothing to free; 2 codes in use.\n"
    present = begin(folder, 2, "2")
    before = state_of(folder)
    shown = said(capsys, folder)
    kinds = [line.split(" ")[0] for line in shown.splitlines()[:5]]
    assert kinds == ["snapshot", "snapshot", "checked", "checked", "difference"]
    assert "1 code in use.\nRemove it with `seedproof gc --yes`.\n" in shown
    assert workspace(folder).is_kept(first) and workspace(folder).is_kept(old)
    assert said(capsys, folder, "--yes").splitlines()[-1].startswith("Freed 0.0 MB, and 0.0 MB with git")
    assert said(capsys, folder) == "Nothing to free; 1 code in use.\n"
    git(folder, "gc", "-q", "--prune=now")
    space = workspace(folder)
    assert space.is_kept(present) and not space.is_kept(first) and not space.is_kept(old)
    assert state_of(folder) == before


def whose(shown: str) -> list[tuple[str, str]]:
    """What would go and which arms it was kept for, hashes and sizes aside."""
    found = re.findall(r"^(snapshot|checked out|difference|kept source) \S+ \((.*)\): \d", shown, re.MULTILINE)
    return sorted(found)


def test_gc_says_which_arms_each_thing_was_kept_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_repository(tmp_path / "p", {"train_llm.py": "0"})
    first = begin(folder, 1, "1")
    for name in ("idea", "again", "more", "most"):
        experiment(folder, 1, first, "1 idea", name)
    begin(folder, 2, "2")
    own = git(folder, "for-each-ref", "--format=%(refname)", "refs/seedproof").split()[0]
    git(folder, "update-ref", f"{own[:-40]}{'f' * 40}", "HEAD")
    baseline = "baseline, generation 1"
    ideas = "experiment idea, generation 1; experiment again, generation 1; experiment more, generation 1; 1 more"
    wanted = [
        *(("checked out", one) for one in (baseline, ideas)),
        ("difference", ideas),
        *(("snapshot", one) for one in (baseline, ideas, "of no arm in this ledger")),
    ]
    assert whose(said(capsys, folder)) == wanted
    assert whose(said(capsys, folder, "--yes")) == wanted


def test_gc_says_the_same_of_code_that_is_held_in_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    experiment(folder, 1, begin(folder, 1, "1"), "1 idea")
    begin(folder, 2, "2")
    arms = ["baseline, generation 1", "experiment idea, generation 1"]
    assert whose(said(capsys, folder)) == [
        ("difference", arms[1]),
        *(("kept source", arm) for arm in arms for _ in ("the list of its files", "its script")),
    ]


def test_while_a_run_is_active_gc_keeps_whatever_any_generation_was_trained_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_repository(tmp_path / "p", {"train_llm.py": "0"})
    begin(folder, 1, "1")
    with Ledger(ProjectPaths(folder)).writing() as writer:
        writer.append(RunRequested(key=run_key(None, 42)))
    begin(folder, 2, "2")
    begin(folder, 3, "3")
    assert said(capsys, folder, "--yes") == (
        "Runs are queued or training: whatever any generation was trained with is kept.\n"
        "Nothing to free; 3 codes in use.\n"
    )


def test_when_the_queue_has_run_empty_snapshots_of_earlier_generations_go_and_the_texts_of_changes_stay(
    tmp_path: Path,
) -> None:
    folder = make_repository(tmp_path / "project", {"train_llm.py": "a\n"})
    paths = ProjectPaths(folder)
    experiment(folder, 1, begin(folder, 1, "a\n"), "b\n")
    present = begin(folder, 2, "c\n")
    lock = locks.try_lock(paths.conductor_lock)
    assert lock is not None
    conductor = Conductor(paths, InProcessEngine())
    conductor.step()
    assert conductor.retire(lock)
    assert {one.kind for one in find(paths).leftovers} == {"diff"}
    assert list(paths.worktrees.iterdir()) == [paths.worktree(str(present.snapshot))]
