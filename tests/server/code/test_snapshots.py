"""Snapshots: what is taken, how it is kept and checked out, and that the user's repository stays as it is."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from seedproof.model.code import ChangedFile
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.repositories import files_below, git, make_repository, state_of, workspace, write

SCRIPT = {"train_llm.py": "print('val_loss: 4.0')\n"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(
        tmp_path / "project", {**SCRIPT, "lib/model.py": "SIZE = 1\n", ".gitignore": "data/\n*.bin\n"}
    )


def test_a_snapshot_holds_tracked_modified_and_untracked_files_but_no_ignored_ones(repository: Path) -> None:
    write(repository, {"train_llm.py": "print('edited')\n", "new one.py": "", "data/a.txt": "d", "w.bin": "x"})
    (repository / "lib/model.py").unlink()
    before = state_of(repository)
    space = workspace(repository)
    code = space.take()
    assert code.held == "snapshot" and code.snapshot is not None
    assert space.unneeded([]) == []
    assert git(repository, "for-each-ref", "refs/seedproof") == ""
    space.keep(code)
    space.keep(code)
    assert space.is_kept(code)
    tree = space.working_directory(code)
    assert tree == repository / ".seedproof/worktrees" / code.snapshot[:12]
    assert files_below(tree) == {
        ".gitignore": b"data/\n*.bin\n",
        "train_llm.py": b"print('edited')\n",
        "new one.py": b"",
        "data": f"link to {repository}/data",
        "w.bin": f"link to {repository}/w.bin",
        "checkpoints": f"link to {repository}/checkpoints",
    }
    assert state_of(repository) == before


def test_a_file_of_a_code_is_read_as_it_was_taken(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "top", {f"study/{name}": text for name, text in SCRIPT.items()}) / "study"
    space = workspace(project)
    code = space.take()
    write(project, {"train_llm.py": "print('edited')\n"})
    assert space.content(code, "train_llm.py") == SCRIPT["train_llm.py"].encode()
    assert space.content(code, "../train_llm.py") is None
    assert space.content(code, "missing.py") is None


def test_the_same_tree_gives_the_same_commit_whoever_takes_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = workspace(repository).take()
    git(repository, "commit", "--allow-empty", "-q", "-m", "another history")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "somebody else")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert workspace(repository).take() == first


def test_files_that_runs_created_are_no_part_of_a_snapshot_and_others_are(repository: Path) -> None:
    write(repository, {"cache.npy": "x", "made.py": "y"})
    space = workspace(repository)
    tree = space.working_directory(space.take(created=["cache.npy", "made.py"]))
    assert not (tree / "cache.npy").exists()
    assert (tree / "made.py").exists()


def test_untracked_checkpoints_are_never_taken_and_tracked_ones_are(repository: Path) -> None:
    write(repository, {"checkpoints/a/model.pt": "large", ".seedproof/x": "", "checkpoints/start.pt": "s"})
    git(repository, "add", "-f", "checkpoints/start.pt")
    write(repository, {"checkpoints/start.pt": "edited"})
    space = workspace(repository)
    tree = space.working_directory(space.take())
    assert (tree / "checkpoints/start.pt").read_text() == "edited"
    assert not (tree / "checkpoints/a").exists()
    assert not (tree / ".seedproof").exists()


def test_ignored_entries_are_reached_through_links_except_those_that_the_settings_exclude(tmp_path: Path) -> None:
    project = make_repository(
        tmp_path / "p",
        {**SCRIPT, "src/a.py": "", ".gitignore": "/data\nsrc/data/\n__pycache__/\n*.secret\n.venv/\n*.pyc\nold/\n"},
    )
    write(project, {"src/data/raw/x": "1", "src/__pycache__/a.pyc": "", "b.secret": "", ".venv/pyvenv.cfg": ""})
    write(tmp_path, {"disk/y": "2"})
    (project / "data").symlink_to("../disk")
    space = workspace(project, not_linked=["*.secret"])
    code = space.take()
    tree = space.working_directory(code)
    links = {name for name, content in files_below(tree).items() if isinstance(content, str)}
    assert links == {"data", "src/data", ".venv", "checkpoints"}
    assert (tree / "src/data/raw/x").read_text() == "1"
    assert (tree / "data/y").read_text() == "2"
    # Later calls see what has come and gone.
    write(project, {"old/z": "3"})
    (project / "data").unlink()
    space.working_directory(code)
    assert (tree / "old/z").read_text() == "3"
    assert not os.path.lexists(tree / "data")


def test_a_run_trains_with_the_snapshot_while_the_agent_edits_resets_stashes_and_switches(repository: Path) -> None:
    write(repository, {"train_llm.py": "first\n"})
    space = workspace(repository)
    code = space.take()
    space.keep(code)
    taken = files_below(space.working_directory(code))

    def edits() -> list[Callable[[], object]]:
        return [
            lambda: write(repository, {"train_llm.py": "second\n", "more.py": ""}),
            lambda: git(repository, "stash", "-u"),
            lambda: git(repository, "switch", "-q", "-c", "idea"),
            lambda: write(repository, {"lib/model.py": "SIZE = 2\n"}),
            lambda: git(repository, "commit", "-q", "-a", "-m", "idea"),
            lambda: git(repository, "reset", "-q", "--hard", "HEAD~1"),
            lambda: git(repository, "switch", "-q", "main"),
            lambda: git(repository, "checkout", "-q", "--detach"),
            lambda: git(repository, "gc", "-q", "--prune=now"),
            lambda: git(repository, "worktree", "prune"),
            lambda: git(repository, "clean", "-fdxq", "-e", ".seedproof"),
        ]

    for edit in edits():
        edit()
        before = state_of(repository)
        assert workspace(repository).is_kept(code)
        assert files_below(workspace(repository).working_directory(code)) == taken
        assert state_of(repository) == before


def test_a_working_tree_that_was_deleted_or_damaged_by_hand_is_made_again(repository: Path) -> None:
    write(repository, {"data/kept.txt": "the user's"})
    space = workspace(repository)
    code = space.take()
    space.keep(code)
    tree = space.working_directory(code)
    taken = files_below(tree)

    def damage() -> list[Callable[[], object]]:
        return [
            lambda: subprocess.run(["rm", "-rf", str(tree)], check=True),
            lambda: (tree / "train_llm.py").write_text("edited in the wrong place"),
            lambda: (tree / "sneaky.py").write_text("put beside it"),
            lambda: (tree / "lib/model.py").unlink(),
            lambda: (tree / ".git").unlink(),
            lambda: (tree / ".git").write_text("gitdir: /nowhere\n"),
            lambda: git(tree, "switch", "-q", "-c", "work-here"),
            lambda: git(repository, "worktree", "remove", "--force", str(tree)),
            lambda: git(repository, "worktree", "lock", str(tree)) and subprocess.run(["rm", "-rf", tree], check=True),
            lambda: subprocess.run(["rm", "-rf", str(tree), str(repository / ".git/worktrees")], check=True),
            lambda: (subprocess.run(["rm", "-rf", str(tree)], check=True), tree.write_text("a file in its place")),
            lambda: ((tree / "data").unlink(), (tree / "data").symlink_to(repository / "lib")),
            lambda: ((tree / "data").unlink(), write(tree, {"data/kept.txt": "an easier one"})),
            lambda: ((tree / "data").unlink(), (tree / "data").mkdir()),
            lambda: (tree / "sneaky.py").symlink_to(repository / "lib/model.py"),
        ]

    for number, harm in enumerate(damage()):
        harm()
        branches = git(repository, "for-each-ref", "refs/heads")
        assert files_below(space.working_directory(code)) == taken, number
        assert git(repository, "for-each-ref", "refs/heads") == branches
        assert (repository / "data/kept.txt").read_text() == "the user's"
        assert git(repository, "worktree", "list").count(str(tree)) == 1


def test_what_a_run_leaves_in_its_working_tree_stays_for_the_next_seed(repository: Path) -> None:
    space = workspace(repository)
    code = space.take()
    tree = space.working_directory(code)
    write(tree, {"cache/tokens.npy": "1", "lib/__pycache__/model.pyc": ""})
    assert (space.working_directory(code) / "cache/tokens.npy").exists()


def test_what_runs_left_in_a_damaged_working_tree_is_set_aside_until_somebody_frees_it(repository: Path) -> None:
    write(repository, {"data/kept.txt": "the user's"})
    space = workspace(repository)
    code = space.take()
    space.keep(code)
    tree = space.working_directory(code)
    write(tree, {"lib/__pycache__/model.pyc": ""})
    (tree / "lib/model.py").unlink()
    space.working_directory(code)
    assert space.unneeded([code]) == []  # nothing was lost
    for number in (1, 2):
        write(tree, {"runs/best.pt": f"weights {number}", "runs/train_llm.py": "saved by a run"})
        assert not (space.working_directory(code) / "runs").exists()
        found = tree.with_name(f"{tree.name}.found-{number}")
        assert (found / "runs/best.pt").read_text() == f"weights {number}"
        assert not (found / ".git").exists()
    assert git(repository, "worktree", "list").count(tree.name) == 1
    left = space.unneeded([code])
    assert [(one.kind, one.name, one.is_found) for one in left] == [
        ("worktree", f"{tree.name}.found-1", True),
        ("worktree", f"{tree.name}.found-2", True),
    ]
    assert space.release(left) > 0
    assert space.unneeded([code]) == []
    assert (repository / "data/kept.txt").exists()
    assert space.working_directory(code) == tree


def test_a_folder_above_a_link_cannot_be_exchanged_for_a_link(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "p", {**SCRIPT, ".gitignore": "big/\n"})
    write(project, {"assets/big/x": "the user's"})
    write(tmp_path, {"easy/big/x": "easy"})
    space = workspace(project)
    code = space.take()
    tree = space.working_directory(code)
    assert os.readlink(tree / "assets") == str(project / "assets") or (tree / "assets/big").is_symlink()
    subprocess.run(["rm", "-rf", str(tree / "assets")], check=True)
    (tree / "assets").symlink_to(tmp_path / "easy")
    assert (space.working_directory(code) / "assets/big/x").read_text() == "the user's"


def test_what_the_snapshot_holds_in_the_place_of_a_link_is_no_damage(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "p", {**SCRIPT, "conf/local.yaml": "a: 1\n", ".gitignore": "*.bin\n"})
    (project / "set").symlink_to("/nowhere")
    write(project, {"checkpoints/a.bin": "x"})
    space = workspace(project)
    code = space.take()
    tree = space.working_directory(code)
    write(project, {".gitignore": "*.bin\nconf/\nset\n"})
    git(project, "rm", "-q", "-r", "--cached", "conf")
    write(tree, {"left.txt": "by a run"})
    space.working_directory(code)
    assert (tree / "conf/local.yaml").read_text() == "a: 1\n" and not (tree / "conf").is_symlink()
    assert os.readlink(tree / "set") == "/nowhere"
    assert (tree / "left.txt").exists()
    assert (tree / "checkpoints/a.bin").exists()


def test_a_copied_project_trains_with_its_own_data(repository: Path, tmp_path: Path) -> None:
    write(repository, {"data/a.txt": "the original's"})
    space = workspace(repository)
    code = space.take()
    space.keep(code)
    space.working_directory(code)
    copy = tmp_path / "copy"
    shutil.copytree(repository, copy, symlinks=True)
    write(copy, {"data/a.txt": "the copy's"})
    here = workspace(copy).working_directory(code)
    assert here.is_relative_to(copy)
    assert (here / "data/a.txt").read_text() == "the copy's"
    assert (here / ".git").read_text().startswith(f"gitdir: {copy}/.git/")
    assert (space.working_directory(code) / "data/a.txt").read_text() == "the original's"


def test_a_working_tree_of_the_user_s_has_snapshots_of_its_own(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", "--detach", str(tmp_path / "other"))
    space = workspace(tmp_path / "other")
    tree = space.working_directory(space.take())
    write(tree, {"left.txt": "by a run"})
    assert (space.working_directory(space.take()) / "left.txt").exists()


def test_no_hook_of_the_user_runs(repository: Path) -> None:
    hooks = repository / ".git/hooks"
    for name in ("pre-commit", "post-checkout", "post-index-change", "reference-transaction", "post-commit"):
        write(hooks, {name: f"#!/bin/sh\ntouch {repository}/hook-ran\n"})
        (hooks / name).chmod(0o755)
    git(repository, "config", "core.hooksPath", str(hooks))
    git(repository, "config", "core.fsmonitor", str(hooks / "pre-commit"))
    space = workspace(repository)
    code = space.take()
    space.keep(code)
    space.working_directory(code)
    assert space.release(space.unneeded([])) > 0
    assert not (repository / "hook-ran").exists()


def test_variables_of_git_in_the_environment_mean_nothing(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = workspace(repository).take()
    other = make_repository(tmp_path / "other", {"x.py": ""})
    before = state_of(other)
    for name, value in {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / ".git/index"),
        "GIT_OBJECT_DIRECTORY": str(other / ".git/objects"),
        "GIT_NAMESPACE": "elsewhere",
        "GIT_PREFIX": "lib/",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.bare",
        "GIT_CONFIG_VALUE_0": "true",
    }.items():
        monkeypatch.setenv(name, value)
    space = workspace(repository)
    assert space.take() == code
    space.keep(code)
    assert (space.working_directory(code) / "train_llm.py").exists()
    assert state_of(other) == before


def test_edits_that_git_was_told_not_to_look_at_are_taken(repository: Path) -> None:
    git(repository, "update-index", "--assume-unchanged", "train_llm.py")
    git(repository, "update-index", "--skip-worktree", "lib/model.py")
    write(repository, {"train_llm.py": "edited 1\n", "lib/model.py": "edited 2\n"})
    before = state_of(repository)
    space = workspace(repository)
    tree = space.working_directory(space.take())
    assert (tree / "train_llm.py").read_text() == "edited 1\n"
    assert (tree / "lib/model.py").read_text() == "edited 2\n"
    assert state_of(repository) == before


def test_an_edit_in_the_same_moment_as_the_index_is_taken(repository: Path) -> None:
    """Git tells an edit by size and time; where both are the same, by the time of the index, which a copy must keep."""
    index = repository / ".git/index"
    times = (repository / "train_llm.py").stat()
    (repository / "train_llm.py").write_text("print('val_loss: 5.0')\n")
    os.utime(repository / "train_llm.py", ns=(times.st_atime_ns, times.st_mtime_ns))
    os.utime(index, ns=(times.st_atime_ns, times.st_mtime_ns))
    git(repository, "config", "core.trustctime", "false")
    space = workspace(repository)
    assert "5.0" in (space.working_directory(space.take()) / "train_llm.py").read_text()


def test_a_project_inside_a_larger_repository_trains_in_its_own_folder(tmp_path: Path) -> None:
    top = make_repository(
        tmp_path / "mono", {"lib/shared.py": "A = 1\n", "apps/one/train_llm.py": "", ".gitignore": "data/\n"}
    )
    write(top, {"apps/one/data/x": "", "apps/one/checkpoints/m": "", "data/y": "", "apps/two/checkpoints/big": ""})
    project = top / "apps/one"
    space = workspace(project)
    code = space.take()
    space.keep(code)
    here = space.working_directory(code)
    assert here == project / ".seedproof/worktrees" / str(code.snapshot)[:12] / "apps/one"
    assert (here / "../../lib/shared.py").read_text() == "A = 1\n"
    assert (here / "data/x").exists() and (here / "../../data/y").exists()
    assert not (here / "../two").exists()
    assert files_below(here)["checkpoints"] == f"link to {project}/checkpoints"
    write(top, {"lib/shared.py": "A = 2\n"})
    change = space.change(code, space.take())
    assert change is not None and change.files == (ChangedFile("lib/shared.py", 1, 1),)


def test_two_projects_of_one_repository_share_no_ref_and_tidy_only_their_own(tmp_path: Path) -> None:
    top = make_repository(tmp_path / "mono", {"one/train_llm.py": "", "two/train_llm.py": ""})
    one, two = workspace(top / "one"), workspace(top / "two")
    code = one.take()
    assert two.take().snapshot == code.snapshot
    for space in (one, two):
        space.keep(code)
        space.working_directory(code)
    assert len(git(top, "for-each-ref", "refs/seedproof").splitlines()) == 2
    assert one.release(one.unneeded([])) > 0
    assert one.unneeded([]) == []
    assert two.is_kept(code)
    assert len(git(top, "for-each-ref", "refs/seedproof").splitlines()) == 1
    assert not ProjectPaths(top / "one").worktree(str(code.snapshot)).exists()
    assert (two.working_directory(code) / "train_llm.py").exists()
    # The reports of one make the other's code no other.
    write(top, {"one/docs/research/ledger.jsonl": "{}"})
    assert two.take().sha256 == code.sha256


def test_a_repository_around_the_project_that_tracks_nothing_of_it_is_not_its_repository(tmp_path: Path) -> None:
    home = make_repository(tmp_path / "home", {".bashrc": ""})
    write(home, {"work/train_llm.py": "", "mail/private": ""})
    code = workspace(home / "work").take()
    assert code.held == "in-place"
