"""Takes a snapshot of a working tree: a commit that holds it, made beside the user's index."""

import os
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from seedproof.model.refusals import BadSettings, NextCall

from seedproof_mcp.code.git import Git, GitFailed, GitSaid, Repository
from seedproof_mcp.code.identity import LINK, File, is_of_no_program, is_result, shown
from seedproof_mcp.system import files

__all__ = [
    "IN_PLACE",
    "escaped",
    "ignored",
    "in_git_s_words",
    "list_files",
    "refuse",
    "refuse_closed_folders",
    "take_snapshot",
]

_SUBMODULE = "160000"
# GitHub takes no larger file: what is larger is data, and would stay in the repository's folder.
_MAX_UNTRACKED_BYTES = 100 * 2**20
_MAX_ALL_UNTRACKED_BYTES = 2**30
_POINTER = b"version https://git-lfs.github.com/spec/"
# The same tree gives the same commit, whoever takes it and when.
_NOBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Seedproof"), ("EMAIL", "seedproof@localhost"), ("DATE", "2000-01-01T00:00:00 +0000"))
}
IN_PLACE = 'set `code = "in-place"` under [settings] in seedproof.toml'


def refuse(message: str) -> BadSettings:
    """The refusal of a working tree that cannot be taken as it is."""
    return BadSettings(message, NextCall("check_baseline", "Shows what is due, once that is mended."))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What lies in the working tree and not, as it is, in the user's index."""

    untracked: list[str]
    conflicts: list[str]


def take_snapshot(repository: Repository, created: Collection[str]) -> tuple[str, list[File]]:
    """The commit of tracked, modified and untracked-not-ignored files, and what is in it; no ref holds it yet.

    Args:
        created: Untracked files that runs left behind; sources aside, they are no part of it.

    Raises:
        BadSettings: A file, by name, that a snapshot cannot hold, and what to do.
    """
    with _temporary_index(repository) as index, in_git_s_words():
        git = repository.git(index)
        seen = _look(git, repository)
        if seen.conflicts:
            raise refuse(
                f"{shown(seen.conflicts[0])} has conflicts of a merge: resolve them and `git add` it, "
                "then call again; a merge without conflicts is no obstacle."
            )
        untracked = _wanted(seen.untracked, repository, created)
        git("add", "--update")
        if untracked:
            names = b"\0".join(os.fsencode(name) for name in untracked) + b"\0"
            git("update-index", "--add", "--replace", "-z", "--stdin", stdin=names)
        files = _index_files(git, repository)
        _refuse_what_is_not_held(git, repository, files)
        tree = git("write-tree").text()
        commit = git("commit-tree", tree, env=_NOBODY, stdin=b"Seedproof snapshot\n").text()
    return commit, files


def list_files(git: Git, commit: str) -> list[File]:
    """The files of a snapshot.

    Raises:
        GitFailed: It is not there.
    """
    files = []
    for line in git("ls-tree", "-r", "-z", "--full-tree", commit).names():
        about, path = line.split("\t", 1)
        mode, _, blob = about.split(" ")
        files.append(File(path, mode, blob))
    return files


def ignored(repository: Repository) -> list[str]:
    """The ignored files and folders that exist, a folder without other files as one; folders end in /."""
    arguments = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
    return repository.git()(*arguments).names()


@contextmanager
def _temporary_index(repository: Repository) -> Iterator[Path]:
    """A copy of the user's index to work on: what it knows of unchanged files need not be read again."""
    with files.scratch_folder() as folder:
        index, own = folder / "index", repository.folder / "index"
        if own.exists():
            # With its time: git takes a file for unread that changed when the index was written, or later.
            files.copy_scratch(own, index)
        yield index


@contextmanager
def in_git_s_words() -> Iterator[None]:
    """Tell what git refuses, while a snapshot is taken, with the way out.

    Raises:
        BadSettings: git has failed.
    """
    try:
        yield
    except GitFailed as failure:
        unreadable = re.search(r'open(?:dir)?\("(.*)"\): (.*)', failure.words, re.DOTALL)
        if unreadable:
            raise refuse(_cannot_be_read(unreadable[1], unreadable[2])) from failure
        raise refuse(f"git cannot take a snapshot: {failure.words}. Mend that, or {IN_PLACE}.") from failure


def _cannot_be_read(name: str, why: str) -> str:
    return f"{name} cannot be read ({why}): make it readable, or ignore it in .gitignore."


def _look(git: Git, repository: Repository) -> _Seen:
    own = escaped(f"/{repository.prefix}checkpoints")
    said = git(
        *("ls-files", "-z", "-t", "--unmerged", "--others", "--exclude-standard"), "-x", ".seedproof/", "-x", own
    )
    refuse_closed_folders(said)
    untracked, conflicts = [], []
    for line in said.names():
        tag, rest = line[0], line[2:]
        if tag == "?":
            untracked.append(rest)
        else:
            conflicts.append(rest.split("\t", 1)[1])
    return _Seen(untracked, conflicts)


def refuse_closed_folders(said: GitSaid) -> None:
    """What git passes over with a warning, when it lists untracked files, is refused.

    Raises:
        BadSettings: A folder, by name, that cannot be read.
    """
    closed = re.search(r"could not open directory '(.*?)/?': (.*)", said.errors)
    if closed:
        raise refuse(_cannot_be_read(closed[1], closed[2]))


def escaped(path: str) -> str:
    """A path as a pattern for git that names nothing else."""
    return re.sub(r"([*?\[\\ ])", r"\\\1", path)


