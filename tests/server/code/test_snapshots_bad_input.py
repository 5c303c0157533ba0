"""Working trees that are unusual, or that no snapshot can hold: each works, or is refused with one sentence."""

import errno
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from shutil import which

import pytest
from seedproof.model.refusals import BadSettings
from seedproof_mcp.code.workspace import Workspace
from seedproof_mcp.host.settings import Settings
from seedproof_mcp.system import spawn
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.repositories import files_below, git, make_repository, state_of, workspace, write

SCRIPT = {"train_llm.py": "print('val_loss: 4.0')\n"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "project", SCRIPT)


def refusal(folder: Path) -> str:
    """Why the code cannot be taken; nothing of the repository or the project has changed by it."""
    before, files = state_of(folder), files_below(folder)
    with pytest.raises(BadSettings) as refused:
        workspace(folder).take()
    assert state_of(folder) == before and files_below(folder) == files
    assert not (folder / ".seedproof").exists()
    assert ". " not in refused.value.message.removesuffix(".")
    return refused.value.message


def why_not(folder: Path) -> str:
    """Why the code cannot be taken now."""
    with pytest.raises(BadSettings) as refused:
        workspace(folder).take()
    return refused.value.message


def works(folder: Path) -> dict[str, bytes | str]:
    """The files of a snapshot of the project, without links; nothing of the repository has changed by it."""
    before = state_of(folder)
    space = workspace(folder)
    code = space.take()
    assert code.held == "snapshot"
    space.keep(code)
    found = files_below(space.working_directory(code))
    assert state_of(folder) == before
    return {name: content for name, content in found.items() if content != f"link to {folder / name}"}


def test_a_detached_head_works(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    assert set(works(repository)) == {"train_llm.py"}


@pytest.mark.parametrize("staged", [False, True])
def test_a_repository_without_commits_works(tmp_path: Path, staged: bool) -> None:
    folder = make_repository(tmp_path / "p", SCRIPT, commit=False)
    if staged:
        git(folder, "add", "-A")
    assert set(works(folder)) == {"train_llm.py"}


def merge(repository: Path, theirs: dict[str, str]) -> None:
    """Begin to merge a branch with these files, which also ends where there are conflicts."""
    git(repository, "switch", "-q", "-c", "other")
    write(repository, theirs)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "theirs")
    git(repository, "switch", "-q", "main")
    write(repository, {"train_llm.py": "ours\n"})
    git(repository, "commit", "-q", "-a", "-m", "ours")
    with suppress(subprocess.CalledProcessError):
        git(repository, "merge", "--no-commit", "other")
    assert (repository / ".git/MERGE_HEAD").exists()


def test_a_merge_in_progress_works_without_conflicts_and_is_refused_with_them(tmp_path: Path) -> None:
    clean = make_repository(tmp_path / "clean", SCRIPT)
    merge(clean, {"new.py": ""})
    assert set(works(clean)) == {"train_llm.py", "new.py"}
    conflicts = make_repository(tmp_path / "conflicts", SCRIPT)
    merge(conflicts, {"train_llm.py": "theirs\n"})
    assert "train_llm.py has conflicts of a merge: resolve them and `git add` it" in refusal(conflicts)
    write(conflicts, {"train_llm.py": "both\n"})
    git(conflicts, "add", "train_llm.py")
    assert works(conflicts)["train_llm.py"] == b"both\n"


def test_names_with_spaces_newlines_and_bytes_that_are_no_text_work(repository: Path) -> None:
    names = ["a b.py", "line\nbreak.py", '"quoted".py', "tab\there", "ü.py", ":(top)x.py", "-dash.py", "star*.py"]
    write(repository, dict.fromkeys(names, "1"))
    with open(os.fsencode(repository) + b"/\xff.txt", "w"):
        pass
    assert set(works(repository)) == {"train_llm.py", *names, os.fsdecode(b"\xff.txt")}
    old = workspace(repository).take()
    write(repository, dict.fromkeys(names, "2"))
    change = workspace(repository).change(old, workspace(repository).take())
    assert change is not None and {file.path for file in change.files} == set(names)
    assert {(file.added, file.removed) for file in change.files} == {(1, 1)}


