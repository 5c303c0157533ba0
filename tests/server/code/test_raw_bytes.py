"""A snapshot is trained with the bytes of its commit, whatever git makes of them: replace refs, filters, flags."""

import os
from pathlib import Path

import pytest
from seedproof.model.refusals import BadSettings
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.repositories import git, make_repository, workspace, write

SCRIPT = "train_llm.py"


def repository(tmp_path: Path, attributes: str = "") -> Path:
    return make_repository(
        tmp_path / "project", {SCRIPT: "steps = 1\n", "lr.txt": "lr 1\n", ".gitattributes": attributes}
    )


def test_a_replaced_object_has_no_say_in_what_is_trained_with(tmp_path: Path) -> None:
    project = repository(tmp_path)
    code = workspace(project).take()
    workspace(project).keep(code)
    write(project, {"other.txt": "steps = 9\n"})
    git(project, "replace", git(project, "rev-parse", f"HEAD:{SCRIPT}").strip(), hash_of(project, "other.txt"))
    assert git(project, "show", f"HEAD:{SCRIPT}") == "steps = 9\n"
    tree = workspace(project).working_directory(code)
    assert (tree / SCRIPT).read_text() == "steps = 1\n"


def hash_of(project: Path, name: str) -> str:
    return git(project, "hash-object", "-w", name).strip()


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_an_edit_that_git_was_told_not_to_look_at_is_repaired(tmp_path: Path, flag: str) -> None:
    project = repository(tmp_path)
    space = workspace(project)
    code = space.take()
    script = space.working_directory(code) / SCRIPT
    git(script.parent, "update-index", flag, SCRIPT)
    script.write_text("steps = 9\n")
    assert git(script.parent, "status", "--porcelain", "--untracked-files=no") == ""
    space.working_directory(code)
    assert script.read_text() == "steps = 1\n"


def test_an_edit_with_the_old_size_and_times_is_repaired(tmp_path: Path) -> None:
    project = repository(tmp_path)
    space = workspace(project)
    code = space.take()
    script = space.working_directory(code) / SCRIPT
    seen = script.stat()
    script.write_text("steps = 9\n")
    os.utime(script, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    space.working_directory(code)
    assert script.read_text() == "steps = 1\n"


def test_a_folder_that_is_exchanged_for_an_older_one_is_repaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every hash is cached at once.
    monkeypatch.setattr("seedproof_mcp.code.checked_out.TICK_NS", -(10**18))
    project = repository(tmp_path)
    write(project, {"lib/model.py": "GAIN = 0\n"})
    space = workspace(project)
    code = space.take()
    tree = space.working_directory(code)
    write(tree.parent, {"aside/model.py": "GAIN = 1\n"})
    space.working_directory(code)
    git(tree, "update-index", "--assume-unchanged", "lib/model.py")
    (tree / "lib").rename(tree.parent / "was")
    (tree.parent / "aside").rename(tree / "lib")
    space.working_directory(code)
    assert (tree / "lib/model.py").read_text() == "GAIN = 0\n"


def filters(project: Path, smudge: str) -> None:
    git(project, "config", "filter.own.clean", "sed s/2/1/")
    git(project, "config", "filter.own.smudge", smudge)


def test_what_a_filter_makes_of_a_file_is_trained_with_and_is_always_the_same(tmp_path: Path) -> None:
    project = repository(tmp_path, "lr.txt filter=own\n")
    filters(project, "sed s/1/2/")
    space = workspace(project)
    code = space.take()
    tree = space.working_directory(code)
    assert (tree / "lr.txt").read_text() == "lr 2\n"
    # git sees no difference: cleaned, both are the same.
    (tree / "lr.txt").write_text("lr 1\n")
    assert (workspace(project).working_directory(code) / "lr.txt").read_text() == "lr 2\n"


@pytest.mark.parametrize("first", ["sed s/1/2/", "cat"])
def test_a_filter_that_makes_something_else_of_the_same_file_is_refused(tmp_path: Path, first: str) -> None:
    project = repository(tmp_path, "lr.txt filter=own\n")
    filters(project, first)
    workspace(project).working_directory(workspace(project).take())
    filters(project, "sed s/1/22/")
    git(project, "config", "filter.own.clean", "sed s/22*/1/")
    write(project, {"more.py": "another code\n"})
    code = workspace(project).take()
    with pytest.raises(BadSettings, match="checked out with other bytes than in an earlier run"):
        workspace(project).working_directory(code)
    assert not ProjectPaths(project).worktree(str(code.snapshot)).exists()
    filters(project, first)
    assert workspace(project).working_directory(code).is_dir()


def test_line_endings_that_git_converts_are_no_difference(tmp_path: Path) -> None:
    project = repository(tmp_path, "*.txt text eol=crlf\n")
    space = workspace(project)
    code = space.take()
    tree = space.working_directory(code)
    assert (tree / "lr.txt").read_bytes() == b"lr 1\r\n"
    (tree / "made.txt").write_text("by a run")
    assert space.working_directory(code) == tree
    assert (tree / "made.txt").exists()  # nothing was checked out anew
    write(project, {"more.py": "another code\n"})
    assert (space.working_directory(space.take()) / "lr.txt").read_bytes() == b"lr 1\r\n"