def _wanted(untracked: list[str], repository: Repository, created: Collection[str]) -> list[str]:
    """The untracked files that a snapshot takes."""
    wanted, total = [], 0
    for name in untracked:
        if name.endswith("/"):
            if is_of_no_program(name):
                continue  # working trees that an agent's tools make, such as .claude/worktrees/feature
            raise refuse(_is_a_repository(name.rstrip("/")))
        if is_result(name, "") and "checkpoints/" in name:
            continue  # the outputs of another project in the same repository
        if name in created and not name.endswith(".py"):
            continue
        wanted.append(name)
        size = _size(repository.top / name)
        total += size
        if size > _MAX_UNTRACKED_BYTES:
            raise refuse(_is_data(shown(name), size))
    if total > _MAX_ALL_UNTRACKED_BYTES:
        raise refuse(_is_data(f"what is untracked ({len(wanted)} files)", total))
    return wanted


def _is_a_repository(name: str) -> str:
    return (
        f"{shown(name)} is a git repository of its own, whose files a snapshot cannot hold: "
        f"ignore it in .gitignore, so that snapshots reach it through a link, or {IN_PLACE}."
    )


def _is_data(what: str, size: int) -> str:
    return (
        f"{what} has {size / 2**20:.0f} MB, neither tracked nor ignored, which every snapshot would store: "
        f"ignore it in .gitignore, so that snapshots reach it through a link, or {IN_PLACE}."
    )


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _index_files(git: Git, repository: Repository) -> list[File]:
    """What the index holds now; files that it was told not to look at are looked at first."""
    tagged = _tagged(git)
    unwatched = [file.path for tag, file in tagged if tag.islower() or _is_skipped_though_there(tag, file, repository)]
    if unwatched:
        names = b"\0".join(os.fsencode(name) for name in unwatched) + b"\0"
        git("update-index", "--no-assume-unchanged", "-z", "--stdin", stdin=names)
        git("update-index", "--no-skip-worktree", "-z", "--stdin", stdin=names)
        git("add", "--update")
        tagged = _tagged(git)
    return [file for _, file in tagged]


def _tagged(git: Git) -> list[tuple[str, File]]:
    found = []
    for line in git("ls-files", "-z", "-v", "--stage").names():
        about, path = line.split("\t", 1)
        tag, mode, blob, _ = about.split(" ")
        found.append((tag, File(path, mode, blob)))
    return found


def _is_skipped_though_there(tag: str, file: File, repository: Repository) -> bool:
    return tag == "S" and os.path.lexists(repository.top / file.path)


# --- what a snapshot cannot hold --------------------------------------------------------------


def _refuse_what_is_not_held(git: Git, repository: Repository, files: Sequence[File]) -> None:
    for file in files:
        if file.mode == _SUBMODULE:
            raise refuse(
                f"{shown(file.path)} is a submodule, whose files a snapshot cannot hold: {IN_PLACE}, "
                "or take its files into this repository."
            )
    links = [file.path for file in files if file.mode == LINK]
    if links:
        _refuse_links_that_would_lead_elsewhere(repository, links, {file.path for file in files})
    attributes = repository.folder / "info" / "attributes"
    if attributes.exists() or any(file.path.endswith(".gitattributes") for file in files):
        _refuse_missing_lfs(git, repository)


def _refuse_links_that_would_lead_elsewhere(repository: Repository, links: list[str], paths: set[str]) -> None:
    """A link is kept as it is written, so it must lead to the same place, or to the same file of the snapshot."""
    for path in links:
        try:
            target = os.readlink(repository.top / path)
        except OSError:  # a system or a part of the repository without links
            continue
        end = os.path.normpath(os.path.join(repository.top, os.path.dirname(path), target))
        inside = os.path.relpath(end, repository.top)
        leaves = inside == ".." or inside.startswith("../")
        if not os.path.isabs(target) and leaves:
            raise refuse(
                f"{shown(path)} is a link to {shown(target)}, outside the repository, and would lead elsewhere from "
                f"a snapshot: make it an absolute link, ignore it in .gitignore, or {IN_PLACE}."
            )
        if os.path.isabs(target) and not leaves and _holds(paths, inside):
            raise refuse(
                f"{shown(path)} is an absolute link into the repository, through which a snapshot would train with "
                f"whatever is edited later: make it a relative link, or {IN_PLACE}."
            )


def _holds(paths: set[str], path: str) -> bool:
    return path == "." or path in paths or any(one.startswith(f"{path}/") for one in paths)


def _refuse_missing_lfs(git: Git, repository: Repository) -> None:
    """Files of Git LFS, which a checkout can only make with its filter and their content."""
    kept = git("ls-files", "-z", "--", ":(top,attr:filter=lfs)").names()
    if not kept:
        return
    is_installed = git("config", "filter.lfs.clean", allowed=(0, 1)).code == 0 and _lfs_program(git)
    for path in kept:
        if not is_installed:
            raise refuse(
                f"{shown(path)} is kept with Git LFS, which is not installed here: "
                f"install it (`git lfs install`, `git lfs pull`), or {IN_PLACE}."
            )
        if _is_pointer(repository.top / path):
            raise refuse(
                f"{shown(path)} is a Git LFS pointer whose content is not here: `git lfs pull` it, or {IN_PLACE}."
            )


def _lfs_program(git: Git) -> bool:
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), git("--exec-path").text()))
    return shutil.which("git-lfs", path=path) is not None


def _is_pointer(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_POINTER)) == _POINTER
    except OSError:
        return False