def test_without_git_the_code_is_trained_in_place(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = workspace(repository, code="in-place").take()
    monkeypatch.setenv("PATH", "/nowhere")
    space = workspace(repository)
    code = space.take()
    assert (code, code.held) == (expected, "in-place")
    space.keep(code)
    assert space.is_kept(code) and space.working_directory(code) == repository
    write(repository, {"train_llm.py": "edited"})
    assert space.differing(code) == ("train_llm.py",)
    assert {one.kind for one in space.unneeded([])} == {"code"}


def test_a_submodule_is_refused_by_name(repository: Path, tmp_path: Path) -> None:
    make_repository(tmp_path / "dep", {"x.py": ""})
    git(
        repository,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(tmp_path / "dep"),
        "third/dep",
    )
    assert 'third/dep is a submodule, whose files a snapshot cannot hold: set `code = "in-place"`' in refusal(
        repository
    )
    assert "third/dep/x.py" in {file.path for file in _files_in_place(repository)}


def _files_in_place(folder: Path) -> list[object]:
    space = workspace(folder, code="in-place")
    return list(space._files(space.take()))


@pytest.mark.parametrize("has_commit", [True, False])
def test_an_untracked_repository_is_refused_by_name_and_an_ignored_one_is_linked(
    repository: Path, has_commit: bool
) -> None:
    make_repository(repository / "fork", {"x.py": ""}, commit=has_commit)
    assert "fork is a git repository of its own" in refusal(repository)
    write(repository, {".gitignore": "fork/\n"})
    space = workspace(repository)
    assert (space.working_directory(space.take()) / "fork/x.py").exists()


@pytest.mark.parametrize("name", ["mono/a\nb", "mo\nno/ab", "mo\nno/a\nb", "mo\nno"])
def test_a_folder_with_a_line_break_in_its_name_trains_in_its_own_folder(tmp_path: Path, name: str) -> None:
    project = tmp_path / name
    top = tmp_path / name.split("/")[0]
    make_repository(top, {"train_llm.py": "another\n"}, commit=False)
    write(project, SCRIPT)
    git(top, "add", "-A")
    space = workspace(project)
    code = space.take()
    space.keep(code)
    here = space.working_directory(code)
    assert (here / "train_llm.py").read_text() == SCRIPT["train_llm.py"]
    write(here, {"left.txt": "by a run"})
    assert (space.working_directory(code) / "left.txt").exists()
    space.release(space.unneeded([]))
    assert git(top, "worktree", "list").count(".seedproof") == 0


def test_an_agent_s_own_working_tree_is_passed_over(repository: Path) -> None:
    before = workspace(repository).take()
    git(repository, "worktree", "add", "-q", ".claude/worktrees/feature")
    assert workspace(repository).take() == before


ATTRIBUTES = "*.pt filter=lfs diff=lfs merge=lfs -text\n"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"


def test_lfs_files_are_refused_by_name_where_filter_or_content_is_missing(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    (tmp_path / "gitconfig").touch()
    write(repository, {".gitattributes": ATTRIBUTES, "w.pt": "weights"})
    assert "w.pt is kept with Git LFS, which is not installed here" in refusal(repository)
    # A stand-in for git-lfs: what git keeps is in capital letters.
    config = '[filter "lfs"]\n clean = tr a-z A-Z\n smudge = tr A-Z a-z\n'
    write(tmp_path, {"gitconfig": config})
    write(tmp_path, {"bin/git-lfs": "#!/bin/sh\n"})
    (tmp_path / "bin/git-lfs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    assert works(repository)["w.pt"] == b"weights"
    write(repository, {"w.pt": POINTER})
    assert "w.pt is a Git LFS pointer whose content is not here: `git lfs pull` it" in why_not(repository)


def test_line_endings_are_those_of_the_user_s_checkout(repository: Path) -> None:
    git(repository, "config", "core.autocrlf", "true")
    git(repository, "config", "core.safecrlf", "true")
    (repository / "windows.py").write_bytes(b"a\r\nb\r\n")
    assert works(repository)["windows.py"] == b"a\r\nb\r\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["secret.txt", "train_llm.py"])
def test_an_unreadable_file_is_refused_by_name(repository: Path, name: str) -> None:
    write(repository, {name: "edited"})
    (repository / name).chmod(0)
    for code in ("snapshot", "in-place"):
        with pytest.raises(BadSettings, match=rf"{name} cannot be read \(Permission denied\): make it readable"):
            workspace(repository, code=code).take()


@pytest.mark.parametrize(
    ("command", "said", "message"),
    [
        (
            "add",
            'error: open("a b.txt"): Permission denied\nfatal: adding failed',
            "a b.txt cannot be read (Permission",
        ),
        (
            "add",
            "fatal: clean filter crypt failed",
            "git cannot take a snapshot: clean filter crypt failed. Mend that,",
        ),
        ("ls-files", "warning: could not open directory `closed/`: Permission denied", "closed cannot be read (Permis"),
        (
            "rev-parse",
            "fatal: detected dubious ownership",
            "git refuses to read the repository: detected dubious owner",
        ),
    ],
)
def test_what_git_cannot_read_is_refused_in_its_words(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, said: str, message: str
) -> None:
    """Root may read everything, so a program in git's place says what git says."""
    real, said = which("git"), said.replace("`", "'")
    write(tmp_path, {"said": said + "\n"})
    code = 0 if said.startswith("warning") else 128
    does = f'if [ "$word" = {command} ]; then cat "{tmp_path}/said" >&2; exit {code}; fi'
    write(tmp_path, {"shim/git": f'#!/bin/sh\nfor word in "$@"; do {does}; done\nexec {real} "$@"\n'})
    (tmp_path / "shim/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/shim{os.pathsep}{os.environ['PATH']}")
    assert why_not(repository).startswith(message)
    if command == "rev-parse":
        assert workspace(repository, code="in-place").take().held == "in-place"


def test_a_git_that_may_not_be_started_is_not_none(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = workspace(repository).take()
    write(tmp_path, {"closed/git": "#!/bin/sh\n"})
    monkeypatch.setenv("PATH", f"{tmp_path}/closed")
    said = "git refuses to read the repository: git cannot be started (Permission denied)."
    assert why_not(repository).startswith(said)
    with pytest.raises(BadSettings) as refused:
        workspace(repository).is_kept(code)
    assert refused.value.message == said


def test_a_snapshot_is_not_gone_because_git_may_not_be_started_just_now(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = workspace(repository)
    code = space.take()

    def fail(*_arguments: object, **_options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    assert space.is_kept(code)
    monkeypatch.setattr(spawn, "start", fail)
    with pytest.raises(BadSettings, match=r"git cannot use snapshot [0-9a-f]{12}: git cannot be started \(Perm"):
        space.is_kept(code)


def test_links_that_leave_the_project_work_where_they_are_absolute_and_are_refused_where_not(
    repository: Path, tmp_path: Path
) -> None:
    write(tmp_path, {"disk/x": "1"})
    (repository / "absolute").symlink_to(tmp_path / "disk")
    (repository / "lib").mkdir()
    (repository / "lib/inside.py").symlink_to("../train_llm.py")
    (repository / "dangling").symlink_to("nowhere")
    space = workspace(repository)
    tree = space.working_directory(space.take())
    assert (tree / "absolute/x").read_text() == "1"
    assert (tree / "lib/inside.py").resolve() == (tree / "train_llm.py")
    assert os.readlink(tree / "dangling") == "nowhere"
    (repository / "lib/out").symlink_to("../../disk")
    assert "lib/out is a link to ../../disk, outside the repository" in why_not(repository)
    (repository / "lib/out").unlink()
    (repository / "live.py").symlink_to(repository / "train_llm.py")
    assert "live.py is an absolute link into the repository" in why_not(repository)
    assert workspace(repository, code="in-place").take().held == "in-place"


def test_untracked_data_is_refused_by_name_before_git_stores_it(repository: Path) -> None:
    with open(repository / "tokens.dat", "wb") as file:
        file.truncate(101 * 2**20)  # a hole: no byte of it is on the disk
    assert "tokens.dat has 101 MB, neither tracked nor ignored" in refusal(repository)
    write(repository, {".gitignore": "*.dat\n"})
    assert "tokens.dat" not in works(repository)


def test_a_fifo_in_the_project_is_passed_over(repository: Path) -> None:
    os.mkfifo(repository / "pipe")
    assert set(works(repository)) == {"train_llm.py"}
    assert workspace(repository, code="in-place").take().sha256 == workspace(repository).take().sha256


def test_a_path_that_is_reached_through_a_link_is_the_same_project(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(repository)
    code = workspace(repository).take()
    alias = Workspace(ProjectPaths(tmp_path / "alias"), Settings())
    assert alias.take() == code
    alias.keep(code)
    assert alias.working_directory(code) == workspace(repository).working_directory(code)
    assert git(repository, "worktree", "list").count("\n") == 2


def test_a_sparse_checkout_is_taken_whole(tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "p", {**SCRIPT, "here/a.py": "1", "away/b.py": "2"})
    git(folder, "sparse-checkout", "set", "--cone", "here")
    assert not (folder / "away").exists()
    assert set(works(folder)) == {"train_llm.py", "here/a.py", "away/b.py"}


def test_a_worktree_of_the_user_s_own_is_a_repository_like_any_other(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "idea", str(tmp_path / "second"))
    write(tmp_path / "second", {"train_llm.py": "second\n"})
    assert works(tmp_path / "second")["train_llm.py"] == b"second\n"
    first = workspace(repository)
    first.release(first.unneeded([]))
    assert len(git(repository, "for-each-ref", "refs/seedproof").splitlines()) == 1
