"""Snapshots: what is taken, how it is kept and checked out, and that the user's repository stays as it is."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from seedproof.code import ChangedFile
from seedproof_mcp.paths import ProjectPaths

from tests.conftest import MEMORY
from tests.repositories import files_below, git, make_repository, state_of, workspace, write

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


def test_the_same_tree_gives_the_same_commit_whoever_takes_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = workspace(repository).take()
    git(repository, "commit", "--allow-empty", "-q", "-m", "another history")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "somebody else")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert workspace(repository).take() == first


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "figure.PNG",
        "docs/research/ledger.jsonl",
        "checkpoints/x/model.bin",
        "seedproof.toml",
        ".mcp.json",
        ".claude/settings.json",
        "LICENSE",
        "notes/today/idea.txt",
        "results.tsv",
    ],
)
@pytest.mark.parametrize("code", ["snapshot", "in-place"])
def test_what_cannot_change_a_run_is_no_part_of_code_identity(repository: Path, name: str, code: str) -> None:
    space = workspace(repository, code=code, not_code=["notes/*"])
    before = space.take(created=["results.tsv"]).sha256
    write(repository, {name: "written by an agent"})
    assert space.take(created=["results.tsv"]).sha256 == before


@pytest.mark.parametrize("name", ["other.py", "config.yaml", "created.py", "docs/research.py", "data.txt"])
@pytest.mark.parametrize("code", ["snapshot", "in-place"])
def test_every_other_file_is_a_part_of_code_identity(repository: Path, name: str, code: str) -> None:
    space = workspace(repository, code=code)
    before = space.take(created=["created.py"]).sha256
    write(repository, {name: "1"})
    between = space.take(created=["created.py"]).sha256
    write(repository, {name: "2"})
    after = space.take(created=["created.py"]).sha256
    (repository / name).chmod(0o755)
    executable = space.take(created=["created.py"]).sha256
    assert len({before, between, after, executable}) == 4


def test_both_ways_of_taking_code_agree_on_its_identity(repository: Path) -> None:
    write(repository, {"späße/mit leer.py": "x", "b.sh": "y"})
    (repository / "b.sh").chmod(0o755)
    (repository / "link.py").symlink_to("train_llm.py")
    assert workspace(repository).take().sha256 == workspace(repository, code="in-place").take().sha256


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


def test_the_change_lists_files_with_counts_and_keeps_the_difference(repository: Path) -> None:
    space = workspace(repository)
    old = space.take()
    space.keep(old)
    (repository / "lib/model.py").rename(repository / "lib/net work.py")
    write(repository, {"train_llm.py": "a\nb\n", "NOTES.md": "x"})
    (repository / "w.dat").write_bytes(b"\0\1")
    before = state_of(repository)
    new = space.take()
    change = workspace(repository).change(old, new)
    assert change is not None
    assert change.files == (
        ChangedFile("lib/model.py", 0, 1),
        ChangedFile("lib/net work.py", 1, 0),
        ChangedFile("train_llm.py", 2, 1),
        ChangedFile("w.dat", None, None),
    )
    text = ProjectPaths(repository).diff(str(change.diff_sha256)).read_text()
    assert "-print('val_loss: 4.0')\n+a\n+b\n" in text and "NOTES" not in text
    assert space.change(new, new) is None
    assert state_of(repository) == before


def test_a_change_between_a_snapshot_and_code_in_place_is_found_both_ways(repository: Path) -> None:
    snapshot = workspace(repository).take()
    workspace(repository).keep(snapshot)
    place = workspace(repository, code="in-place")
    write(repository, {"train_llm.py": "a\nb\n"})
    live = place.take()
    place.keep(live)
    write(repository, {"train_llm.py": "c\n"})
    there = workspace(repository, code="in-place").change(snapshot, live)
    back = workspace(repository).change(live, snapshot)
    assert there is not None and there.files == (ChangedFile("train_llm.py", 2, 1),)
    assert back is not None and back.files == (ChangedFile("train_llm.py", 1, 2),)


def test_sealed_files_are_hashed_as_a_run_sees_them(repository: Path) -> None:
    write(repository, {"evaluate.py": "1", "data/val_a.npy": "2", "data/deep/val.txt": "3", "data/train": "4"})
    space = workspace(repository)
    patterns = ["evaluate.py", "data/val*", "**/val.txt", "missing.py"]
    code = space.take(patterns)
    assert set(code.sealed) == {"evaluate.py", "data/val_a.npy", "data/deep/val.txt"}
    write(repository, {"evaluate.py": "edited", "data/val_b.npy": "new", "data/val_a.npy": "edited"})
    now = space.sealed_now(code, patterns)
    assert now["evaluate.py"] == code.sealed["evaluate.py"]
    assert now["data/val_a.npy"] != code.sealed["data/val_a.npy"]
    assert "data/val_b.npy" in now
    later = space.take(patterns)
    assert later.sealed["evaluate.py"] != code.sealed["evaluate.py"]
    # What the settings keep out of a snapshot, and what is new and untracked, no run of this code sees.
    write(repository, {"val.txt": ""})
    assert set(workspace(repository, not_linked=["data"]).sealed_now(code, patterns)) == {"evaluate.py"}


def test_modules_come_from_the_snapshot_also_where_the_project_is_installed_editable(repository: Path) -> None:
    write(repository, {"src/pkg/__init__.py": "WHERE = 'snapshot'\n", "flat/__init__.py": "WHERE = 'snapshot'\n"})
    site = repository / ".venv/lib/site-packages"
    write(
        site,
        {
            "__editable___flat_0_1_finder.py": f"MAPPING: dict[str, str] = {{'flat': '{repository}/flat'}}\n",
            "other.py": "",
            "../../pyvenv.cfg": "",
        },
    )
    write(repository, {".gitignore": ".venv/\n"})
    space = workspace(repository, env={"PYTHONPATH": "/elsewhere"})
    code = space.take()
    here = ProjectPaths(repository).worktree(str(code.snapshot))
    write(repository, {"src/pkg/__init__.py": "WHERE = 'project'\n", "flat/__init__.py": "WHERE = 'project'\n"})
    search = ["", str(repository / "src"), "/usr/lib/python3", str(site), "/elsewhere", str(repository / "gone")]
    found = space.environment(code, search)
    assert found == {"PYTHONPATH": f"{here}/src:{here}:/elsewhere"}
    ask = "import pkg, flat; print(pkg.WHERE, flat.WHERE)"
    said = subprocess.run([sys.executable, "-c", ask], cwd=here.parent, env=found, capture_output=True, check=True)
    assert said.stdout == b"snapshot snapshot\n"
    assert space.environment(code, ["/usr/lib/python3"]) == {}


def test_what_no_needed_code_uses_is_found_and_released(repository: Path) -> None:
    space = workspace(repository)
    old = space.take()
    write(repository, {"train_llm.py": "x\n" * 1000})
    new = space.take()
    for code in (old, new):
        space.keep(code)
        space.working_directory(code)
    assert space.change(old, new) is not None
    assert space.unneeded([old, new]) == []
    found = space.unneeded([old])
    assert {one.kind for one in found} == {"snapshot", "worktree", "diff"}
    assert all(one.size_bytes > 0 for one in found)
    before = state_of(repository)
    freed = space.release(found)
    assert freed == sum(one.size_bytes for one in found if one.kind != "snapshot")
    assert space.unneeded([old]) == []
    assert space.is_kept(old) and (repository / "train_llm.py").exists()
    assert git(repository, "worktree", "list").count("\n") == 2
    assert state_of(repository) == before


def test_a_fresh_clone_has_no_snapshot_and_says_so(repository: Path, tmp_path: Path) -> None:
    from seedproof.errors import SnapshotMissing

    space = workspace(repository)
    code = space.take()
    space.keep(code)
    git(tmp_path, "clone", "-q", "--no-local", str(repository), "clone")
    clone = workspace(tmp_path / "clone")
    assert not clone.is_kept(code)
    for call in (clone.keep, clone.working_directory, lambda one: clone.sealed_now(one, ["a"])):
        with pytest.raises(SnapshotMissing, match="is not in this repository") as refused:
            call(code)
        assert str(refused.value.next_call) == "run_seed(new_baseline=…)"
    subprocess.run(["rm", "-rf", str(tmp_path / "clone/.git")], check=True)
    assert not clone.is_kept(code)


# --- whatever happens in a repository ---------------------------------------------------------

NAMES = st.sampled_from(["a.py", "b c.txt", "d/e.py", "d/ü.txt", "f\ng.py", "data/h", "i.bin", "k", "k/l.py", '"q"'])
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["write", "delete", "add", "link", "stage", "commit", "stash", "executable", "unstage"]), NAMES
    ),
    max_size=8,
)


def _edit(folder: Path, kind: str, name: str) -> None:
    place = folder / name
    try:
        if kind in ("write", "add"):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"{kind} {name} {len(list(folder.rglob('*')))}\n")
        elif kind == "delete":
            place.unlink()
        elif kind == "link":
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to("a.py")
        elif kind == "executable":
            place.chmod(0o755)
        if kind in ("add", "stage"):
            git(folder, "add", "-f", "--", name)
        elif kind == "unstage":
            git(folder, "rm", "-q", "--cached", "--", name)
        elif kind == "commit":
            git(folder, "commit", "-q", "-a", "-m", "edit")
        elif kind == "stash":
            git(folder, "stash", "-q")
    except (OSError, subprocess.CalledProcessError):
        pass  # an edit that means nothing there


@given(EDITS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_after_any_edits_the_working_tree_is_exact_and_the_repository_untouched(edits: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory(prefix="seedproof-", dir=MEMORY) as name:
        folder = make_repository(Path(name) / "p", {**SCRIPT, "a.py": "1", ".gitignore": "data/\n*.bin\n"})
        for kind, file in edits:
            _edit(folder, kind, file)
        (folder / "checkpoints").mkdir()
        before, files = state_of(folder), files_below(folder)
        space = workspace(folder)
        code = space.take()
        assert state_of(folder) == before
        space.keep(code)
        tree = space.working_directory(code)
        assert state_of(folder) == before
        seen = {file: content for file, content in files_below(tree).items() if file != "checkpoints"}
        for link in [one for one, content in seen.items() if content == f"link to {folder / one}"]:
            del seen[link]
            files = {one: content for one, content in files.items() if one != link and not one.startswith(f"{link}/")}
        assert seen == files
        assert workspace(folder).take() == code
        space.release(space.unneeded([]))
        assert state_of(folder) == before
        assert git(folder, "for-each-ref", "refs/seedproof") == ""
        assert git(folder, "worktree", "list").count("\n") == 1
